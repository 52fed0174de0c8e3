#include "router.h"

#include <stdio.h>

#include "query_string.h"

/* One segment of a pattern: text, or a {…} with text around it. name.p is NULL when there is none. */
struct segment {
    struct str before, name, after;
};

static struct segment segment_of(struct str text)
{
    const char *open = text.n ? memchr(text.p, '{', text.n) : NULL;
    const char *close = open ? memchr(open, '}', (size_t)(text.p + text.n - open)) : NULL;
    if (!close)
        return (struct segment){.before = text};
    return (struct segment){.before = {text.p, (uint32_t)(open - text.p)},
                            .name = {open + 1, (uint32_t)(close - open - 1)},
                            .after = {close + 1, (uint32_t)(text.p + text.n - close - 1)}};
}

/* Cuts "/segment" off the front of a path that starts with a slash. */
static struct str cut_segment(struct str *path)
{
    const char *end = path->n > 1 ? memchr(path->p + 1, '/', path->n - 1) : NULL;
    struct str segment = {path->p + 1, end ? (uint32_t)(end - path->p - 1) : path->n - 1};
    *path = (struct str){path->p + 1 + segment.n, path->n - 1 - segment.n};
    return segment;
}

static bool pattern_has(const char *pattern_text, struct str name)
{
    struct str pattern = str_of(pattern_text);
    while (pattern.n > 0) {
        struct segment segment = segment_of(cut_segment(&pattern));
        if (segment.name.p && str_eq(segment.name, name))
            return true;
    }
    return false;
}

/* The n-th statement of a route, those of its batch first and then what is asked when the page is missing. */
static const struct route_statement *statement_at(const struct route *route, size_t n)
{
    size_t batch = 0;
    while (batch < ROUTE_STATEMENTS && route->statements[batch].name)
        batch++;
    if (n < batch)
        return &route->statements[n];
    return n == batch && route->missing.name ? &route->missing : NULL;
}

static bool check_route(const struct route *route, char *error, size_t error_size)
{
    if ((route->view && route->write) || (!route->view && !route->write && route->form != FORM_JSON)) {
        snprintf(error, error_size, "route %s: it needs either a view or a function that writes it", route->pattern);
        return false;
    }
    const struct route_statement *statement;
    for (size_t s = 0; (statement = statement_at(route, s)); s++) {
        for (size_t p = 0; p < ROUTE_PARAMETERS && statement->parameters[p]; p++) {
            struct str name = str_of(statement->parameters[p]);
            if (pattern_has(route->pattern, name) || parameter_find(name))
                continue;
            snprintf(error, error_size,
                     "route %s: parameter %s of statement %s is neither in the pattern nor in parameters.c",
                     route->pattern, name.p, statement->name);
            return false;
        }
    }
    return true;
}

bool route_table_check(const struct route_table *table, char *error, size_t error_size)
{
    for (size_t i = 0; i < table->n; i++)
        if (!check_route(&table->routes[i], error, error_size))
            return false;
    return true;
}

bool route_takes(const struct route *route, struct str name)
{
    const struct route_statement *statement;
    for (size_t s = 0; (statement = statement_at(route, s)); s++)
        for (size_t p = 0; p < ROUTE_PARAMETERS && statement->parameters[p]; p++)
            if (str_eq(str_of(statement->parameters[p]), name))
                return true;
    return false;
}

static bool add_variable(struct route_match *match, struct route_variable variable)
{
    if (match->n == ROUTE_VARIABLES)
        return false;
    match->variable[match->n++] = variable;
    return true;
}

/* What stands for the {…} of a segment: a number when it is {n}, else a slug. */
static bool match_segment(struct segment wanted, struct str text, struct route_match *match)
{
    if (!wanted.name.p)
        return str_eq(wanted.before, text);
    uint32_t around = wanted.before.n + wanted.after.n;
    if (text.n <= around || !str_starts(text, wanted.before) ||
        memcmp(text.p + text.n - wanted.after.n, wanted.after.p, wanted.after.n) != 0)
        return false;
    struct route_variable v = {.name = wanted.name, .text = {text.p + wanted.before.n, text.n - around}};
    v.is_number = str_eq(v.name, STR("n"));
    if (v.is_number ? v.text.n > 9 || !number_parse(v.text, &v.number) || v.number == 0 : !is_slug(v.text))
        return false;
    return add_variable(match, v);
}

/* Holds a path against a pattern, segment by segment, and notes what stands for each {…}. */
static bool match_path(const char *pattern_text, struct str path, struct arena *arena, struct route_match *match)
{
    struct str pattern = str_of(pattern_text);
    match->n = 0;
    while (pattern.n > 0 && path.n > 0) {
        struct str wanted = cut_segment(&pattern), given = cut_segment(&path), text = given;
        /* A slash that is encoded does not end a segment, so it is decoded only after the cut. */
        if (given.n && memchr(given.p, '%', given.n) && !percent_decode(arena, given, false, &text))
            return false;
        if (!match_segment(segment_of(wanted), text, match))
            return false;
    }
    return pattern.n == 0 && path.n == 0;
}

