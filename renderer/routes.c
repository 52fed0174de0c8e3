/* The site's pages, one row each; router.h says what stands in a row. */
#include "complete.h"
#include "router.h"

#define GET "GET, HEAD"

static const struct route routes[] = {
    {"/", GET, FORM_HTML, FRESH_PAGE, "home", NULL,
     {{"movies_newest", "newest", ROWS_LIST, {0}},
      {"movies_best", "best", ROWS_LIST, {0}},
      {"categories", "categories", ROWS_LIST, {0}},
      {"movies_count", "catalogue", ROWS_ONE, {0}}}},
    {"/movies", GET, FORM_HTML, FRESH_PAGE, "movies", complete_movies,
     {{"movies_page", "movies", ROWS_LIST, {"page"}}, {"movies_count", "catalogue", ROWS_NEED, {0}}}},
    {"/category/{slug}", GET, FORM_HTML, FRESH_PAGE, "category", complete_category,
     {{"category", "category", ROWS_NEED, {"slug"}}, {"category_page", "movies", ROWS_LIST, {"slug", "page"}}}},
    {"/movie/{slug}", GET, FORM_HTML, FRESH_PAGE, "movie", complete_movie,
     {{"movie", "movie", ROWS_NEED, {"slug"}}, {"movie_related", "related", ROWS_LIST, {"slug"}}}},
    {"/api/v1/movies", GET, FORM_JSON, FRESH_API, NULL, NULL,
     {{"api_movies", "movies", ROWS_LIST, {"page", "per_page"}}, {"movies_count", "total", ROWS_VALUE, {0}}}},
    {"/api/v1/movies/{slug}", GET, FORM_JSON, FRESH_API, NULL, complete_api_movie,
     {{"api_movie", "movie", ROWS_NEED, {"slug"}}}},
    {"/api/v1/categories", GET, FORM_JSON, FRESH_API, NULL, NULL,
     {{"categories", "categories", ROWS_LIST, {0}}}},
    {"/readyz", GET, FORM_TEXT, FRESH_NEVER, "readyz", NULL,
     {{"ready", "ready", ROWS_VALUE, {0}}}},
};

const struct route_table site_routes = {routes, sizeof routes / sizeof *routes};
