/*
 * What a route is, and which one a request means. A route names everything that a page is made of: adding a page is one
 * row in routes.c, one template, one statement, and a function only where the page needs what no column and no count
 * says.
 */
#ifndef FILMYFLY_ROUTER_H
#define FILMYFLY_ROUTER_H

#include "buffer.h"
#include "parameters.h"
#include "value.h"

#define ROUTE_STATEMENTS 6
#define ROUTE_PARAMETERS 10
#define ROUTE_VARIABLES  12

enum route_form { FORM_HTML, FORM_JSON, FORM_TEXT, FORM_XML, FORM_ATOM, FORM_SVG };

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
    const char *parameters[ROUTE_PARAMETERS]; /* each a {…} of the pattern, or a parameter of the query string: the
                                                 table is in parameters.c */
};

struct route_match;

/*
 * Adds to the page's root what needs code. False: there is no such page (404). `noindex`, when it sets that to true,
 * also speaks in the header.
 */
typedef bool route_complete(struct arena *arena, const struct route_match *match, struct value *root);

/* Writes the body itself, where that is no template's work. False: it cannot be written (500). */
typedef bool route_write(struct arena *arena, const struct route_match *match, const struct value *root,
                         struct buffer *out);

/* A path has one row. */
struct route {
    const char *pattern; /* "/movie/{slug}". A {…} is in the form of a slug, {n} a number from 1; before and after it
                            the segment may say more: "/movies-{n}.xml" */
    const char *methods; /* as Allow says it: "GET, HEAD" */
    enum route_form form;
    enum route_freshness fresh;
    bool noindex;       /* search engines are told to leave it out */
    const char *view;   /* template, or … */
    route_write *write; /* … a function; of JSON, neither: the root itself is the answer */
    route_complete *complete;
    struct route_statement statements[ROUTE_STATEMENTS]; /* one batch; the first without a name ends it */
    struct route_statement missing; /* asked when the page is not there: what the view of 404 may offer instead */
};

struct route_table {
    const struct route *routes;
    size_t n;
};

/* The site's routes. */
extern const struct route_table site_routes;

struct route_variable {
    struct str name, text;
    uint64_t number; /* when it is one */
    bool is_number;
    const struct parameter *parameter; /* of the query string; NULL: of the path */
};

/* A request understood. Texts are in the arena or in the target. */
struct route_match {
    const struct route *route;
    struct str path;  /* as it was asked, without the query string */
    bool all_decades; /* `decade` stands there without a value */
    bool has_empty;   /* a parameter stands there without a value, as a form sends it */
    uint32_t n;
    struct route_variable variable[ROUTE_VARIABLES]; /* those with a value */
    const struct parameter *bad;                     /* of ROUTE_BAD: what is not as it may be */
};

enum route_verdict {
    ROUTE_FOUND,
    ROUTE_UNKNOWN,    /* 404 */
    ROUTE_NOT_METHOD, /* 405: match->route says what is allowed */
    ROUTE_BAD,        /* 400: a parameter of the query string is not what it may be */
    ROUTE_OPTIONS,    /* 204: match->route says what is allowed (RFC 9110 section 9.3.7) */
};

/* target: as the client sent it, path and query; the absolute form is understood (RFC 9112 section 3.2.2). */
enum route_verdict route_match(const struct route_table *table, struct str method, struct str target,
                               struct arena *arena, struct route_match *match);

/* The variable of that name, or NULL when it has no value. */
const struct route_variable *route_variable(const struct route_match *match, struct str name);

/* Whether one of the route's statements takes the parameter. */
bool route_takes(const struct route *route, struct str name);

/*
 * Whether the table can be served: each row has a body, and every parameter is a {…} of its pattern or stands in
 * parameters.c; else a sentence. For the start.
 */
bool route_table_check(const struct route_table *table, char *error, size_t error_size);

#endif
