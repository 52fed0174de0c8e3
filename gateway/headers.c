#include "headers.h"

#include <inttypes.h>
#include <stdio.h>

#include "target.h"

/* Scripts and styles are files of ours, nothing stands in a page itself. JSON-LD is no script to a browser but a block
 * of data, and speculation rules come by a header; neither needs a nonce. */
#define CONTENT_SECURITY_POLICY                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "                 \
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

#define PERMISSIONS_POLICY                                                                                             \
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "  \
    "midi=(), payment=(), usb=(), browsing-topics=()"

static char hsts_value[64];

/* X(name, value). Strict-Transport-Security is first: it means nothing without TLS (RFC 6797 section 7.2) and is left
 * out there. Cross-Origin-Opener-Policy is last: for it a browser that comes from anywhere else begins a process anew,
 * which takes a phone a tenth of a second, so it is left out where there is nothing to be kept from who opened the
 * page. */
#define TABLE(X)                                                                                                       \
    X("strict-transport-security", hsts_value)                                                                         \
    X("content-security-policy", CONTENT_SECURITY_POLICY)                                                              \
    X("x-content-type-options", "nosniff")                                                                             \
    X("x-frame-options", "DENY")                                                                                       \
    X("x-xss-protection", "1; mode=block")                                                                             \
    X("referrer-policy", "strict-origin-when-cross-origin")                                                            \
    X("permissions-policy", PERMISSIONS_POLICY)                                                                        \
    X("cross-origin-resource-policy", "same-origin")                                                                   \
    X("cross-origin-opener-policy", "same-origin")

static const struct {
    const char *name, *value;
} ROWS[] = {
#define X(name, value) {name, value},
    TABLE(X)
#undef X
};
#define ROWS_N (sizeof(ROWS) / sizeof(ROWS[0]))

/* Which program made an answer, and what it took, is nobody's business; the access log has the latter. */
static const struct str NEVER[] = {{"server", 6}, {"x-powered-by", 12}, {"server-timing", 13}};

static h2o_iovec_t names[ROWS_N];
static h2o_header_t lines[ROWS_N];
static size_t first_with_tls; /* row: 1 when HSTS is off */

void headers_make(uint64_t hsts)
{
    snprintf(hsts_value, sizeof(hsts_value), "max-age=%" PRIu64 "; includeSubDomains", hsts);
    first_with_tls = hsts ? 0 : 1;
    for (size_t i = 0; i < ROWS_N; i++) {
        names[i] = h2o_iovec_init(ROWS[i].name, strlen(ROWS[i].name));
        lines[i] = (h2o_header_t){.name = &names[i], .value = h2o_iovec_init(ROWS[i].value, strlen(ROWS[i].value))};
        const h2o_token_t *token = h2o_lookup_token(ROWS[i].name, names[i].len);
        if (token) { /* libh2o compares the names it knows by their place */
            lines[i].name = (h2o_iovec_t *)&token->buf;
        }
    }
}

void headers_add_table(h2o_req_t *req)
{
    size_t first = req->conn->callbacks->get_socket(req->conn)->ssl ? first_with_tls : 1;
    h2o_iovec_t path = req->path_normalized; /* none: the request was not even read */
    bool editors = path.base && target_is_of_editors((struct str){path.base, (uint32_t)path.len});
    size_t n = ROWS_N - first - (editors ? 0 : 1);
    h2o_vector_reserve(&req->pool, &req->res.headers, req->res.headers.size + n);
    memcpy(req->res.headers.entries + req->res.headers.size, lines + first, n * sizeof(lines[0]));
    req->res.headers.size += n;
}

bool headers_own(struct str name)
{
    if (str_starts(name, STR("access-control-"))) {
        return true;
    }
    for (size_t i = 0; i < ROWS_N; i++) {
        if (names[i].len == name.n && memcmp(names[i].base, name.p, name.n) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(NEVER) / sizeof(NEVER[0]); i++) {
        if (str_eq(NEVER[i], name)) {
            return true;
        }
    }
    return false;
}
