/* Entity tags of pages: weak, made from the identity bytes, so that every encoding of a page has the same one (RFC 9110
 * section 8.8.3). */
#ifndef FILMYFLY_ETAG_H
#define FILMYFLY_ETAG_H

#include "messages.h"

#define ETAG_SIZE 24

/* W/"0123456789abcdef" of the bytes. */
struct str etag_of(struct str bytes, char out[ETAG_SIZE]);

/* Whether a list of If-None-Match names the tag by the weak comparison, or is "*" (RFC 9110 section 13.1.2). A broken
 * list names nothing. */
bool etag_listed(struct str list, struct str etag);

#endif
