/*
 * What a field line may be made of, whatever it means, and the words of a setting. Pure; owns nothing. How HTTP writes
 * lists, and which fields are of one connection, is in http_list.h and http_store.h.
 */
#ifndef FILMYFLY_GATEWAY_FIELDS_H
#define FILMYFLY_GATEWAY_FIELDS_H

#include "str.h"

/* A token (RFC 9110 section 5.6.2): field names and methods are tokens. */
bool field_is_token(struct str s);

/* True when a value holds no byte that would end the line it stands in: CR, LF, NUL (RFC 9110 section 5.5). */
bool field_value_is_safe(struct str value);

/* The next of a setting's words, which stand apart by spaces or commas; false at the end. words moves on. */
bool field_word_next(struct str *words, struct str *word);

#endif
