/*
 * What a route is, and which one a request means. A route names everything that a page is made of: adding a page is one
 * row in routes.c, one template, one statement, and a function only where the page needs what no column and no count
 * says.
 */
#ifndef FILMYFLY_ROUTER_H
#define FILMYFLY_ROUTER_H

#include "value.h"

#define ROUTE_STATEMENTS 4
#define ROUTE_PARAMETERS 4
#define ROUTE_VARIABLES  6
#define ROUTE_SLUG_MAX   120 /* bytes of a segment that stands for {…}, as the database limits slugs */

enum route_form { FORM_HTML, FORM_JSON, FORM_TEXT };

enum route_freshness {
    FRESH_PAGE,  /* FILMYFLY_PAGE_TTL */
    FRESH_API,   /* FILMYFLY_API_TTL */
    FRESH_SHORT, /* a minute: what is not there may soon be */
    FRESH_NEVER, /* not stored at all */
};

enum route_rows {
    ROWS_LIST,  /* all rows, as a list */
    ROWS_ONE,   /* the first row, or nothing */
    ROWS_NEED,  /* the first row; without it the page is a 404. A row whose `slug` is not the one asked for has moved:
                   301 */
    ROWS_VALUE, /* the first column of the first row */
};

struct route_statement {
    const char *name; /* of the file in dbproxy/queries */
    const char *as;   /* what the view calls its rows */
    enum route_rows rows;
    const char *parameters[ROUTE_PARAMETERS]; /* each a {…} of the pattern, or a number of the query string: `page`,
                                                 `per_page` */
};

struct route_match;

/* Adds to the page's root what needs code. False: there is no such page (404). */
typedef bool route_complete(struct arena *arena, const struct route_match *match, struct value *root);

/* A path has one row. */
struct route {
    const char *pattern; /* "/movie/{slug}": a {…} is one segment in the form of a slug */
    const char *methods; /* as Allow says it: "GET, HEAD" */
    enum route_form form;
    enum route_freshness fresh;
    const char *view; /* template; of JSON, NULL: the root itself is the answer */
    route_complete *complete;
    struct route_statement statements[ROUTE_STATEMENTS]; /* one batch; the first without a name ends it */
};

struct route_table {
    const struct route *routes;
    size_t n;
};

/* The site's routes. */
extern const struct route_table site_routes;

struct route_variable {
    struct str name, text;
    uint32_t number; /* of a number of the query string */
    bool is_number;
};

/* A request understood. Texts are in the arena or in the target. */
struct route_match {
    const struct route *route;
    struct str path; /* as it was asked, without the query string */
    uint32_t n;
    struct route_variable variable[ROUTE_VARIABLES];
};

enum route_verdict {
    ROUTE_FOUND,
    ROUTE_UNKNOWN,    /* 404 */
    ROUTE_NOT_METHOD, /* 405: match->route says what is allowed */
    ROUTE_BAD,        /* 400: a number of the query string is none, or out of its range, or stands there twice */
};

/* target: as the client sent it, path and query; the absolute form is understood (RFC 9112 section 3.2.2). */
enum route_verdict route_match(const struct route_table *table, struct str method, struct str target,
                               struct arena *arena, struct route_match *match);

/* The variable of that name, or NULL. */
const struct route_variable *route_variable(const struct route_match *match, struct str name);

/* The route's path with another slug in the place of {slug}: where something moved to. */
struct str route_path_of(struct arena *arena, const struct route *route, struct str slug);

/* Whether every parameter of every route is a {…} of its pattern or a known number; else a sentence. For the start. */
bool route_table_check(const struct route_table *table, char *error, size_t error_size);

#endif
