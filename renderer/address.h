/*
 * The one address of a page: its path, then the parameters that it takes, in the order of their table, percent-encoded
 * (RFC 3986); what is as it is without saying so is left out, and so is what the page does not take (utm_source=…).
 */
#ifndef FILMYFLY_ADDRESS_H
#define FILMYFLY_ADDRESS_H

#include "router.h"

/* The address of the page that was asked for, without the host. p is NULL when the arena is full, as in the others. */
struct str address_of(struct arena *arena, const struct route_match *match);

/*
 * The address of the same page with one parameter of the query string changed (STR_NONE: without it). Other than `page`
 * and `after` themselves, a change leads to the first page.
 */
struct str address_with(struct arena *arena, const struct route_match *match, struct str name, struct str value);

/* The same with another text in the place of a {…} of the path: where something moved to. */
struct str address_moved(struct arena *arena, const struct route_match *match, struct str name, struct str value);

/* "name=value", encoded, behind an address that has a query string or none. */
struct str address_add(struct arena *arena, struct str address, struct str name, struct str value);

#endif
