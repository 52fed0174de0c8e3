#include "complete.h"
#include "json_ld.h"
#include "shape.h"

#define DESCRIPTION 160 /* bytes of a page's description for search engines */

static bool is_of_director(const struct value *row)
{
    const struct value *of_director = value_get(row, STR("of_director"));
    return of_director && of_director->type == VALUE_BOOL && of_director->as.boolean;
}

/* One of the director's may be of the same category, too. */
static bool is_shown_before(const struct value *related, uint32_t row)
{
    struct str slug = value_text(&related->as.items[row], STR("slug"));
    for (uint32_t i = 0; i < row; i++)
        if (str_eq(value_text(&related->as.items[i], STR("slug")), slug))
            return true;
    return false;
}

/* The rows of `related` whose `of_director` is as wanted, each movie once on the page. */
static struct value select_related(struct arena *arena, const struct value *related, bool wanted)
{
    if (!related || related->type != VALUE_LIST || related->n == 0)
        return NIL;
    struct value list = value_list(arena, related->n);
    if (list.type != VALUE_LIST)
        return NIL;
    list.n = 0;
    for (uint32_t i = 0; i < related->n; i++) {
        const struct value *row = &related->as.items[i];
        if (is_of_director(row) == wanted && !is_shown_before(related, i))
            list.as.items[list.n++] = *row;
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

/* What the movie's row does not say: its decade, and its actors with their addresses. */
static void extend_movie(struct arena *arena, struct value *root)
{
    const struct value *row = value_get(root, STR("movie"));
    struct value movie = value_extend(arena, row, 2);
    const struct value *year = value_get(row, STR("year")), *cast = value_get(row, STR("cast"));
    if (movie.type != VALUE_MAP)
        return;
    if (year && year->type == VALUE_INT)
        value_set(&movie, STR("decade"), value_int(year->as.integer / 10 * 10));
    if (cast)
        value_set(&movie, STR("actors"), *cast);
    value_set(root, STR("movie"), movie);
}

/* Whether one of the names is there: a frame for them is drawn once. */
static bool is_any_there(const struct value *map, const char *const *names)
{
    for (; *names; names++) {
        const struct value *v = value_get(map, str_of(*names));
        if (v && value_truth(v))
            return true;
    }
    return false;
}

static void set_flags(struct value *root, const struct value *movie)
{
    static const struct {
        struct str flag;
        const char *const names[8];
    } flags[] = {
        {{"has_categories", 14}, {"categories"}},
        {{"has_scores", 10}, {"score_text", "critics"}},
        {{"has_actors", 10}, {"actors"}},
        {{"has_facts", 9}, {"released", "distributor", "creative_type", "source", "certificate", "running_time"}},
        {{"has_money", 9}, {"budget_text", "gross_domestic_text", "gross_worldwide_text"}},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        value_set(root, flags[i].flag, value_bool(is_any_there(movie, flags[i].names)));
}

static struct str describe_movie(struct arena *arena, const struct value *movie)
{
    struct str synopsis = value_text(movie, STR("synopsis"));
    return shorten(arena, synopsis.n ? synopsis : value_text(movie, STR("sentence")));
}

bool complete_movie(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)match;
    extend_movie(arena, root);
    const struct value *movie = value_get(root, STR("movie")), *related = value_get(root, STR("related"));
    struct value categories = value_items(movie, STR("categories")),
                 links = shape_links(arena, value_text(movie, STR("links")));
    set_flags(root, movie);
    value_set(root, STR("description"), value_str(describe_movie(arena, movie)));
    value_set(root, STR("link_list"), links);
    value_set(root, STR("has_links"), value_bool(value_truth(&links)));
    if (value_truth(&links)) /* they stand among the facts */
        value_set(root, STR("has_facts"), value_bool(true));
    complete_list(arena, root, STR("by_director"), select_related(arena, related, true));
    complete_list(arena, root, STR("in_category"), select_related(arena, related, false));
    if (categories.n > 0)
        value_set(root, STR("category"), categories.as.items[0]);
    complete_json_ld(arena, root, json_ld_movie);
    return true;
}
