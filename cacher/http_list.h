/*
 * How HTTP writes lists in field lines (RFC 9110 section 5.6): elements between commas, quoted strings, name=value.
 * Pure; texts point into the field.
 */
#ifndef FILMYFLY_HTTP_LIST_H
#define FILMYFLY_HTTP_LIST_H

#include "messages.h"

/* The next element that is not empty (section 5.6.1), without the white space around it; commas in quoted strings are
 * text. `rest` moves on; false at the end. */
bool list_next(struct str *rest, struct str *element);

/* Is the word, its case ignored, an element of the list? */
bool list_has(struct str list, struct str word);

/* "name=value" or "name"; the value is STR_NONE without "=". White space around "=" is dropped, quotes are not. */
void list_split(struct str element, struct str *name, struct str *value);

/* What is inside a quoted string, backslashes left as they are; any other text as it is. */
struct str list_unquote(struct str value);

struct str str_trim(struct str s);

/* The n-th line of a header, counted from 0; STR_NONE beyond the last. */
struct str headers_line(const struct headers *headers, struct str name, uint32_t n);

/*
 * A number of seconds (delta-seconds, RFC 9111 section 1.2.2), quoted or not; what is too great is 2^31. False when it
 * is anything else.
 */
bool seconds_read(struct str text, uint32_t *seconds);

#define SECONDS_MOST 2147483648u

#endif
