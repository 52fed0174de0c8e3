/* The site's pages, one row each; router.h says what stands in a row. */
#include "complete.h"
#include "router.h"

#define GET  "GET, HEAD"
#define PAGE GET, FORM_HTML, FRESH_PAGE
#define API  GET, FORM_JSON, FRESH_API, NULL

/* clang-format off */
static const struct route routes[] = {
    /* pattern, methods, form, freshness, view, function, { { statement, its name in the view, which rows, { parameters } } } */
    {"/", PAGE, "home", NULL,
     {{"movies_newest", "newest", ROWS_LIST, {0}},
      {"movies_best", "best", ROWS_LIST, {0}},
      {"categories", "categories", ROWS_LIST, {0}},
      {"movies_count", "catalogue", ROWS_ONE, {0}}}},
    {"/movies", PAGE, "movies", complete_movies,
     {{"movies_page", "movies", ROWS_LIST, {"page"}},
      {"movies_count", "catalogue", ROWS_NEED, {0}}}},
    {"/category/{slug}", PAGE, "category", complete_category,
     {{"category", "category", ROWS_NEED, {"slug"}},
      {"category_page", "movies", ROWS_LIST, {"slug", "page"}}}},
    {"/movie/{slug}", PAGE, "movie", complete_movie,
     {{"movie", "movie", ROWS_NEED, {"slug"}},
      {"movie_related", "related", ROWS_LIST, {"slug"}}}},
    {"/api/v1/movies", API, NULL,
     {{"api_movies", "movies", ROWS_LIST, {"page", "per_page"}},
      {"movies_count", "total", ROWS_VALUE, {0}}}},
    {"/api/v1/movies/{slug}", API, complete_api_movie,
     {{"api_movie", "movie", ROWS_NEED, {"slug"}}}},
    {"/api/v1/categories", API, NULL,
     {{"categories", "categories", ROWS_LIST, {0}}}},
    {"/readyz", GET, FORM_TEXT, FRESH_NEVER, "readyz", NULL,
     {{"ready", "ready", ROWS_VALUE, {0}}}},
};
/* clang-format on */

const struct route_table site_routes = {routes, sizeof routes / sizeof *routes};
