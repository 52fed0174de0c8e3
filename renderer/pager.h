/*
 * The way from page to page of a list: pages by number up to 100, and behind them by key, after the last movie of the
 * page before, so that a page far back reads no more than the first.
 */
#ifndef FILMYFLY_PAGER_H
#define FILMYFLY_PAGER_H

#include "router.h"

#define MOVIES_A_PAGE 36   /* as the statements of lists have it */
#define SEARCH_A_PAGE 24   /* as queries/search.sql has it */
#define PAGES_MAX     100  /* by number, as parameters.c has it; then by key */
#define COUNTED       1000 /* what is counted exactly; beyond it a count is COUNTED + 1 and means "1,000+" */
#define SEARCH_FOUND  240  /* as many a search shows, likewise */

struct pager_list {
    const struct value *movies; /* the rows of this page, each with its id */
    int64_t total;              /* rows in all */
    uint32_t a_page;
    int64_t counted; /* total is at most one more than this, and then means "more"; 0: it is exact */
    bool ends_there; /* there are no pages behind what is counted */
};

/*
 * Adds to the root total_text, later_page (the number, from the second on), pager (unless there is one page only):
 * {previous, next, items[]{number, url, current} or {gap}}, and next_url where the next page has no number. A later
 * page without a movie, behind what was counted, has none of these but first_url, the list's first page, and noindex.
 * False when the page lies beyond the last.
 */
bool pager_set(struct arena *arena, const struct route_match *match, const struct pager_list *list, struct value *root);

#endif
