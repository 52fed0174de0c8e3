#include "http_validate.h"

#include <stdio.h>

#include "http_condition.h"
#include "http_list.h"

static bool is_one_of(struct str name, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

bool validate_ask(const struct meta *stored, struct headers *request)
{
    struct str etag = pairs_get(stored->headers, STR("etag"));
    struct str modified = pairs_get(stored->headers, STR("last-modified"));
    bool any = false;
    if (etag.p && etag.n)
        any |= headers_add(request, STR("if-none-match"), etag);
    if (modified.p && modified.n)
        any |= headers_add(request, STR("if-modified-since"), modified);
    return any;
}

/* Lines that describe the body: the stored one stays as it is. */
static bool is_of_the_body(struct str name)
{
    static const struct str names[] = {
        {"content-length", 14}, {"content-encoding", 16}, {"content-type", 12},
        {"content-range", 13},  {"set-cookie", 10},
    };
    return is_one_of(name, names, sizeof(names) / sizeof(names[0]));
}

/* Section 4.3.4: a strong validator has to be the same, a weak one may match weakly, none is about the one we asked
 * about. */
static bool is_about(const struct meta *stored, const struct headers *not_modified)
{
    struct str said = headers_get(not_modified, STR("etag")), have = pairs_get(stored->headers, STR("etag"));
    if (said.p)
        return have.p && etag_weakly(said, have);
    struct str modified = headers_get(not_modified, STR("last-modified"));
    struct str before = pairs_get(stored->headers, STR("last-modified"));
    return have.p || !modified.p || (before.p && str_eq(str_trim(modified), before));
}

static bool replaces(const struct headers *not_modified, struct str name)
{
    return headers_get(not_modified, name).p && !is_of_the_body(name) && !header_is_hop_by_hop(not_modified, name);
}

/* The stored Date is of another answer: where the 304 has none, that it came now is what counts (RFC 9110 section
 * 6.6.1). */
static bool stays(const struct headers *not_modified, struct str name)
{
    return !replaces(not_modified, name) && !str_eq_nocase(name, STR("date"));
}

bool validate_update(const struct meta *stored, const struct headers *not_modified, struct headers *out)
{
    struct str rest = stored->headers;
    struct header pair;
    out->n = 0;
    if (!is_about(stored, not_modified))
        return false;
    while (pairs_next(&rest, &pair))
        if (stays(not_modified, pair.name) && !headers_add(out, pair.name, pair.value))
            return false;
    for (uint32_t i = 0; i < not_modified->n; i++) {
        const struct header *line = &not_modified->item[i];
        if (replaces(not_modified, line->name) && !headers_add(out, line->name, line->value))
            return false;
    }
    return true;
}

void canonical_ask(const struct message *request, struct str target, struct message *out)
{
    static const struct str left_out[] = {
        {"range", 5},
        {"if-match", 8},
        {"if-none-match", 13},
        {"if-modified-since", 17},
        {"if-unmodified-since", 19},
        {"if-range", 8},
        {"accept-encoding", 15},
        {"cookie", 6},
        {"authorization", 13},
        {"cache-control", 13},
        {"pragma", 6},
        {"expect", 6},
    };
    out->type = MESSAGE_REQUEST;
    out->deadline = request->deadline;
    out->method = STR("GET");
    out->scheme = request->scheme;
    out->target = target;
    out->client = request->client;
    out->trace = request->trace;
    out->headers.n = 0;
    headers_add(&out->headers, STR("accept-encoding"), STR("gzip"));
    for (uint32_t i = 0; i < request->headers.n; i++) {
        const struct header *line = &request->headers.item[i];
        if (!is_one_of(line->name, left_out, sizeof(left_out) / sizeof(left_out[0])) &&
            !header_is_hop_by_hop(&request->headers, line->name))
            headers_add(&out->headers, line->name, line->value);
    }
}

void own_ask(struct message *request, char line[SESSION_LINE])
{
    struct headers *headers = &request->headers;
    struct request_facts facts;
    uint32_t n = 0;
    facts_read(&facts, request, 0);
    for (uint32_t i = 0; i < headers->n; i++)
        if (!str_eq_nocase(headers->item[i].name, STR("cookie")))
            headers->item[n++] = headers->item[i];
    headers->n = n;
    if (!facts.session.p)
        return;
    int bytes = snprintf(line, SESSION_LINE, SESSION_COOKIE "=" STR_FMT, STR_ARG(facts.session));
    headers_add(headers, STR("cookie"), (struct str){line, (uint32_t)bytes});
}
