#include "http_store.h"

#include "http_list.h"
#include "http_targeted.h"
#include "http_vary.h"

#define NAME_MOST 255 /* bytes of a stored name (meta.h) */

const char *store_reason_text(enum store_reason reason)
{
    static const char *const texts[] = {
#define X(NAME, TEXT) TEXT,
        STORE_REASONS(X)
#undef X
    };
    return reason < STORE_REASON_COUNT ? texts[reason] : "?";
}

/* Statuses whose meaning for a cache we know: what else they do is in the header lines that are stored with them. */
static bool is_understood(uint64_t status)
{
    static const uint16_t statuses[] = {200, 203, 204, 300, 301, 302, 303, 307, 308,
                                        400, 403, 404, 405, 410, 414, 451, 501};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i] == status)
            return true;
    return false;
}

static struct judgement no(enum store_reason reason)
{
    return (struct judgement){.kind = STORE_NOT, .reason = reason};
}

/* Stored lines are sent as they are: names are tokens (RFC 9110 section 5.6.2), and no value ends its line. */
static bool are_sound(const struct headers *headers)
{
    for (uint32_t i = 0; i < headers->n; i++) {
        struct str name = headers->item[i].name, value = headers->item[i].value;
        for (uint32_t j = 0; j < name.n; j++) {
            char c = name.p[j];
            bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
                return false;
        }
        if (name.n == 0)
            return false;
        for (uint32_t j = 0; j < value.n; j++)
            if (value.p[j] == '\r' || value.p[j] == '\n' || value.p[j] == '\0')
                return false;
    }
    return true;
}

static bool has_validator(const struct headers *headers)
{
    return headers_get(headers, STR("etag")).p || headers_get(headers, STR("last-modified")).p;
}

/* Why it is for the one who asked alone, whatever its status; STORE_STORED when it is not. */
static enum store_reason find_owner(const struct headers *headers, const struct control *control)
{
    struct vary vary;
    if (headers_get(headers, STR("set-cookie")).p)
        return STORE_SET_COOKIE;
    if (control->flags & CONTROL_PRIVATE)
        return STORE_PRIVATE;
    return vary_read(headers, &vary) == VARY_NEVER ? STORE_VARY : STORE_STORED;
}

/* Whether the response allows it (section 3), lifetimes apart. */
static enum store_reason find_obstacle(const struct message *response, const struct control *control)
{
    bool understood = is_understood(response->status);
    bool must_understand = control->flags & CONTROL_MUST_UNDERSTAND;
    if (!understood)
        return STORE_STATUS;
    if (control->flags & CONTROL_NO_STORE && !must_understand) /* section 5.2.2.3 */
        return STORE_NO_STORE;
    return STORE_STORED;
}

