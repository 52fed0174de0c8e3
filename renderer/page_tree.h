/*
 * The tree that a page's body is made from: what every view may use, then the rows of the batch under the names that
 * the route gives them, then what the route's function adds.
 */
#ifndef FILMYFLY_PAGE_TREE_H
#define FILMYFLY_PAGE_TREE_H

#include "assets.h"
#include "router.h"

enum tree_verdict {
    TREE_WHOLE,
    TREE_MISSING, /* what the page is about is not there */
    TREE_MOVED,   /* it has another address */
};

/* What every view of HTML may use; of an error, which has no address of its own, without `canonical`. */
struct value tree_of_error(struct arena *arena, const struct route_match *match, const char *site,
                           const struct assets *assets);

/* The whole tree from the results of the route's batch. *moved is set when that is the verdict. */
enum tree_verdict tree_of_page(struct arena *arena, const struct route_match *match, const char *site,
                               const struct assets *assets, const struct value *results, struct value *root,
                               struct str *moved);

/* How many statements the route's batch has. */
uint32_t tree_results(const struct route *route);

#endif
