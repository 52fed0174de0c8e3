/* What pages need beyond their rows and columns: one small function each, named in routes.c. */
#ifndef FILMYFLY_COMPLETE_H
#define FILMYFLY_COMPLETE_H

#include "router.h"

#define MOVIES_A_PAGE 36 /* as queries/movies_page.sql and queries/category_page.sql have it */

route_complete complete_movies, complete_category, complete_movie, complete_api_movie;

#endif
