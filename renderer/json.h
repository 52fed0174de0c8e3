/*
 * Writes a tree of values as JSON (RFC 8259), for the API and for data in pages.
 */
#ifndef FILMYFLY_JSON_H
#define FILMYFLY_JSON_H

#include "buffer.h"
#include "value.h"

/* Deepest nesting that is written. */
#define JSON_DEPTH 64

/*
 * Appends the value without any whitespace. `<`, `>`, `&`, U+2028 and U+2029 are written as \u003c and so on, so that
 * the text can stand in a script element of HTML or XHTML; a byte that is no part of valid UTF-8 becomes U+FFFD; a
 * number that JSON cannot hold (NaN, infinity) becomes null.
 * Returns false when the value is nested too deep or the buffer has failed; what stands in the buffer then is no JSON.
 */
bool json_write(struct buffer *out, const struct value *value);

/* The text in quotes, escaped the same way; and without them, as a part of one. */
void json_write_str(struct buffer *out, struct str s);
void json_write_text(struct buffer *out, struct str s);

#endif
