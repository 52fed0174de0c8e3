/*
 * Reads what a visitor typed into the address line: percent-encoding (RFC 3986 section 2.1) and query strings as forms
 * send them. Decoded text is UTF-8 without control characters, or it is refused; nothing outside the arena is kept.
 */
#ifndef FILMYFLY_QUERY_STRING_H
#define FILMYFLY_QUERY_STRING_H

#include "arena.h"
#include "str.h"

/* Well-formed UTF-8 (RFC 3629) without control characters (below U+0020, and U+007F). */
bool text_is_clean(struct str s);

/* Decodes %XX, and '+' as a space when plus is set. False when a %XX is broken, the text is not clean, or the arena is
 * full. */
bool percent_decode(struct arena *arena, struct str in, bool plus, struct str *out);

enum query_found { QUERY_ABSENT, QUERY_FOUND, QUERY_BAD };

/* The value of a name in "a=1&b=2". BAD: it stands there twice, or cannot be decoded. Other names are ignored. */
enum query_found query_get(struct arena *arena, struct str query, struct str name, struct str *value);

/*
 * The first value of a name as words that somebody typed: what cannot be decoded stands for itself, every run of
 * blanks, control characters and broken UTF-8 is one blank, none at the ends, and what goes beyond `most` characters is
 * cut off. Empty when it is not there (or the arena is full).
 */
struct str query_get_words(struct arena *arena, struct str query, struct str name, uint32_t most);

#endif
