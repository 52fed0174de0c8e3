/*
 * The first encoding of a page. The stream is made once and reset for each page: setting one up costs more than
 * compressing does.
 */
#ifndef FILMYFLY_GZIP_H
#define FILMYFLY_GZIP_H

#include <zmq.h>

#include "messages.h"

struct gzip;

/* level 1 (fast) to 9 (small). limit: longest text to compress, bytes. NULL when memory is out. */
struct gzip *gzip_new(int level, size_t limit);
void gzip_free(struct gzip **gzip);

/* Compresses text into a fresh message. False when it is too long or memory is out: then send it as it is. */
bool gzip_pack(struct gzip *gzip, struct str text, zmq_msg_t *out);

/* Whether a client takes gzip by its Accept-Encoding lines (RFC 9110 section 12.5.3): named, or covered by "*", with a
 * weight above 0. */
bool gzip_accepted(const struct headers *headers);

#endif
