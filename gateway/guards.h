/*
 * Functions of libh2o 2.2.5 that this program defines itself, in front of the library's: the library calls them through
 * its procedure linkage table, so the program's come first. They refuse what the library would do without a limit, show
 * what it hides, and say in our pages what it would say in its own.
 *
 * - h2o_http2_decode_frame sees each HTTP/2 frame. CONTINUATION frames are refused: a flood of empty ones is unbounded,
 *   and one after the last GOAWAY is an endless loop; what fits no frame of 16 KB is no request of ours. A connection
 *   whose frames wear out our patience (patience.h) is ended with ENHANCE_YOUR_CALM. Unknown frames are kept from being
 *   written about on standard error.
 * - h2o_http2_decode_data_payload sees each piece of a body. It is counted as held memory; where a body is too long the
 *   library would reset the stream as if nothing had happened to it, and a client may then send it all again.
 * - h2o_hpack_parse_headers sees each header block. Lists of very many fields are refused: the library decodes
 * thousands out of a few bytes each. Trailers are kept from becoming headers. Here a visit begins, with its deadline.
 * - h2o_http2__encode_rst_stream_frame sees each reset that the library sends: a client can provoke them.
 * - h2o_socket_read_start puts us before the library's readers: whose bytes are these, and how many does it keep?
 * - phr_parse_request and h2o_strtosize show lengths and hosts that are said twice, bodies that are longer than their
 *   route takes, and a head before it is whole.
 * - phr_decode_chunked is ours (framing.h).
 * - h2o_send_error_generic sends pages of ours.
 */
#ifndef FILMYFLY_GATEWAY_GUARDS_H
#define FILMYFLY_GATEWAY_GUARDS_H

#include <h2o.h>
#include <stdbool.h>

#define GUARD_FIELDS 104 /* 100 header lines, as for HTTP/1.1, and four pseudo-headers */
#define GUARD_FLOOD  1000

/*
 * Sends requests through the library and watches them pass every guard. False with one sentence when one does
 * not: then the program was linked without exporting its symbols. Call once, before any loop runs.
 */
bool guards_prove(char *error, size_t error_size);

/* Fields in an HPACK block (RFC 7541 section 6); what is malformed ends the count, the library refuses it. */
size_t guards_count_fields(const uint8_t *block, size_t n);

/* As the library declares them, some in headers that it does not install whole. */
struct phr_header;
struct h2_frame;
struct h2_data;
int phr_parse_request(const char *bytes, size_t n, const char **method, size_t *method_n, const char **path,
                      size_t *path_n, int *minor_version, struct phr_header *lines, size_t *lines_n, size_t last_n);
struct phr_chunked_decoder;
ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder, char *bytes, size_t *n);
size_t h2o_strtosize(const char *text, size_t n);
ssize_t h2o_http2_decode_frame(void *frame, const uint8_t *src, size_t len, const void *settings, const char **error);
int h2o_http2_decode_data_payload(struct h2_data *data, const struct h2_frame *frame, const char **error);
int h2o_hpack_parse_headers(h2o_req_t *req, void *table, const uint8_t *src, size_t len, int *pseudo_header_exists,
                            size_t *content_length, void *digests, const char **error);
void h2o_http2__encode_rst_stream_frame(h2o_buffer_t **buf, uint32_t stream_id, int errnum);

#endif
