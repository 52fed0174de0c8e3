/*
 * The body of a RESULT as values: rows that a view renders straight from. Texts point into the body, the rest is in the
 * arena, so both must live as long as the page. The rows of one result share their column names.
 */
#ifndef FILMYFLY_ROWS_H
#define FILMYFLY_ROWS_H

#include "value.h"

#define ROWS_COLUMNS 64 /* columns of a result, those that shape.h adds included */

/*
 * Reads `n` results into lists of maps. shaped: rows also get what shape.h derives from their columns, for people to
 * read. Returns NULL, or why the body is refused (a static sentence).
 */
const char *rows_read(struct arena *arena, const void *body, size_t size, bool shaped, uint32_t n,
                      struct value *results);

#endif
