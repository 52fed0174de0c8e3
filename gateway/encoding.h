/*
 * Content codings: does a client take gzip, and the bounded way back from gzip to the plain bytes for one that does
 * not.
 */
#ifndef FILMYFLY_GATEWAY_ENCODING_H
#define FILMYFLY_GATEWAY_ENCODING_H

#include <stddef.h>

#include "str.h"

/*
 * Does the Accept-Encoding value (several lines: joined by commas) allow gzip? RFC 9110 section 12.5.3, but without the
 * field (STR_NONE) the answer is no: the standard would allow any coding then, and the simple programs that send no
 * such field cannot read gzip.
 */
bool encoding_accepts_gzip(struct str accept_encoding);

struct gunzip;

/* Keeps zlib's window from one call to the next: making it anew costs more than a page. Aborts when memory is out. */
#define GUNZIP_TIMES 8 /* a body may be so many times FILMYFLY_BODY_MAX when its gzip is undone */

struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip **gunzip);

/*
 * Inflates one gzip member. Returns the bytes, which the caller frees, and their number; NULL when the input is no
 * gzip, is cut short, has bytes after its end, or would be longer than limit.
 */
unsigned char *gunzip_run(struct gunzip *gunzip, const void *bytes, size_t n, size_t limit, size_t *inflated_n);

#endif
