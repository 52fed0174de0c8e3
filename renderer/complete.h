/*
 * What pages need beyond their rows and columns: one small function each, named in routes.c. docs/views.md says what
 * each leaves for its view.
 */
#ifndef FILMYFLY_COMPLETE_H
#define FILMYFLY_COMPLETE_H

#include "router.h"

route_complete complete_home;                      /* complete_home.c */
route_complete complete_movies;                    /* complete_browse.c */
route_complete complete_category, complete_person; /* complete_lists.c */
route_complete complete_movie;                     /* complete_movie.c */
route_complete complete_search;                    /* complete_search.c */
route_complete complete_text;                      /* complete_text.c */

/*
 * A list under its name, and "has_" before it: whether there is anything in it, which a view cannot ask without
 * repeating itself for every item.
 */
void complete_list(struct arena *arena, struct value *map, struct str name, struct value list);

/* Only "has_" and the name, of what stands under it already. */
void complete_has(struct arena *arena, struct value *map, struct str name);

/*
 * Splits the page's movies, which are called `name`: the first few, whose pictures are seen at once, become
 * `first_movies`, and `name` keeps the others, whose pictures may wait. To be called when nothing else needs the whole
 * list.
 */
void complete_first(struct arena *arena, struct value *root, struct str name);

/* The JSON-LD that a function of json_ld.h makes of the root; without it when it cannot be made. */
void complete_json_ld(struct arena *arena, struct value *root,
                      bool (*make)(struct arena *arena, const struct value *root, struct str *out));

#endif
