/*
 * The sitemap (sitemaps.org, protocol 0.9): an index, one file of the pages that are no movie and no person, and files
 * of 5,000 movies or people each. Functions that write a route's body; `site` stands at the root.
 */
#ifndef FILMYFLY_SITEMAP_H
#define FILMYFLY_SITEMAP_H

#include "router.h"

/* files[]{kind, file}: one line each, after that of the pages. */
route_write write_sitemap_index;

/* categories[]{slug}, decades[]{decade}. */
route_write write_sitemap_pages;

/* movies[]{slug, updated} or people[]{slug, updated}; updated is a date, or null where none is known. */
route_write write_sitemap_movies, write_sitemap_people;

/* There is no file without an address in it. */
route_complete complete_sitemap_movies, complete_sitemap_people;

#endif
