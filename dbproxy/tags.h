/*
 * What the rows of a batch depend on, as its statements declare it: gathered without duplicates, and cut to the broad
 * tags where a statement's rows have too many, since then a page is better made again too often than listed under
 * hundreds of names.
 */
#ifndef FILMYFLY_TAGS_H
#define FILMYFLY_TAGS_H

#include "job.h"

#define ROW_TAGS_MAX 128

struct tag_set;

/* Aborts when memory is out: it is made once, at the start. */
struct tag_set *tag_set_new(void);
void tag_set_free(struct tag_set **set);

/*
 * Gathers the tags of a batch whose results are there; `tags` points into the set until its next use. Beyond
 * ROW_TAGS_MAX row tags those of the statement that brings the most are left out, then those of the next one, but never
 * of one without broad tags. A tag of a NULL, or longer than LIMIT_TAG, is none: nothing in the database has such a
 * name. False when there are more than LIMIT_TAGS even so, or a row tag names a column that is not there; error says
 * which statement.
 */
bool tag_set_gather(struct tag_set *set, const struct job *job, struct tags *tags, char *error, size_t error_size);

#endif
