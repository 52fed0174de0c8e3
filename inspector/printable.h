/* Bytes from outside as they may go to a terminal. */
#ifndef FILMYFLY_PRINTABLE_H
#define FILMYFLY_PRINTABLE_H

#include <stddef.h>

/*
 * Copies the UTF-8 text; what is not UTF-8, controls (C0, C1, DEL), and characters that turn the direction of the text
 * or break lines become '?'. What does not fit is left out, at a character's border. `out` is terminated; its length is
 * returned. size: at least 1; n + 1 is always enough.
 */
size_t printable(char *out, size_t size, const char *text, size_t n);

#endif
