/*
 * Templates by the Mustache specification 1.4, with its optional inheritance and dynamic names, without lambdas. A
 * template is compiled once and then rendered any number of times from a tree of values; it owns a copy of its text and
 * nothing of the data.
 *
 * Where the specification leaves a choice: escaping covers & < > " and ' ; an empty string is false, 0 is true; a list
 * or a map interpolates as nothing; a block inside an argument is a parameter of the template that it is written in.
 */
#ifndef FILMYFLY_MUSTACHE_H
#define FILMYFLY_MUSTACHE_H

#include "buffer.h"
#include "value.h"

/* Longest template, and longest name in a tag, in bytes. */
#define MUSTACHE_SOURCE_MAX (1024 * 1024)
#define MUSTACHE_NAME_MAX   255
/* Deepest nesting: of tags in one template; of sections while rendering; of partials, parents and arguments while
 * rendering. */
#define MUSTACHE_DEPTH 64
/* Instructions that one rendering may take: an end for templates that include each other twice at every level. */
#define MUSTACHE_STEPS 5000000

struct mustache;

/*
 * name is what errors call the template ("movie.mustache"); it and the source are copied. On error returns NULL and
 * writes one sentence with the place: "movie.mustache:12:5: section {{#cast}} is never closed". Columns count
 * characters, from 1.
 */
struct mustache *mustache_compile(struct str name, struct str source, char *error, size_t error_size);
void mustache_free(struct mustache **template);

/* Where partials and parents come from: find returns NULL for a name that there is no template of; it renders as
 * nothing. */
struct mustache_partials {
    const struct mustache *(*find)(void *owner, struct str name);
    void *owner;
};

/*
 * Appends the rendered template to out. On false (nested too deep, too many steps, out has reached its limit) a
 * sentence is in error and out holds a part of the page. The templates that find returned must live until it returns.
 */
bool mustache_render(const struct mustache *template, const struct value *data, struct mustache_partials partials,
                     struct buffer *out, char *error, size_t error_size);

/* Calls visit for each partial and parent that the template names literally; place is "movie.mustache:3:1". */
typedef void mustache_visit(void *arg, const char *place, struct str name);
void mustache_each_partial(const struct mustache *template, mustache_visit *visit, void *arg);

#endif
