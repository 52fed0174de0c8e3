#include "http_fresh.h"

#include "http_date.h"
#include "http_list.h"

#define GUESS_MOST 86400

bool status_is_heuristic(uint64_t status)
{
    static const uint16_t statuses[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i] == status)
            return true;
    return false;
}

/* Date; when there is none, or none that can be read, the time it came (RFC 9110 section 6.6.1). */
static int64_t date_of(const struct headers *headers, int64_t wall)
{
    int64_t date;
    return date_read(headers_get(headers, STR("date")), wall, &date) ? date : wall;
}

static uint32_t within(int64_t seconds)
{
    return seconds <= 0 ? 0 : seconds > SECONDS_MOST ? SECONDS_MOST : (uint32_t)seconds;
}

/* Section 5.3: what is no date, such as "0", is in the past; so is what is said twice in different ways. */
static uint32_t until_expiry(const struct headers *headers, int64_t wall)
{
    struct str first = headers_line(headers, STR("expires"), 0), second = headers_line(headers, STR("expires"), 1);
    int64_t expires;
    if ((second.p && !str_eq(first, second)) || !date_read(str_trim(first), wall, &expires))
        return 0;
    return within(expires - date_of(headers, wall));
}

static uint32_t guess(const struct headers *headers, int64_t wall)
{
    int64_t modified;
    if (!date_read(headers_get(headers, STR("last-modified")), wall, &modified))
        return 0;
    uint32_t seconds = within((date_of(headers, wall) - modified) / 10);
    return seconds < GUESS_MOST ? seconds : GUESS_MOST;
}

struct lifetime fresh_lifetime(const struct control *control, bool targeted, uint64_t status,
                               const struct headers *headers, int64_t wall, bool heuristics)
{
    if (control->flags & CONTROL_S_MAXAGE)
        return (struct lifetime){control->s_maxage, true, false};
    if (control->flags & CONTROL_MAX_AGE)
        return (struct lifetime){control->max_age, true, false};
    if (!targeted && headers_get(headers, STR("expires")).p)
        return (struct lifetime){until_expiry(headers, wall), true, false};
    if (heuristics && (status_is_heuristic(status) || control->flags & CONTROL_PUBLIC))
        return (struct lifetime){guess(headers, wall), false, true};
    return (struct lifetime){0, false, false};
}

uint64_t fresh_initial_age(const struct headers *headers, const struct arrival *arrival)
{
    uint64_t delay = arrival->came > arrival->asked ? arrival->came - arrival->asked : 0;
    int64_t apparent = arrival->wall - date_of(headers, arrival->wall);
    uint32_t said = 0;
    struct str line = headers_get(headers, STR("age")), first;
    /* Of several the first counts; what is no number is ignored (section 5.1). */
    if (!line.p || !list_next(&line, &first) || *first.p == '"' || !seconds_read(first, &said))
        said = 0;
    uint64_t corrected = (uint64_t)said * 1000 + delay;
    uint64_t by_date = (uint64_t)within(apparent) * 1000;
    return corrected > by_date ? corrected : by_date;
}
