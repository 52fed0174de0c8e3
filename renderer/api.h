/*
 * The answers of the API, version 1: one function for each route, which writes its JSON. views/openapi.mustache
 * describes them; what is written here has exactly the names that stand there, each always, null where nothing is
 * known.
 */
#ifndef FILMYFLY_API_H
#define FILMYFLY_API_H

#include "router.h"

/* movies[] (a row of api_movies each), total. */
route_write api_write_movies;

/* movie (the row of movie). */
route_write api_write_movie;

/* categories[]. */
route_write api_write_categories;

/* There is no page beyond the last one of movies[]; where that is depends on a count that was given up (total), one is
 * empty. */
route_complete api_complete_list;

/* The same of what is found, and no page behind those that a pager of 1,000 has (pager.h). */
route_complete api_complete_search;

/* movies[] (rows of search, with total and corrected on each), people[]. */
route_write api_write_search;

#endif
