/* Well-formed UTF-8 (RFC 3629), for the writers of JSON and XML. */
#ifndef FILMYFLY_UTF8_H
#define FILMYFLY_UTF8_H

#include <stddef.h>

/*
 * The length of the sequence that begins with a byte >= 0x80 at p, of which `left` bytes may be read; 0 when there is
 * none: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
unsigned utf8_length(const unsigned char *p, size_t left);

#endif
