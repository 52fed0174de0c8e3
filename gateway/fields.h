/*
 * The rules of HTTP field lines that do not depend on what a field means: what a token is, which fields belong to one
 * connection only, membership in a comma-separated list. Pure; owns nothing.
 */
#ifndef FILMYFLY_GATEWAY_FIELDS_H
#define FILMYFLY_GATEWAY_FIELDS_H

#include "str.h"

/* A token (RFC 9110 section 5.6.2): field names and methods are tokens. */
bool field_is_token(struct str s);

/* True when a value holds no byte that would end the line it stands in: CR, LF, NUL (RFC 9110 section 5.5). */
bool field_value_is_safe(struct str value);

/* Fields of this connection, never passed on (RFC 9110 section 7.6.1), and those that only describe the framing of
 * HTTP/1.1. */
bool field_is_hop_by_hop(struct str name);

/* Is the word, its case ignored, an item of the comma-separated list? */
bool field_list_has(struct str list, struct str word);

/* The next of a setting's words, which stand apart by spaces or commas; false at the end. words moves on. */
bool field_word_next(struct str *words, struct str *word);

/* The list's next item without the white space around it; false at the end. list moves on. */
bool field_list_next(struct str *list, struct str *item);

#endif
