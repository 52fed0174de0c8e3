#include "request.h"

#include "fields.h"
#include "http_list.h"
#include "http_store.h"
#include "target.h"

#define HOST_MAX 255

struct str str_of_iovec(h2o_iovec_t v)
{
    return (struct str){v.base ? v.base : "", v.len < UINT32_MAX ? (uint32_t)v.len : UINT32_MAX};
}

struct str header_line(const h2o_headers_t *headers, struct str name)
{
    ssize_t at = h2o_find_header_by_str(headers, name.p, name.n, -1);
    return at < 0 ? STR_NONE : str_of_iovec(headers->entries[at].value);
}

bool request_is(const h2o_req_t *req, const char *method)
{
    return h2o_memis(req->method.base, req->method.len, method, strlen(method));
}

bool request_is_safe(const h2o_req_t *req)
{
    return request_is(req, "GET") || request_is(req, "HEAD") || request_is(req, "OPTIONS") || request_is(req, "TRACE");
}

struct str request_path(const h2o_req_t *req)
{
    struct str path = str_of_iovec(req->path);
    const char *query = memchr(path.p, '?', path.n);
    return query ? (struct str){path.p, (uint32_t)(query - path.p)} : path;
}

struct str request_header(h2o_req_t *req, const h2o_token_t *name)
{
    ssize_t at = h2o_find_header(&req->headers, name, -1);
    if (at < 0) {
        return STR_NONE;
    }
    h2o_iovec_t value = req->headers.entries[at].value;
    size_t bytes = 0, lines = 0;
    for (ssize_t i = at; i >= 0; i = h2o_find_header(&req->headers, name, i)) {
        bytes += req->headers.entries[i].value.len + 2;
        lines++;
    }
    if (lines > 1) { /* joined in one step: line by line it would cost the square of what a client sent */
        value = h2o_iovec_init(h2o_mem_alloc_pool(&req->pool, bytes), 0);
        for (; at >= 0; at = h2o_find_header(&req->headers, name, at)) {
            h2o_iovec_t line = req->headers.entries[at].value;
            h2o_memcpy(value.base + value.len, line.base, line.len);
            memcpy(value.base + value.len + line.len, ", ", 2);
            value.len += line.len + 2;
        }
        value.len -= 2;
    }
    return str_of_iovec(value);
}

/* No byte that ends a line or a word: what stands in a request line is visible characters only (RFC 9112 section 3.2).
 */
static bool is_visible(struct str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* What an authority is made of (RFC 3986 section 3.2), without user information, which has no place in HTTP (RFC 9110
 * section 4.2.4). */
static bool is_authority(struct str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c >= 0x80 || c == '\0' || !strchr("-._~%!$&'()*+,;=:[]", c))) {
            return false;
        }
    }
    return s.n <= HOST_MAX;
}

/* HPACK names a field of 4 KB with one byte, so what a request takes is known only once it is decoded. */
static bool is_within_limit(const h2o_req_t *req)
{
    size_t bytes = req->authority.len;
    for (size_t i = 0; i < req->headers.size; i++) {
        bytes += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    }
    return bytes <= REQUEST_FIELDS_BYTES;
}

/* HTTP/2 may say the authority in Host too, or only there, but not two different ones (RFC 9113 section 8.3.1). For
 * HTTP/1.1 libh2o has taken it out of the lines. */
static bool settle_authority(h2o_req_t *req)
{
    bool absent = req->input.authority.base == req->hostconf->authority.hostport.base;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_HOST, -1);
    if (at >= 0) {
        h2o_iovec_t host = req->headers.entries[at].value;
        if (h2o_find_header(&req->headers, H2O_TOKEN_HOST, at) >= 0 ||
            (!absent && !str_eq_nocase(str_of_iovec(host), str_of_iovec(req->authority)))) {
            return false;
        }
        req->authority = host;
        h2o_delete_header(&req->headers, at);
    } else if (absent && req->version >= 0x101) {
        return false; /* RFC 9112 section 3.2; libh2o puts its own there */
    }
    return true;
}

/* Brings an absolute-form, which HTTP/2 does not have, into origin-form; its authority is what counts then. */
static bool settle_path(h2o_req_t *req)
{
    h2o_url_t url;
    if (req->path.len > 0 && req->path.base[0] == '/') {
        return true;
    }
    if (req->version < 0x200 && h2o_url_parse(req->path.base, req->path.len, &url) == 0) {
        req->authority = url.authority;
        req->path = url.path;
        return true;
    }
    return request_is(req, "OPTIONS") && h2o_memis(req->path.base, req->path.len, H2O_STRLIT("*"));
}

enum page request_normalize(h2o_req_t *req, const struct hosts *hosts, uint64_t body_max)
{
    if (req->headers.size == 1 && req->headers.entries[0].name->base[0] == REQUEST_REFUSED[0]) {
        return (enum page)req->headers.entries[0].value.base[0];
    }
    if (!field_is_token(str_of_iovec(req->method))) {
        return PAGE_BAD_REQUEST;
    }
    if (request_is(req, "CONNECT") || request_is(req, "TRACE") || req->method.len > LIMIT_NAME) {
        return PAGE_NOT_IMPLEMENTED;
    }
    if (req->path.len > LIMIT_TARGET) {
        return PAGE_TARGET_TOO_LONG;
    }
    if (!is_within_limit(req)) {
        return PAGE_FIELDS_TOO_LARGE;
    }
    if (!settle_authority(req) || !settle_path(req) || !is_visible(str_of_iovec(req->path)) ||
        !is_authority(str_of_iovec(req->authority))) {
        return PAGE_BAD_REQUEST;
    }
    struct str path = request_path(req);
    if (!str_eq(path, STR("*")) && !target_path_is_proper(path)) {
        return PAGE_BAD_REQUEST;
    }
    if (!hosts_know(hosts, str_of_iovec(req->authority))) {
        return PAGE_MISDIRECTED;
    }
    bool fits = req->entity.len == 0 || req->entity.len <= target_body_limit(path, body_max);
    return !fits ? PAGE_BODY_TOO_LARGE : PAGE_NONE;
}

/* Is the field named by one of the Connection lines? */
static bool is_named_by_connection(const h2o_req_t *req, struct str name)
{
    for (ssize_t at = -1; (at = h2o_find_header(&req->headers, H2O_TOKEN_CONNECTION, at)) >= 0;) {
        if (list_has(str_of_iovec(req->headers.entries[at].value), name)) {
            return true;
        }
    }
    return false;
}

enum page request_read(h2o_req_t *req, struct message *message)
{
    message->method = str_of_iovec(req->method);
    message->scheme = req->conn->callbacks->get_socket(req->conn)->ssl ? STR("https") : STR("http");
    message->target = str_of_iovec(req->path);
    message->headers.n = 0;
    headers_add(&message->headers, STR("host"), str_of_iovec(req->authority));
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        struct str name = str_of_iovec(*header->name), value = str_of_iovec(header->value);
        if (name_is_hop_by_hop(name) || is_named_by_connection(req, name)) {
            continue;
        }
        if (!field_is_token(name) || !field_value_is_safe(value)) {
            return PAGE_BAD_REQUEST;
        }
        if (name.n > LIMIT_HEADER_NAME || value.n > LIMIT_HEADER_VALUE ||
            !headers_add(&message->headers, name, value)) {
            return PAGE_FIELDS_TOO_LARGE;
        }
    }
    return PAGE_NONE;
}
