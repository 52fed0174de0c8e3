#include "complete.h"

#include "shape.h"

#define PAGES_MAX   100 /* pages by number, as query_numbers in router.c has it */
#define AROUND      2   /* page numbers shown on each side of the current one */
#define DESCRIPTION 160 /* bytes of a page's description for search engines */

static int64_t int_at(const struct value *map, struct str key, int64_t otherwise)
{
    const struct value *v = value_get(map, key);
    return v && v->type == VALUE_INT ? v->as.integer : otherwise;
}

/* "/movies" or "/movies?page=3": the first page has one address only. */
static struct value page_url(struct arena *arena, struct str path, int64_t page)
{
    return value_str(page == 1 ? path : arena_printf(arena, STR_FMT "?page=%d", STR_ARG(path), (int)page));
}

/* A place in the pager: a number with its address, or a gap. */
static struct value pager_item(struct arena *arena, struct str path, int64_t page, int64_t current)
{
    struct value item = value_map(arena, 3);
    value_set(&item, STR("number"), value_int(page));
    value_set(&item, STR("url"), page_url(arena, path, page));
    value_set(&item, STR("current"), value_bool(page == current));
    return item;
}

static struct value gap_item(struct arena *arena)
{
    struct value item = value_map(arena, 1);
    value_set(&item, STR("gap"), value_bool(true));
    return item;
}

/*
 * Adds `pager` (unless there is one page only), `path` with the page's number, and `total_text`. False when the page
 * lies beyond the last.
 */
static bool set_pager(struct arena *arena, const struct route_match *match, int64_t total, struct value *root)
{
    const struct route_variable *page = route_variable(match, STR("page"));
    int64_t current = page ? page->number : 1;
    int64_t pages = total / MOVIES_A_PAGE + (total % MOVIES_A_PAGE > 0);
    if (pages > PAGES_MAX)
        pages = PAGES_MAX;
    if (current > 1 && current > pages)
        return false;
    value_set(root, STR("path"), page_url(arena, match->path, current));
    value_set(root, STR("total_text"), value_str(shape_number(arena, total)));
    if (current > 1)
        value_set(root, STR("later_page"), value_int(current));
    if (pages <= 1)
        return true;

    int64_t from = current - AROUND < 1 ? 1 : current - AROUND;
    int64_t to = current + AROUND > pages ? pages : current + AROUND;
    struct value items = value_list(arena, (uint32_t)(to - from) + 5);
    if (items.type != VALUE_LIST)
        return true;
    uint32_t n = 0;
    if (from > 1)
        items.as.items[n++] = pager_item(arena, match->path, 1, current);
    if (from > 2)
        items.as.items[n++] = gap_item(arena);
    for (int64_t i = from; i <= to; i++)
        items.as.items[n++] = pager_item(arena, match->path, i, current);
    if (to < pages - 1)
        items.as.items[n++] = gap_item(arena);
    if (to < pages)
        items.as.items[n++] = pager_item(arena, match->path, pages, current);
    items.n = n;

    struct value pager = value_map(arena, 5);
    value_set(&pager, STR("items"), items);
    value_set(&pager, STR("page"), value_int(current));
    value_set(&pager, STR("pages"), value_int(pages));
    if (current > 1)
        value_set(&pager, STR("previous"), page_url(arena, match->path, current - 1));
    if (current < pages)
        value_set(&pager, STR("next"), page_url(arena, match->path, current + 1));
    value_set(root, STR("pager"), pager);
    return true;
}

bool complete_movies(struct arena *arena, const struct route_match *match, struct value *root)
{
    return set_pager(arena, match, int_at(value_get(root, STR("catalogue")), STR("movies"), 0), root);
}

bool complete_category(struct arena *arena, const struct route_match *match, struct value *root)
{
    return set_pager(arena, match, int_at(value_get(root, STR("category")), STR("movies"), 0), root);
}

/* The rows of `related` whose `of_director` is as wanted. */
static struct value select_related(struct arena *arena, const struct value *related, bool wanted)
{
    if (!related || related->type != VALUE_LIST || related->n == 0)
        return NIL;
    struct value list = value_list(arena, related->n);
    if (list.type != VALUE_LIST)
        return NIL;
    list.n = 0;
    for (uint32_t i = 0; i < related->n; i++) {
        const struct value *of_director = value_get(&related->as.items[i], STR("of_director"));
        if (of_director && of_director->type == VALUE_BOOL && of_director->as.boolean == wanted)
            list.as.items[list.n++] = related->as.items[i];
    }
    return list;
}

/* The beginning of a text, cut after a whole word, with "…" where something is left out. */
static struct str shorten(struct arena *arena, struct str text)
{
    if (text.n <= DESCRIPTION)
        return text;
    uint32_t n = DESCRIPTION;
    while (n > 0 && text.p[n] != ' ')
        n--;
    if (n == 0) /* one very long word: cut between two characters of UTF-8 */
        for (n = DESCRIPTION; n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80;)
            n--;
    return arena_printf(arena, "%.*s…", (int)n, text.p);
}

static bool is_there(const struct value *map, struct str key)
{
    const struct value *v = value_get(map, key);
    return v && value_truth(v);
}

/* A list, and whether there is anything in it: a view cannot ask that without repeating itself for every item. */
static void set_list(struct value *root, struct str name, struct str has_name, struct value list)
{
    value_set(root, has_name, value_bool(value_truth(&list)));
    value_set(root, name, list);
}

bool complete_movie(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)match;
    const struct value *movie = value_get(root, STR("movie")), *related = value_get(root, STR("related"));
    const struct value *synopsis = value_get(movie, STR("synopsis"));
    if (!synopsis || synopsis->type != VALUE_STR)
        synopsis = value_get(movie, STR("sentence"));
    if (synopsis && synopsis->type == VALUE_STR)
        value_set(root, STR("description"), value_str(shorten(arena, synopsis->as.str)));
    const struct value *links = value_get(movie, STR("links"));
    if (links && links->type == VALUE_STR)
        set_list(root, STR("link_list"), STR("has_links"), shape_links(arena, links->as.str));
    set_list(root, STR("by_director"), STR("has_by_director"), select_related(arena, related, true));
    set_list(root, STR("in_category"), STR("has_in_category"), select_related(arena, related, false));
    value_set(root, STR("has_actors"), value_bool(is_there(movie, STR("actors"))));
    value_set(root, STR("has_money"),
              value_bool(is_there(movie, STR("budget_text")) || is_there(movie, STR("gross_domestic_text")) ||
                         is_there(movie, STR("gross_worldwide_text"))));
    const struct value *categories = value_get(movie, STR("categories"));
    if (categories && categories->type == VALUE_LIST && categories->n > 0)
        value_set(root, STR("category"), categories->as.items[0]);
    return true;
}

bool complete_api_movie(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)match;
    /* jsonb travels as its text; in an answer of JSON it is an object again. */
    struct value *links = value_get(value_get(root, STR("movie")), STR("links"));
    struct value parsed;
    char error[200];
    if (links && links->type == VALUE_STR &&
        value_from_json(arena, links->as.str.p, links->as.str.n, &parsed, error, sizeof error))
        *links = parsed;
    return true;
}