/* Whether a list such as "GET, HEAD" has the method. What is no token (RFC 9110 section 5.6.2) must not match across
 * the comma. */
static bool allows(const char *methods, struct str method)
{
    if (method.n == 0 || memchr(method.p, ',', method.n))
        return false;
    struct str list = str_of(methods);
    for (uint32_t i = 0; i + method.n <= list.n; i++) {
        bool starts = i == 0 || list.p[i - 1] == ' ';
        bool ends = i + method.n == list.n || list.p[i + method.n] == ',';
        if (starts && ends && memcmp(list.p + i, method.p, method.n) == 0)
            return true;
    }
    return false;
}

/* Adds one parameter's value, or its preset. */
static bool read_parameter(const struct parameter *parameter, struct str query, struct arena *arena,
                           struct route_match *match)
{
    struct route_variable v = {.name = str_of(parameter->name), .parameter = parameter};
    switch (parameter_read(parameter, arena, query, &v.text, &v.number)) {
    case PARAMETER_BAD:
        return false;
    case PARAMETER_EMPTY:
        match->has_empty = true;
        match->all_decades |= str_eq(v.name, STR("decade"));
        /* fallthrough */
    case PARAMETER_ABSENT:
        v.text = str_of(parameter->preset);
        if (!v.text.p)
            return true;
        if (parameter->kind == PARAMETER_NUMBER)
            number_parse(v.text, &v.number);
        break;
    case PARAMETER_FOUND:
        break;
    }
    v.is_number = parameter->kind == PARAMETER_NUMBER;
    return add_variable(match, v);
}

static void drop_variable(struct route_match *match, struct str name)
{
    for (uint32_t i = 0; i < match->n; i++) {
        if (!str_eq(match->variable[i].name, name))
            continue;
        memmove(&match->variable[i], &match->variable[i + 1], (match->n - i - 1) * sizeof *match->variable);
        match->n--;
        return;
    }
}

/*
 * What says the same in two ways says it in one. The place in a list is a page or a movie to begin after. A year that
 * lies in the decade says more than the decade; one that does not is left over in a form from another decade, or from
 * before all of them were chosen.
 */
static void settle(struct route_match *match)
{
    const struct route_variable *year = route_variable(match, STR("year")),
                                *decade = route_variable(match, STR("decade"));
    if (route_variable(match, STR("after")))
        drop_variable(match, STR("page"));
    if (year && match->all_decades)
        drop_variable(match, STR("year"));
    else if (year && decade)
        drop_variable(match, year->number / 10 == decade->number / 10 ? STR("decade") : STR("year"));
}

/* Adds the parameters of the query string that the route's statements take. */
static bool read_query(struct str query, struct arena *arena, struct route_match *match)
{
    const struct parameter *parameter;
    for (size_t i = 0; (parameter = parameter_at(i)); i++) {
        struct str name = str_of(parameter->name);
        if (route_takes(match->route, name) && !route_variable(match, name) &&
            !read_parameter(parameter, query, arena, match)) {
            match->bad = parameter;
            return false;
        }
    }
    settle(match);
    return true;
}

/* Cuts "http://host:port" off; false when the target does not begin like that. What is behind it may be a query alone,
 * or nothing. */
static bool drop_authority(struct str *target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++) {
        if (target->n < schemes[i].n || strncasecmp(target->p, schemes[i].p, schemes[i].n) != 0)
            continue;
        uint32_t n = schemes[i].n;
        while (n < target->n && target->p[n] != '/' && target->p[n] != '?')
            n++;
        *target = (struct str){target->p + n, target->n - n};
        return true;
    }
    return false;
}

enum route_verdict route_match(const struct route_table *table, struct str method, struct str target,
                               struct arena *arena, struct route_match *match)
{
    *match = (struct route_match){0};
    bool absolute = drop_authority(&target);
    const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    struct str path = {target.p, mark ? (uint32_t)(mark - target.p) : target.n};
    struct str query = mark ? (struct str){mark + 1, target.n - path.n - 1} : STR("");
    if (path.n == 0 && absolute)
        path = STR("/");
    match->path = path;
    if (path.n == 0 || path.p[0] != '/')
        return ROUTE_UNKNOWN;
    enum route_verdict verdict = ROUTE_UNKNOWN;
    for (size_t i = 0; i < table->n; i++) {
        if (!match_path(table->routes[i].pattern, path, arena, match))
            continue;
        match->route = &table->routes[i];
        if (allows(match->route->methods, method) && str_eq(method, STR("OPTIONS")))
            return ROUTE_OPTIONS;
        if (allows(match->route->methods, method))
            return read_query(query, arena, match) ? ROUTE_FOUND : ROUTE_BAD;
        verdict = ROUTE_NOT_METHOD;
    }
    return verdict;
}

const struct route_variable *route_variable(const struct route_match *match, struct str name)
{
    for (uint32_t i = 0; i < match->n; i++)
        if (str_eq(match->variable[i].name, name))
            return &match->variable[i];
    return NULL;
}
