#include "http_facts.h"

#include "http_list.h"

static const struct {
    struct str name;
    uint32_t flags;
} methods[] = {
    {{"GET", 3}, FACT_READS | FACT_SAFE},
    {{"HEAD", 4}, FACT_READS | FACT_HEAD | FACT_SAFE},
    {{"OPTIONS", 7}, FACT_SAFE},
    {{"TRACE", 5}, FACT_SAFE},
};

void facts_begin(struct request_facts *facts, struct str method)
{
    *facts = (struct request_facts){0};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (str_eq(methods[i].name, method))
            facts->flags = methods[i].flags;
}

static bool is_token(struct str value)
{
    for (uint32_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return value.n == SESSION_COOKIE_BYTES;
}

/* RFC 6265 section 4.2.1: pairs between semicolons. */
static void add_cookies(struct request_facts *facts, struct str rest)
{
    while (rest.n) {
        const char *end = memchr(rest.p, ';', rest.n);
        uint32_t n = end ? (uint32_t)(end - rest.p) : rest.n;
        struct str name, value;
        list_split(str_trim((struct str){rest.p, n}), &name, &value);
        if (value.p && str_eq(name, STR(SESSION_COOKIE)) && is_token(list_unquote(value))) {
            facts->session = list_unquote(value);
            facts->flags |= FACT_PERSONAL;
        }
        n += end ? 1 : 0;
        rest.p += n;
        rest.n -= n;
    }
}

/* Is the weight in "gzip;q=0.5" zero (RFC 9110 section 12.4.2)? */
static bool is_refused(struct str parameters)
{
    struct str name, value;
    list_split(str_trim(parameters), &name, &value);
    if (!str_eq_nocase(name, STR("q")) || value.n == 0)
        return false;
    for (uint32_t i = 0; i < value.n; i++)
        if (value.p[i] != '0' && value.p[i] != '.')
            return false;
    return true;
}

/* RFC 9110 section 12.5.3. Without the field nothing is taken: simple programs that send none cannot read gzip. */
static void add_codings(struct request_facts *facts, struct str rest)
{
    struct str element;
    while (list_next(&rest, &element)) {
        const char *semicolon = memchr(element.p, ';', element.n);
        uint32_t n = semicolon ? (uint32_t)(semicolon - element.p) : element.n;
        struct str coding = str_trim((struct str){element.p, n});
        bool refused = semicolon && is_refused((struct str){semicolon + 1, element.n - n - 1});
        uint32_t flag = 0;
        if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip"))) {
            flag = FACT_GZIP;
            facts->flags |= FACT_GZIP_NAMED;
        } else if (str_eq_nocase(coding, STR("br"))) {
            flag = FACT_BROTLI;
        } else if (str_eq(coding, STR("*"))) {
            flag = FACT_ANY_CODING;
        }
        facts->flags = refused ? facts->flags & ~flag : facts->flags | flag;
    }
}

void facts_add(struct request_facts *facts, struct str name, struct str value)
{
    switch (name.n) { /* the length tells most of them apart: this runs for each line of each request */
    case 5:
        if (str_eq_nocase(name, STR("range"))) {
            facts->flags |= facts->range.p ? FACT_MANY_RANGES : 0;
            facts->range = value;
        }
        break;
    case 6:
        if (str_eq_nocase(name, STR("cookie")))
            add_cookies(facts, value);
        else if (str_eq_nocase(name, STR("pragma")) && str_eq_nocase(str_trim(value), STR("no-cache")))
            facts->flags |= FACT_PRAGMA;
        break;
    case 8:
        if (str_eq_nocase(name, STR("if-range")))
            facts->if_range = value;
        break;
    case 13:
        if (str_eq_nocase(name, STR("authorization"))) {
            facts->flags |= FACT_PERSONAL;
        } else if (str_eq_nocase(name, STR("cache-control"))) {
            facts->flags |= FACT_CACHE_CONTROL;
            control_add(&facts->control, value);
        } else if (str_eq_nocase(name, STR("if-none-match"))) {
            if (facts->if_none_match_n < FACTS_LINES)
                facts->if_none_match[facts->if_none_match_n++] = value;
            else
                facts->flags |= FACT_MANY_MATCHES;
        }
        break;
    case 15:
        if (str_eq_nocase(name, STR("accept-encoding")))
            add_codings(facts, value);
        break;
    case 17:
        if (str_eq_nocase(name, STR("if-modified-since")))
            facts->if_modified_since = value;
        break;
    default:
        break;
    }
}

void facts_end(struct request_facts *facts)
{
    if (facts->flags & FACT_MANY_MATCHES)
        facts->if_none_match_n = 0;
    if (facts->flags & FACT_MANY_RANGES)
        facts->range = STR_NONE;
    if ((facts->flags & (FACT_ANY_CODING | FACT_GZIP_NAMED)) == FACT_ANY_CODING)
        facts->flags |= FACT_GZIP;
}

void facts_read(struct request_facts *facts, const struct message *request, size_t body_bytes)
{
    facts_begin(facts, request->method);
    for (uint32_t i = 0; i < request->headers.n; i++)
        facts_add(facts, request->headers.item[i].name, request->headers.item[i].value);
    if (body_bytes)
        facts->flags |= FACT_CONTENT;
    facts_end(facts);
}
