/* The site's pages, one row each; router.h says what stands in a row. */
#include "api.h"
#include "complete.h"
#include "feed.h"
#include "poster_page.h"
#include "router.h"
#include "sitemap.h"

#define GET  .methods = "GET, HEAD"
#define PAGE GET, .form = FORM_HTML, .fresh = FRESH_PAGE
#define XML  GET, .form = FORM_XML, .fresh = FRESH_PAGE
#define API  .methods = "GET, HEAD, OPTIONS", .form = FORM_JSON, .fresh = FRESH_API

/* clang-format off */
static const struct route routes[] = {
    /* A statement: its name, that of its rows in the view, which rows, { parameters }. */
    {.pattern = "/", PAGE, .view = "home", .complete = complete_home,
     .statements = {{"movies_newest", "newest", ROWS_LIST, {0}},
                    {"movies_best", "best", ROWS_LIST, {0}},
                    {"home_shelves", "shelf_movies", ROWS_LIST, {0}},
                    {"categories", "categories", ROWS_LIST, {0}},
                    {"decades", "decades", ROWS_LIST, {0}},
                    {"movies_count", "catalogue", ROWS_ONE, {0}}}},
    {.pattern = "/movies", PAGE, .view = "movies", .complete = complete_movies,
     .statements = {{"movie_browse", "movies", ROWS_LIST,
                     {"category", "decade", "year", "certificate", "score", "sort", "page", "after"}},
                    {"movie_browse_count", "total", ROWS_VALUE, {"category", "decade", "year", "certificate", "score"}},
                    {"categories", "categories", ROWS_LIST, {0}},
                    {"decades", "decades", ROWS_LIST, {0}},
                    {"certificates", "certificates", ROWS_LIST, {0}}}},
    {.pattern = "/category/{slug}", PAGE, .view = "category", .complete = complete_category,
     .statements = {{"category", "category", ROWS_NEED, {"slug"}},
                    {"category_page", "movies", ROWS_LIST, {"slug", "page", "after"}}},
     .missing = {"movie_like", "suggestions", ROWS_LIST, {"slug"}}},
    {.pattern = "/movie/{slug}", PAGE, .view = "movie", .complete = complete_movie,
     .statements = {{"movie", "movie", ROWS_NEED, {"slug"}},
                    {"movie_related", "related", ROWS_LIST, {"slug"}}},
     .missing = {"movie_like", "suggestions", ROWS_LIST, {"slug"}}},
    {.pattern = "/person/{slug}", PAGE, .view = "person", .complete = complete_person,
     .statements = {{"person", "person", ROWS_NEED, {"slug"}},
                    {"person_movies", "movies", ROWS_LIST, {"slug", "page"}}},
     .missing = {"movie_like", "suggestions", ROWS_LIST, {"slug"}}},
    {.pattern = "/search", GET, .form = FORM_HTML, .fresh = FRESH_SHORT, .view = "search",
     .complete = complete_search,
     .statements = {{"search", "movies", ROWS_LIST, {"q", "page"}},
                    {"search_people", "people", ROWS_LIST, {"q"}}}},
    {.pattern = "/suggest", GET, .form = FORM_JSON, .fresh = FRESH_SHORT, .noindex = true,
     .statements = {{"suggest", "suggestions", ROWS_LIST, {"q"}}}},
    {.pattern = "/about", PAGE, .view = "text", .complete = complete_text,
     .statements = {{"site_texts", "texts", ROWS_LIST, {0}}}},
    {.pattern = "/legal", PAGE, .view = "text", .complete = complete_text,
     .statements = {{"site_texts", "texts", ROWS_LIST, {0}}}},

    {.pattern = "/api/v1/movies", API, .complete = api_complete_list, .write = api_write_movies,
     .statements = {{"api_movies", "movies", ROWS_LIST,
                     {"category", "decade", "year", "certificate", "score", "sort", "page", "per_page", "after"}},
                    {"movie_browse_count", "total", ROWS_VALUE, {"category", "decade", "year", "certificate", "score"}}}},
    {.pattern = "/api/v1/movies/{slug}", API, .write = api_write_movie,
     .statements = {{"movie", "movie", ROWS_NEED, {"slug"}}}},
    {.pattern = "/api/v1/categories", API, .write = api_write_categories,
     .statements = {{"categories", "categories", ROWS_LIST, {0}}}},
    {.pattern = "/api/v1/search", API, .complete = api_complete_search, .write = api_write_search,
     .statements = {{"search", "movies", ROWS_LIST, {"q", "page"}},
                    {"search_people", "people", ROWS_LIST, {"q"}}}},
    {.pattern = "/api/v1/openapi.json", API, .view = "openapi"},

    {.pattern = "/sitemap.xml", XML, .write = write_sitemap_index,
     .statements = {{"sitemap_files", "files", ROWS_LIST, {0}}}},
    {.pattern = "/sitemap/pages.xml", XML, .write = write_sitemap_pages,
     .statements = {{"categories", "categories", ROWS_LIST, {0}},
                    {"decades", "decades", ROWS_LIST, {0}}}},
    {.pattern = "/sitemap/movies-{n}.xml", XML, .write = write_sitemap_movies, .complete = complete_sitemap_movies,
     .statements = {{"sitemap_movies", "movies", ROWS_LIST, {"n"}}}},
    {.pattern = "/sitemap/people-{n}.xml", XML, .write = write_sitemap_people, .complete = complete_sitemap_people,
     .statements = {{"sitemap_people", "people", ROWS_LIST, {"n"}}}},
    {.pattern = "/feed.xml", GET, .form = FORM_ATOM, .fresh = FRESH_PAGE, .write = write_feed,
     .statements = {{"feed", "movies", ROWS_LIST, {0}}}},
    {.pattern = "/poster/{slug}.svg", GET, .form = FORM_SVG, .fresh = FRESH_PAGE, .write = write_poster,
     .statements = {{"movie_poster", "movie", ROWS_NEED, {"slug"}}}},
    {.pattern = "/robots.txt", GET, .form = FORM_TEXT, .fresh = FRESH_PAGE, .view = "robots"},

    {.pattern = "/readyz", GET, .form = FORM_TEXT, .fresh = FRESH_NEVER, .view = "readyz",
     .statements = {{"ready", "ready", ROWS_VALUE, {0}}}},
};
/* clang-format on */

const struct route_table site_routes = {routes, sizeof routes / sizeof *routes};
