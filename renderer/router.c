#include "router.h"

#include <stdio.h>

#include "query_string.h"

/* The numbers that a query string may carry. */
static const struct query_number {
    const char *name;
    uint32_t preset, least, most;
} query_numbers[] = {
    {"page", 1, 1, 100},
    {"per_page", 20, 1, 100},
};

static const struct query_number *find_number(const char *name)
{
    for (size_t i = 0; i < sizeof query_numbers / sizeof *query_numbers; i++)
        if (strcmp(query_numbers[i].name, name) == 0)
            return &query_numbers[i];
    return NULL;
}

/* Whether the pattern has a segment {name}. */
static bool pattern_has(const char *pattern, const char *name)
{
    char segment[72];
    snprintf(segment, sizeof segment, "/{%s}", name);
    const char *at = strstr(pattern, segment);
    return at && (at[strlen(segment)] == '/' || at[strlen(segment)] == 0);
}

bool route_table_check(const struct route_table *table, char *error, size_t error_size)
{
    for (size_t r = 0; r < table->n; r++) {
        const struct route *route = &table->routes[r];
        for (size_t s = 0; s < ROUTE_STATEMENTS && route->statements[s].name; s++) {
            for (size_t p = 0; p < ROUTE_PARAMETERS && route->statements[s].parameters[p]; p++) {
                const char *name = route->statements[s].parameters[p];
                if (pattern_has(route->pattern, name) || find_number(name))
                    continue;
                snprintf(
                    error, error_size,
                    "route %s: parameter %s of statement %s is neither in the pattern nor a number of the query string",
                    route->pattern, name, route->statements[s].name);
                return false;
            }
        }
    }
    return true;
}

/* The form of a slug: letters a to z, digits, and single hyphens between them. */
static bool is_slug(struct str s)
{
    if (s.n == 0 || s.n > ROUTE_SLUG_MAX)
        return false;
    bool hyphen = true;
    for (uint32_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-' && hyphen)
            return false;
        hyphen = s.p[i] == '-';
        if (!hyphen && !(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9'))
            return false;
    }
    return !hyphen;
}

/* Cuts "/segment" off the front of a path that starts with a slash. */
static struct str cut_segment(struct str *path)
{
    const char *end = path->n > 1 ? memchr(path->p + 1, '/', path->n - 1) : NULL;
    struct str segment = {path->p + 1, end ? (uint32_t)(end - path->p - 1) : path->n - 1};
    *path = (struct str){path->p + 1 + segment.n, path->n - 1 - segment.n};
    return segment;
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
        if (wanted.n > 2 && wanted.p[0] == '{') {
            if (match->n == ROUTE_VARIABLES || !is_slug(text))
                return false;
            struct str name = {wanted.p + 1, wanted.n - 2};
            match->variable[match->n++] = (struct route_variable){.name = name, .text = text};
        } else if (!str_eq(wanted, text)) {
            return false;
        }
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

/* Adds the numbers that the route's statements take. */
static bool read_numbers(struct str query, struct arena *arena, struct route_match *match)
{
    for (size_t s = 0; s < ROUTE_STATEMENTS && match->route->statements[s].name; s++) {
        for (size_t p = 0; p < ROUTE_PARAMETERS && match->route->statements[s].parameters[p]; p++) {
            const char *name = match->route->statements[s].parameters[p];
            const struct query_number *wanted = find_number(name);
            if (!wanted || route_variable(match, str_of(name)))
                continue;
            struct route_variable v = {.name = str_of(name), .number = wanted->preset, .is_number = true};
            if (match->n == ROUTE_VARIABLES ||
                query_get_number(arena, query, v.name, wanted->least, wanted->most, &v.number) == QUERY_BAD)
                return false;
            v.text = arena_printf(arena, "%u", v.number);
            match->variable[match->n++] = v;
        }
    }
    return true;
}

/* "http://host:port/path" becomes "/path"; anything else stays. */
static struct str drop_authority(struct str target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++) {
        if (target.n < schemes[i].n || strncasecmp(target.p, schemes[i].p, schemes[i].n) != 0)
            continue;
        struct str rest = {target.p + schemes[i].n, target.n - schemes[i].n};
        const char *slash = memchr(rest.p, '/', rest.n);
        return slash ? (struct str){slash, rest.n - (uint32_t)(slash - rest.p)} : STR("/");
    }
    return target;
}

enum route_verdict route_match(const struct route_table *table, struct str method, struct str target,
                               struct arena *arena, struct route_match *match)
{
    *match = (struct route_match){0};
    target = drop_authority(target);
    const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    struct str path = {target.p, mark ? (uint32_t)(mark - target.p) : target.n};
    struct str query = mark ? (struct str){mark + 1, target.n - path.n - 1} : STR("");
    match->path = path;
    if (path.n == 0 || path.p[0] != '/')
        return ROUTE_UNKNOWN;
    enum route_verdict verdict = ROUTE_UNKNOWN;
    for (size_t i = 0; i < table->n; i++) {
        if (!match_path(table->routes[i].pattern, path, arena, match))
            continue;
        match->route = &table->routes[i];
        if (allows(match->route->methods, method))
            return read_numbers(query, arena, match) ? ROUTE_FOUND : ROUTE_BAD;
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

struct str route_path_of(struct arena *arena, const struct route *route, struct str slug)
{
    const char *at = strstr(route->pattern, "{slug}");
    if (!at)
        return STR_NONE;
    return arena_printf(arena, "%.*s" STR_FMT "%s", (int)(at - route->pattern), route->pattern, STR_ARG(slug), at + 6);
}
