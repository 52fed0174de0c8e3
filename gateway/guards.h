/*
 * Two functions of libh2o 2.2.5 that this program defines itself, in front of the library's: the library calls them
 * through its procedure linkage table, so the program's come first. They refuse what the library would do without a
 * limit: CONTINUATION frames: a flood of empty ones is unbounded, and one after the last GOAWAY is an endless loop.
 * What fits no frame of 16 KB is no request of ours. Header lists of more than GUARD_FIELDS fields: the library decodes
 * thousands out of a few bytes each. They also keep trailers from becoming headers, and unknown frames from being
 * written about on standard error.
 */
#ifndef FILMYFLY_GATEWAY_GUARDS_H
#define FILMYFLY_GATEWAY_GUARDS_H

#include <h2o.h>
#include <stdbool.h>

#define GUARD_FIELDS 104 /* 100 header lines, as for HTTP/1.1, and four pseudo-headers */

/*
 * Sends one HTTP/2 request through the library and watches it pass both guards. False with one sentence when it does
 * not: then the program was linked without exporting its symbols. Call once, before any loop runs.
 */
bool guards_prove(char *error, size_t error_size);

/* Fields in an HPACK block (RFC 7541 section 6); what is malformed ends the count, the library refuses it. */
size_t guards_count_fields(const uint8_t *block, size_t n);

/* As the library declares them in a header that it does not install whole. */
ssize_t h2o_http2_decode_frame(void *frame, const uint8_t *src, size_t len, const void *settings, const char **error);
int h2o_hpack_parse_headers(h2o_req_t *req, void *table, const uint8_t *src, size_t len, int *pseudo_header_exists,
                            size_t *content_length, void *digests, const char **error);

#endif