struct judgement store_judge(const struct request_facts *facts, const struct message *response,
                             const struct arrival *arrival, const struct store_policy *policy, struct meta *meta)
{
    const struct headers *headers = &response->headers;
    struct judgement judgement = {.kind = STORE_SHARE, .reason = STORE_STORED};
    struct control *control = &judgement.control;
    if (!(facts->flags & FACT_READS))
        return no(STORE_METHOD);
    if (facts->flags & FACT_PERSONAL) /* section 3.5; stricter than it: not even with public */
        return no(STORE_PERSONAL);
    bool targeted = targeted_read(control, headers);
    if (!targeted)
        control_read(control, headers, STR("cache-control"));
    enum store_reason owner = find_owner(headers, control), obstacle = find_obstacle(response, control);
    if (status_is_error(response->status)) {
        judgement.kind = STORE_ERROR;
        judgement.reason = STORE_SERVER_ERROR;
        judgement.for_one = owner != STORE_STORED;
        return judgement;
    }
    if (owner == STORE_SET_COOKIE)
        return no(owner);
    if (facts->control.flags & CONTROL_NO_STORE) /* section 5.2.1.5 */
        return no(STORE_REQUEST_NO_STORE);
    if (!are_sound(headers))
        return no(STORE_FIELDS);

    if (obstacle != STORE_STORED || owner != STORE_STORED)
        return no(obstacle != STORE_STORED ? obstacle : owner);
    struct lifetime lifetime =
        fresh_lifetime(control, targeted, response->status, headers, arrival->wall, policy->heuristics);
    if (!lifetime.stated && !lifetime.heuristic && !(control->flags & CONTROL_NO_CACHE))
        return no(STORE_NO_LIFETIME);

    uint64_t age = fresh_initial_age(headers, arrival);
    *meta = (struct meta){
        .status = (uint32_t)response->status,
        .born = (int64_t)arrival->came - (int64_t)age,
        .arrived = arrival->came,
        .lifetime = lifetime.seconds,
        .swr = control->flags & CONTROL_SWR ? control->swr : 0,
        .sie = control->flags & CONTROL_SIE ? control->sie : 0,
    };
    if (control->flags & CONTROL_NO_CACHE)
        meta->flags |= META_NO_CACHE;
    if (control->flags & (CONTROL_MUST_REVALIDATE | CONTROL_PROXY_REVALIDATE | CONTROL_S_MAXAGE))
        meta->flags |= META_MUST_REVALIDATE;
    if (control->flags & CONTROL_NO_TRANSFORM) /* section 5.2.2.6: no other codings are made of it */
        meta->flags |= META_SQUEEZED;

    bool no_cache = meta->flags & META_NO_CACHE;
    bool forbidden = meta->flags & META_MUST_REVALIDATE;
    bool usable = age < (uint64_t)lifetime.seconds * 1000 || (meta->swr && !forbidden);
    if (no_cache || !usable) {
        judgement.kind = has_validator(headers) || (meta->sie && !no_cache && !forbidden) ? STORE_KEEP : STORE_NOT;
        judgement.reason = no_cache ? STORE_NO_CACHE : STORE_NO_LIFETIME;
    }
    return judgement;
}

bool name_is_hop_by_hop(struct str name)
{
    static const struct str names[] = {
        {"connection", 10},
        {"keep-alive", 10},
        {"proxy-connection", 16},
        {"te", 2},
        {"trailer", 7},
        {"upgrade", 7},
        {"transfer-encoding", 17},
        {"http2-settings", 14},
        {"proxy-authenticate", 18},
        {"proxy-authorization", 19},
        {"proxy-authentication-info", 25},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

bool header_is_hop_by_hop(const struct headers *headers, struct str name)
{
    if (name_is_hop_by_hop(name))
        return true;
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, STR("connection")) && list_has(headers->item[i].value, name))
            return true;
    return false;
}

static struct str in_small_letters(struct str name, char small[NAME_MOST])
{
    for (uint32_t i = 0; i < name.n; i++)
        small[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] - 'A' + 'a') : name.p[i];
    return (struct str){small, name.n};
}

void store_headers(const struct judgement *judgement, const struct headers *headers, struct buffer *out)
{
    static const struct str left_out[] = {
        {"content-length", 14}, {"age", 3},         {"server-timing", 13},
        {"cache-status", 12},   {"set-cookie", 10}, {"x-cache-status", 14},
    };
    const struct control *control = &judgement->control;
    for (uint32_t i = 0; i < headers->n; i++) {
        struct str name = headers->item[i].name;
        bool out_of_it = header_is_hop_by_hop(headers, name);
        for (size_t j = 0; j < sizeof(left_out) / sizeof(left_out[0]); j++)
            out_of_it |= str_eq_nocase(name, left_out[j]);
        for (uint32_t j = 0; j < control->fields_n; j++)
            out_of_it |= str_eq_nocase(name, control->fields[j]);
        char small[NAME_MOST];
        if (name.n > NAME_MOST)
            out->failed = true;
        else if (!out_of_it)
            pairs_add(out, in_small_letters(name, small), headers->item[i].value);
    }
}

bool store_tags(const struct tags *tags, const struct hash *seed, struct epochs *epochs,
                uint64_t row_tags[STORE_ROW_TAGS], uint32_t *n, uint32_t *broad)
{
    uint32_t rows = 0;
    *broad = 0;
    for (uint32_t i = 0; i < tags->n; i++) {
        uint64_t tag = hash_tag(seed, tags->item[i]);
        if (tag_is_broad(tags->item[i]))
            *broad |= 1u << epochs_slot(epochs, tag);
        else if (rows++ < STORE_ROW_TAGS)
            row_tags[rows - 1] = tag;
    }
    *n = rows <= STORE_ROW_TAGS ? rows : 0;
    return rows <= STORE_ROW_TAGS || *broad != 0;
}
