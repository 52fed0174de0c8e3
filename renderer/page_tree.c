#include "page_tree.h"

#include "address.h"

#define ROOT_ROOM 64 /* names at the root of a view */

uint32_t tree_results(const struct route *route)
{
    uint32_t n = 0;
    while (n < ROUTE_STATEMENTS && route->statements[n].name)
        n++;
    return n;
}

struct value tree_of_error(struct arena *arena, const struct route_match *match, const char *site,
                           const struct assets *assets)
{
    struct value root = value_map(arena, ROOT_ROOM);
    value_set(&root, STR("site"), value_str(str_of(site)));
    value_set(&root, STR("assets"), assets_map(assets));
    value_set(&root, STR("path"), value_str(match->path));
    return root;
}

static struct value start_root(struct arena *arena, const struct route_match *match, const char *site,
                               const struct assets *assets)
{
    if (!match->route->view && !match->route->write) /* the root itself is the answer */
        return value_map(arena, ROOT_ROOM);
    struct value root = tree_of_error(arena, match, site, assets);
    struct str address = address_of(arena, match);
    if (address.p)
        value_set(&root, STR("canonical"), value_str(arena_printf(arena, "%s" STR_FMT, site, STR_ARG(address))));
    const struct route_variable *q = route_variable(match, STR("q"));
    if (q)
        value_set(&root, q->name, value_str(q->text));
    return root;
}

/* What a route wants of a result's rows; NIL when there is none. */
static struct value take_rows(const struct value *rows, enum route_rows wanted)
{
    const struct value *row = rows->n ? &rows->as.items[0] : NULL;
    if (wanted == ROWS_LIST)
        return *rows;
    if (wanted == ROWS_VALUE)
        return row && row->n ? row->as.map.values[0] : NIL;
    return row ? *row : NIL;
}

/* Where a row lives now, when that is not where it was asked for; else STR_NONE. */
static struct str moved_to(struct arena *arena, const struct route_match *match, const struct value *row)
{
    const struct route_variable *asked = route_variable(match, STR("slug"));
    const struct value *slug = value_get(row, STR("slug"));
    if (!asked || !slug || slug->type != VALUE_STR || str_eq(slug->as.str, asked->text))
        return STR_NONE;
    return address_moved(arena, match, asked->name, slug->as.str);
}

enum tree_verdict tree_of_page(struct arena *arena, const struct route_match *match, const char *site,
                               const struct assets *assets, const struct value *results, struct value *root,
                               struct str *moved)
{
    const struct route *route = match->route;
    *root = start_root(arena, match, site, assets);
    for (uint32_t i = 0; i < tree_results(route); i++) {
        struct value value = take_rows(&results[i], route->statements[i].rows);
        if (route->statements[i].rows == ROWS_NEED) {
            if (value.type == VALUE_NIL)
                return TREE_MISSING;
            *moved = moved_to(arena, match, &value);
            if (moved->p)
                return TREE_MOVED;
        }
        value_set(root, str_of(route->statements[i].as), value);
    }
    return !route->complete || route->complete(arena, match, root) ? TREE_WHOLE : TREE_MISSING;
}
