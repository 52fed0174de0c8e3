/*
 * The closed catalogue of named statements, read once from `queries/` (one *.sql file each). SQL never crosses a
 * process border: other stages name a statement and give its parameters. A file is header lines, then one SQL statement
 * with $1, $2, …:
 *
 *     -- name: movie
 *     -- params: slug text, page int         names and types, in the order of $1, $2, …
 *     -- access: read                        read (default) or write
 *     -- lane: short                         short (default) or long: which connections run it
 *     -- row-tags: movie:{id}                for each row; {column} is its value there
 *     -- param-tags: movie-slug:{slug}       for each call; {parameter} is its value there
 *     -- tags: movies                        always
 *
 * Several tags are separated by blanks. A comment line without a "word:" at its beginning is a comment.
 */
#ifndef FILMYFLY_STATEMENTS_H
#define FILMYFLY_STATEMENTS_H

#include "messages.h"
#include "parameter.h"

#define STATEMENTS_MAX     1000
#define STATEMENT_BYTES    65536 /* of a file */
#define STATEMENT_TAGS_MAX 8     /* of each kind */

/* "movie:{id}" is before "movie:", field "id", after "". A tag without a field has field.p NULL. */
struct tag_pattern {
    struct str before, field, after;
    uint32_t parameter; /* which parameter the field names; only of param-tags */
};

struct tag_patterns {
    uint32_t n;
    struct tag_pattern item[STATEMENT_TAGS_MAX];
};

struct statement {
    char name[LIMIT_NAME + 1];
    const char *file; /* "movie.sql" */
    const char *sql;
    bool writes, is_long;
    uint32_t n; /* parameters */
    struct {
        struct str name;
        const struct parameter_kind *kind;
    } parameter[LIMIT_PARAMETERS];
    Oid oids[LIMIT_PARAMETERS];
    struct tag_patterns row_tags, param_tags, tags;
    uint32_t number; /* its place in the catalogue */
    char *text;      /* the file: the texts above lie in it */
};

struct catalogue {
    uint32_t n;
    struct statement *item; /* by name */
};

/* Reads every *.sql of the directory. NULL with one sentence "FILE:LINE: what is wrong" in error; an empty catalogue is
 * an error, too. */
struct catalogue *catalogue_load(const char *directory, char *error, size_t error_size);
void catalogue_free(struct catalogue **catalogue);

/* NULL when there is no statement of that name. */
const struct statement *catalogue_find(const struct catalogue *catalogue, struct str name);

#endif
