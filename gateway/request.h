/*
 * From libh2o's request to the protocol's REQUEST: what a client sent is checked here, at the border, and points into
 * the request's own memory after.
 */
#ifndef FILMYFLY_GATEWAY_REQUEST_H
#define FILMYFLY_GATEWAY_REQUEST_H

#include <h2o.h>

#include "hosts.h"
#include "messages.h"
#include "pages.h"

#define REQUEST_FIELDS_BYTES 65536 /* names and values together; beyond it 431 */

/* The name of the only header line of a request that a guard refuses (guards.h), which no client can send. Its value
 * is one byte, the enum page. */
#define REQUEST_REFUSED ":refused"

/*
 * Brings the target into origin-form (RFC 9112 section 3.2.1), or "*" for OPTIONS, with what an absolute-form says as
 * the authority, and checks what every request must keep to: method, path (target.h), name of the site, length of
 * header and body. Call it first. PAGE_NONE, or the page that refuses the request.
 */
enum page request_normalize(h2o_req_t *req, const struct hosts *hosts, uint64_t body_max);

/*
 * Fills method, scheme, target and headers: every end-to-end line in order, host first (RFC 9110 section 7.6.1).
 * PAGE_NONE, or the page that refuses it. The texts live as long as the request.
 */
enum page request_read(h2o_req_t *req, struct message *message);

struct str str_of_iovec(h2o_iovec_t v);
/* The value of the first line of that name, in small letters; STR_NONE when there is none. */
struct str header_line(const h2o_headers_t *headers, struct str name);

bool request_is(const h2o_req_t *req, const char *method);
/* GET, HEAD, OPTIONS, TRACE (RFC 9110 section 9.2.1): may be sent twice. */
bool request_is_safe(const h2o_req_t *req);
/* The target without its query. */
struct str request_path(const h2o_req_t *req);
/* A field's value, several lines joined by commas; STR_NONE when there is none. */
struct str request_header(h2o_req_t *req, const h2o_token_t *name);

#endif
