/* The address of a movie's poster, /poster/{slug}.svg. */
#ifndef FILMYFLY_POSTER_PAGE_H
#define FILMYFLY_POSTER_PAGE_H

#include "router.h"

/* Writes the poster of movie{title, year, category}. */
route_write write_poster;

#endif
