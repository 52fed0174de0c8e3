#include "judge.h"

static const struct str accept_encoding = {"accept-encoding", 15};

/* The next element of a comma-separated list (RFC 9110 section 5.6.1), without the white space around it; commas in
 * quoted strings are text. */
static bool next_element(struct str *rest, struct str *element)
{
    while (rest->n > 0) {
        uint32_t end = 0;
        bool quoted = false;
        for (; end < rest->n && (quoted || rest->p[end] != ','); end++) {
            if (quoted && rest->p[end] == '\\' && end + 1 < rest->n)
                end++;
            else if (rest->p[end] == '"')
                quoted = !quoted;
        }
        struct str found = {rest->p, end};
        uint32_t step = end < rest->n ? end + 1 : end;
        rest->p += step;
        rest->n -= step;
        while (found.n && (*found.p == ' ' || *found.p == '\t'))
            found.p++, found.n--;
        while (found.n && (found.p[found.n - 1] == ' ' || found.p[found.n - 1] == '\t'))
            found.n--;
        if (found.n) {
            *element = found;
            return true;
        }
    }
    return false;
}

/* The name of a directive: up to "=". */
static struct str directive_name(struct str directive)
{
    const char *equals = memchr(directive.p, '=', directive.n);
    return equals ? (struct str){directive.p, (uint32_t)(equals - directive.p)} : directive;
}

static bool has_directive(const struct headers *headers, struct str name)
{
    for (uint32_t i = 0; i < headers->n; i++) {
        if (!str_eq_nocase(headers->item[i].name, STR("cache-control")))
            continue;
        struct str rest = headers->item[i].value, directive;
        while (next_element(&rest, &directive))
            if (str_eq_nocase(directive_name(directive), name))
                return true;
    }
    return false;
}

static bool is_read(const struct message *request)
{
    return str_eq(request->method, STR("GET")) || str_eq(request->method, STR("HEAD"));
}

bool judge_may_share(const struct message *request, size_t body_bytes)
{
    return is_read(request) && body_bytes == 0 && request->headers.n < LIMIT_HEADERS &&
           !headers_get(&request->headers, STR("authorization")).p && !headers_get(&request->headers, STR("cookie")).p;
}

static bool is_left_out(struct str name)
{
    static const struct str names[] = {
        {"range", 5},
        {"if-match", 8},
        {"if-none-match", 13},
        {"if-modified-since", 17},
        {"if-unmodified-since", 19},
        {"if-range", 8},
        {"accept-encoding", 15},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

void judge_canonical(const struct message *request, struct message *out)
{
    out->type = MESSAGE_REQUEST;
    out->deadline = request->deadline;
    out->method = STR("GET");
    out->scheme = request->scheme;
    out->target = request->target;
    out->client = request->client;
    out->trace = request->trace;
    out->headers.n = 0;
    headers_add(&out->headers, accept_encoding, STR("gzip"));
    for (uint32_t i = 0; i < request->headers.n; i++)
        if (!is_left_out(request->headers.item[i].name))
            headers_add(&out->headers, request->headers.item[i].name, request->headers.item[i].value);
}

bool judge_is_shared(const struct message *response)
{
    if (headers_get(&response->headers, STR("set-cookie")).p)
        return false;
    if (response->status >= 500)
        return true;
    return !has_directive(&response->headers, STR("private")) && !has_directive(&response->headers, STR("no-store"));
}

/* The n-th line of a header, counted from 0. */
static struct str nth_line(const struct headers *headers, struct str name, uint32_t n)
{
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, name) && n-- == 0)
            return headers->item[i].value;
    return STR_NONE;
}

static bool same_lines(const struct headers *a, const struct headers *b, struct str name)
{
    for (uint32_t n = 0;; n++) {
        struct str one = nth_line(a, name, n), other = nth_line(b, name, n);
        if (!one.p || !other.p)
            return one.p == other.p;
        if (!str_eq(one, other))
            return false;
    }
}

bool judge_fits(const struct message *response, const struct headers *asked, const struct headers *request)
{
    for (uint32_t i = 0; i < response->headers.n; i++) {
        if (!str_eq_nocase(response->headers.item[i].name, STR("vary")))
            continue;
        struct str rest = response->headers.item[i].value, name;
        while (next_element(&rest, &name)) {
            if (str_eq(name, STR("*")))
                return false;
            /* The gateway turns the one encoding into what each client takes. */
            if (!str_eq_nocase(name, accept_encoding) && !same_lines(asked, request, name))
                return false;
        }
    }
    return true;
}

static struct str opaque_tag(struct str tag)
{
    return str_starts(tag, STR("W/")) ? (struct str){tag.p + 2, tag.n - 2} : tag;
}

bool judge_not_modified(const struct message *response, const struct message *request)
{
    struct str etag = headers_get(&response->headers, STR("etag"));
    if (!is_read(request) || response->status != 200 || !etag.p)
        return false;
    for (uint32_t i = 0; i < request->headers.n; i++) {
        if (!str_eq_nocase(request->headers.item[i].name, STR("if-none-match")))
            continue;
        struct str rest = request->headers.item[i].value, tag;
        while (next_element(&rest, &tag))
            if (str_eq(tag, STR("*")) || str_eq(opaque_tag(tag), opaque_tag(etag)))
                return true;
    }
    return false;
}
