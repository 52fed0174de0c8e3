/*
 * PostgreSQL's text form of a one-dimensional array, `{a,"b c",NULL}`: read item by item, without believing it. Used
 * both for what the database sends and for parameters on their way to it.
 */
#ifndef FILMYFLY_TEXT_ARRAY_H
#define FILMYFLY_TEXT_ARRAY_H

#include <stddef.h>

#include "str.h"

struct text_array {
    const char *p, *end;
    bool begun, failed;
};

struct text_array text_array_of(struct str literal);

/*
 * The next item, unescaped, written to `space`, which must hold literal.n bytes and is used again for each item; an
 * item NULL is STR_NONE. False at the end, and at the first byte that breaks the form (then `failed` is set): more than
 * one dimension, bounds, unquoted braces.
 */
bool text_array_next(struct text_array *array, char *space, struct str *item);

/* How many items it has; -1 when it is malformed. */
int text_array_count(struct str literal);

#endif
