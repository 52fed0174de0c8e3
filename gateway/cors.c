#include "cors.h"

#include <stdio.h>

#include "fields.h"
#include "reply.h"
#include "request.h"

#define METHODS "GET, HEAD"
#define MAX_AGE "3600" /* seconds that a browser keeps the answer to a preflight; most keep it two hours at most */

static struct {
    bool all;
    size_t n;
    struct str origin[CORS_ORIGINS];
} allowed;

/* A scheme and an authority in small letters, as browsers write it (RFC 6454 section 6.2). */
static bool is_origin(struct str s)
{
    struct str scheme = str_starts(s, STR("https://")) ? STR("https://") : STR("http://");
    if (!str_starts(s, scheme) || s.n == scheme.n) {
        return false;
    }
    for (uint32_t i = scheme.n; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-.:[]", c)))) {
            return false;
        }
    }
    return true;
}

bool cors_make(const char *origins, char *error, size_t error_size)
{
    struct str rest = str_of(origins), word;
    allowed.all = false;
    allowed.n = 0;
    while (field_word_next(&rest, &word)) {
        if (str_eq(word, STR("*"))) {
            allowed.all = true;
        } else if (!is_origin(word)) {
            snprintf(error, error_size,
                     "FILMYFLY_CORS_ORIGINS has \"" STR_FMT "\"; expected *, or origins such as https://films.example "
                     "(scheme and host in small letters, no path).",
                     STR_ARG(word));
            return false;
        } else if (allowed.n == CORS_ORIGINS) {
            snprintf(error, error_size, "FILMYFLY_CORS_ORIGINS has more than %d origins; use * for all.", CORS_ORIGINS);
            return false;
        } else {
            allowed.origin[allowed.n++] = word;
        }
    }
    return true;
}

bool cors_covers(struct str path)
{
    return str_starts(path, STR("/api/"));
}

struct str cors_allowed(struct str origin)
{
    if (allowed.all) {
        return STR("*");
    }
    for (size_t i = 0; i < allowed.n; i++) {
        if (str_eq(allowed.origin[i], origin)) {
            return allowed.origin[i];
        }
    }
    return STR_NONE;
}

static struct str origin_of(const h2o_req_t *req)
{
    return header_line(&req->headers, STR("origin"));
}

void cors_add_lines(h2o_req_t *req)
{
    if (!cors_covers(request_path(req))) {
        return;
    }
    struct str origin = allowed.all ? STR("*") : cors_allowed(origin_of(req));
    if (!allowed.all && allowed.n > 0) { /* also for those who may not: another's cache must keep them apart */
        reply_line(req, NULL, STR("vary"), STR("origin"));
    }
    if (origin.p) {
        reply_line(req, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN, STR_NONE, origin);
        reply_line(req, NULL, STR("access-control-expose-headers"), STR("*"));
    }
}

bool cors_answer_preflight(h2o_req_t *req)
{
    if (!request_is(req, "OPTIONS") || !cors_covers(request_path(req)) || !origin_of(req).p ||
        h2o_find_header_by_str(&req->headers, H2O_STRLIT("access-control-request-method"), -1) < 0) {
        return false;
    }
    if (cors_allowed(origin_of(req)).p) {
        reply_line(req, NULL, STR("access-control-allow-methods"), STR(METHODS));
        reply_line(req, NULL, STR("access-control-allow-headers"), STR("*"));
        reply_line(req, NULL, STR("access-control-max-age"), STR(MAX_AGE));
    }
    reply_bytes(req, 204, STR(""));
    return true;
}
