/*
 * What a page says about itself to machines, as JSON-LD in the words of schema.org: one JSON text for a script element,
 * written by json.h, which escapes whatever could end that element.
 */
#ifndef FILMYFLY_JSON_LD_H
#define FILMYFLY_JSON_LD_H

#include "value.h"

/*
 * Each reads the root of its page's view, after the page's own function has set what it adds, and writes the text into
 * the arena; what a name does not hold is left out. False when the arena is full or the text too long (*text is then
 * STR_NONE): the page goes without.
 *
 *  - home: WebSite with a SearchAction; reads site.
 *  - movie: Movie; reads site, movie{slug, title, …, director, director_slug, actors[]{slug, name}, categories[]},
 *    description.
 *  - person: Person; reads site, person{slug, name}.
 *  - trail: BreadcrumbList from home over the movies to this page; reads site and category{slug, name} (without it, the
 *    list of all movies).
 */
bool json_ld_home(struct arena *arena, const struct value *root, struct str *text);
bool json_ld_movie(struct arena *arena, const struct value *root, struct str *text);
bool json_ld_person(struct arena *arena, const struct value *root, struct str *text);
bool json_ld_trail(struct arena *arena, const struct value *root, struct str *text);

#endif
