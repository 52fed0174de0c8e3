/*
 * A line for each request on standard output, where the supervisor collects it: the combined format, and after it
 *
 *     cache=MISS total=0.001712 wait=0.001420 stages="renderer;dur=0.310, dbproxy;dur=0.702" id=5f3a…
 *
 * the cache's word, seconds from the header block to the last byte's sending, of those the pipeline's, what the stages
 * behind the cacher say that they took of these (Server-Timing: milliseconds; "-" when they were not asked), and the
 * request's name (X-Request-Id, and the trace of every stage's log). Cookies are not in it, and what looks like a
 * secret in a query is cut. Bytes that could end a line or play with a terminal are written as \xHH.
 *
 * A loop only copies its line into a buffer; a thread of its own writes it, and may wait. What finds no room is dropped
 * and counted.
 */
#ifndef FILMYFLY_GATEWAY_ACCESS_LOG_H
#define FILMYFLY_GATEWAY_ACCESS_LOG_H

#include <h2o.h>

#include "str.h"

struct access_log;

/* Before any loop runs. Aborts when memory is out. */
struct access_log *access_log_open(void);

/* Writes what is left, for a second at most; when that is not enough *log stays as it is. No loop may run any more. */
void access_log_close(struct access_log **log);

/* From any loop, when the request is over. */
void access_log_add(struct access_log *log, h2o_req_t *req);

/*
 * Copies text in a form that is safe within quotes; returns the bytes written, at most `size`. secrets: what
 * redact_find finds is cut.
 */
size_t access_log_escape(char *out, size_t size, struct str text, bool secrets);

#endif
