#include "http_cache_status.h"

/* Without printf: this is written for each answer, and that would be a large part of what one costs. */
static void add(char *text, size_t *n, struct str more)
{
    if (more.n >= CACHE_STATUS_SIZE - *n)
        return;
    memcpy(text + *n, more.p, more.n);
    *n += more.n;
}

static void add_number(char *text, size_t *n, struct str name, int64_t number)
{
    char digits[DECIMAL_BYTES];
    add(text, n, name);
    if (number < 0)
        add(text, n, STR("-"));
    add(text, n, str_decimal(digits, number < 0 ? 0 - (uint64_t)number : (uint64_t)number));
}

/* RFC 9211 section 2.2 */
static const char *forward_of(const struct cache_note *note)
{
    switch (note->why) {
    case WHY_METHOD:
        return "method";
    case WHY_PERSONAL:
    case WHY_NOT_TO_STORE:
    case WHY_UNCACHEABLE:
    case WHY_FULL:
        return "bypass";
    case WHY_REQUEST:
        return "request";
    case WHY_ABSENT:
        return note->variant ? "vary-miss" : "uri-miss";
    case WHY_GONE:
    case WHY_NOTHING:
        return "uri-miss";
    default:
        return "stale";
    }
}

size_t cache_status_write(const struct cache_note *note, char text[CACHE_STATUS_SIZE])
{
    size_t n = 0;
    bool hit = !note->forwarded && note->word != WORD_MISS; /* a MISS that was not forwarded: only-if-cached */
    add(text, &n, STR("FilmyFly"));
    if (hit)
        add(text, &n, STR("; hit"));
    if (note->forwarded) {
        add(text, &n, STR("; fwd="));
        add(text, &n, str_of(forward_of(note)));
    }
    if (note->forwarded && note->fwd_status)
        add_number(text, &n, STR("; fwd-status="), note->fwd_status);
    if (note->has_ttl)
        add_number(text, &n, STR("; ttl="), note->ttl);
    if (note->forwarded && note->stored)
        add(text, &n, STR("; stored"));
    if (note->forwarded && note->collapsed)
        add(text, &n, STR("; collapsed"));
    struct str detail = str_of(note->not_stored ? note->not_stored : verdict_reason_text(note->why));
    if (detail.n) {
        add(text, &n, STR("; detail="));
        add(text, &n, detail);
    }
    text[n] = '\0';
    return n;
}

int64_t cache_ttl(const struct meta *meta, const struct standing *standing)
{
    return (int64_t)meta->lifetime - (int64_t)(standing->age / 1000);
}
