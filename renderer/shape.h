/*
 * Columns as people read them. A row that has the column `release_date` also gets `released`; a statement that selects
 * a column thereby gives its views the readable form, and no page needs code for it.
 */
#ifndef FILMYFLY_SHAPE_H
#define FILMYFLY_SHAPE_H

#include "value.h"

struct shape {
    struct str column; /* a row that has this … */
    struct str name;   /* … also gets this */
    struct value (*make)(struct arena *arena, const struct value *row, const struct value *column);
};

/* The next shape of a column after the given one (NULL: the first), or NULL. */
const struct shape *shape_next(struct str column, const struct shape *after);

/* {"wikipedia": "https://…"} as a list of {name, url}, by name; NIL when there is none. */
struct value shape_links(struct arena *arena, struct str json);

/* [slug, name, slug, name…] as [{slug, name}…]; NIL when there is none. */
struct value shape_pairs(struct arena *arena, struct value flat);

/* "1,234,567" */
struct str shape_number(struct arena *arena, int64_t number);

#endif
