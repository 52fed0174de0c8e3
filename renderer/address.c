#include "address.h"

#define NOWHERE ((struct change){STR_NONE, STR_NONE})

struct change {
    struct str name, value;
};

/* Letters, digits and - . _ ~ stand for themselves (RFC 3986 section 2.3), a blank is a plus as forms write it. */
static struct str encode(struct arena *arena, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, 3 * (size_t)text.n + 1);
    uint32_t n = 0;
    if (!out)
        return STR_NONE;
    for (uint32_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c))) {
            out[n++] = (char)c;
        } else if (c == ' ') {
            out[n++] = '+';
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return (struct str){out, n};
}

struct str address_add(struct arena *arena, struct str address, struct str name, struct str value)
{
    struct str encoded = encode(arena, value);
    if (!address.p || !encoded.p)
        return STR_NONE;
    char mark = memchr(address.p, '?', address.n) ? '&' : '?';
    return arena_printf(arena, STR_FMT "%c" STR_FMT "=" STR_FMT, STR_ARG(address), mark, STR_ARG(name),
                        STR_ARG(encoded));
}

/* The pattern with what stands for each {…}. */
static struct str path_of(struct arena *arena, const struct route_match *match, struct change change)
{
    struct str rest = str_of(match->route->pattern), path = STR("");
    const char *brace;
    while (rest.n > 0 && (brace = memchr(rest.p, '{', rest.n))) {
        const char *end = memchr(brace, '}', (size_t)(rest.p + rest.n - brace));
        struct str name = {brace + 1, end ? (uint32_t)(end - brace - 1) : 0};
        const struct route_variable *v = route_variable(match, name);
        struct str text = str_eq(name, change.name) ? change.value : v ? v->text : STR_NONE;
        if (!end || !text.p)
            return STR_NONE;
        path = arena_printf(arena, STR_FMT "%.*s" STR_FMT, STR_ARG(path), (int)(brace - rest.p), rest.p, STR_ARG(text));
        rest = (struct str){end + 1, rest.n - (uint32_t)(end + 1 - rest.p)};
    }
    return arena_printf(arena, STR_FMT STR_FMT, STR_ARG(path), STR_ARG(rest));
}

/* Whether the list is begun anew by the change: page 7 of other movies means nothing. */
static bool is_dropped(const struct parameter *parameter, struct change change)
{
    struct str name = str_of(parameter->name);
    bool is_place = str_eq(name, STR("page")) || str_eq(name, STR("after"));
    return is_place && change.name.p && !str_eq(name, change.name);
}

static struct str query_of(struct arena *arena, struct str address, const struct route_match *match,
                           struct change change)
{
    const struct parameter *parameter;
    for (size_t i = 0; (parameter = parameter_at(i)); i++) {
        struct str name = str_of(parameter->name);
        const struct route_variable *v = route_variable(match, name);
        struct str text = str_eq(name, change.name) ? change.value : v && v->parameter ? v->text : STR_NONE;
        if (text.p && !is_dropped(parameter, change) && !str_eq(text, str_of(parameter->preset)))
            address = address_add(arena, address, name, text);
    }
    return address;
}

struct str address_of(struct arena *arena, const struct route_match *match)
{
    return query_of(arena, path_of(arena, match, NOWHERE), match, NOWHERE);
}

struct str address_with(struct arena *arena, const struct route_match *match, struct str name, struct str value)
{
    return query_of(arena, path_of(arena, match, NOWHERE), match, (struct change){name, value});
}

struct str address_moved(struct arena *arena, const struct route_match *match, struct str name, struct str value)
{
    return query_of(arena, path_of(arena, match, (struct change){name, value}), match, NOWHERE);
}
