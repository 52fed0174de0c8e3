#include "pager.h"

#include "address.h"
#include "shape.h"

#define AROUND 2 /* page numbers shown on each side of the current one */

static struct value page_url(struct arena *arena, const struct route_match *match, int64_t page)
{
    return value_str(address_with(arena, match, STR("page"), arena_printf(arena, "%d", (int)page)));
}

static struct str first_url(struct arena *arena, const struct route_match *match)
{
    return address_with(arena, match, route_variable(match, STR("after")) ? STR("after") : STR("page"), STR_NONE);
}

/* A place in the pager: a number with its address, or a gap. */
static struct value pager_item(struct arena *arena, const struct route_match *match, int64_t page, int64_t current)
{
    struct value item = value_map(arena, 3);
    value_set(&item, STR("number"), value_int(page));
    value_set(&item, STR("url"), page_url(arena, match, page));
    value_set(&item, STR("current"), value_bool(page == current));
    return item;
}

static struct value gap_item(struct arena *arena)
{
    struct value item = value_map(arena, 1);
    value_set(&item, STR("gap"), value_bool(true));
    return item;
}

/* "1 … 4 5 6 7 8 … 20" */
static struct value pager_items(struct arena *arena, const struct route_match *match, int64_t current, int64_t pages)
{
    int64_t from = current - AROUND < 1 ? 1 : current - AROUND;
    int64_t to = current + AROUND > pages ? pages : current + AROUND;
    struct value items = value_list(arena, (uint32_t)(to - from) + 5);
    if (items.type != VALUE_LIST)
        return items;
    uint32_t n = 0;
    if (from > 1)
        items.as.items[n++] = pager_item(arena, match, 1, current);
    if (from > 2)
        items.as.items[n++] = gap_item(arena);
    for (int64_t i = from; i <= to; i++)
        items.as.items[n++] = pager_item(arena, match, i, current);
    if (to < pages - 1)
        items.as.items[n++] = gap_item(arena);
    if (to < pages)
        items.as.items[n++] = pager_item(arena, match, pages, current);
    items.n = n;
    return items;
}

static struct value pager_of(struct arena *arena, const struct route_match *match, int64_t current, int64_t pages)
{
    struct value pager = value_map(arena, 3);
    value_set(&pager, STR("items"), pager_items(arena, match, current, pages));
    if (current > 1)
        value_set(&pager, STR("previous"), page_url(arena, match, current - 1));
    if (current < pages)
        value_set(&pager, STR("next"), page_url(arena, match, current + 1));
    return pager;
}

/* The page that begins after this one's last movie; NIL when it has none. */
static struct value next_by_key(struct arena *arena, const struct route_match *match, const struct value *movies)
{
    const struct value *id = movies && movies->type == VALUE_LIST && movies->n
                                 ? value_get(&movies->as.items[movies->n - 1], STR("id"))
                                 : NULL;
    if (!id || id->type != VALUE_INT || !route_takes(match->route, STR("after")))
        return NIL;
    return value_str(address_with(arena, match, STR("after"), arena_printf(arena, "%lld", (long long)id->as.integer)));
}

bool pager_set(struct arena *arena, const struct route_match *match, const struct pager_list *list, struct value *root)
{
    const struct route_variable *page = route_variable(match, STR("page"));
    int64_t current = page ? (int64_t)page->number : 0; /* 0: by key */
    bool open = list->counted && list->total > list->counted;
    int64_t total = open ? list->counted : list->total;
    int64_t pages = total / list->a_page + (total % list->a_page > 0);
    bool full = list->movies && list->movies->type == VALUE_LIST && list->movies->n >= list->a_page;
    value_set(root, STR("total_text"),
              value_str(open ? arena_printf(arena, STR_FMT "+", STR_ARG(shape_number(arena, list->counted)))
                             : shape_number(arena, total)));
    if (open && !list->ends_there) { /* how many pages there are shows only on the last */
        if (current >= pages && full)
            pages = current + 1;
        else if (current > pages)
            pages = current;
    }
    bool more = current ? pages > PAGES_MAX && current == PAGES_MAX : full;
    if (pages > PAGES_MAX)
        pages = PAGES_MAX;
    if (current > 1 && current > pages)
        return false;
    if (current > 1)
        value_set(root, STR("later_page"), value_int(current));
    if (current != 1 && list->movies && !value_truth(list->movies)) {
        value_set(root, STR("first_url"), value_str(first_url(arena, match)));
        value_set(root, STR("noindex"), value_bool(true));
        return true;
    }
    if (current && pages > 1)
        value_set(root, STR("pager"), pager_of(arena, match, current, pages));
    if (more)
        value_set(root, STR("next_url"), next_by_key(arena, match, list->movies));
    return true;
}
