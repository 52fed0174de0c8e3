#include "address.h"
#include "complete.h"
#include "json_ld.h"
#include "pager.h"

/* A filter's name in the address, and how a chosen value of it reads. */
static const struct {
    struct str name;
    const char *label; /* printf of the value; NULL: the category's own name */
} filters[] = {
    {{"category", 8}, NULL},
    {{"decade", 6}, "%ss"},
    {{"year", 4}, "%s"},
    {{"certificate", 11}, "%s"},
    {{"score", 5}, "Score %s or more"},
};

static const struct choice {
    const char *value, *name, *in_heading;
} scores[] = {{"9", "9 or more", NULL},
              {"8", "8 or more", NULL},
              {"7", "7 or more", NULL},
              {"6", "6 or more", NULL},
              {"5", "5 or more", NULL}},
  sorts[] = {{"newest", "Newest first", "newest first"},
             {"oldest", "Oldest first", "oldest first"},
             {"best", "Best rated", "best rated first"},
             {"title", "Title, A to Z", "A to Z"}};

static struct str chosen(const struct route_match *match, struct str name)
{
    const struct route_variable *v = route_variable(match, name);
    return v ? v->text : STR_NONE;
}

/* An option of a select element. */
static struct value option(struct arena *arena, struct str value, struct str name, struct str selected)
{
    struct value item = value_map(arena, 3);
    value_set(&item, STR("value"), value_str(value));
    value_set(&item, STR("name"), value_str(name));
    value_set(&item, STR("selected"), value_bool(selected.p && str_eq(value, selected)));
    return item;
}

static struct value options_of_choices(struct arena *arena, const struct choice *choices, uint32_t n,
                                       struct str selected)
{
    struct value list = value_list(arena, n);
    for (uint32_t i = 0; i < list.n; i++)
        list.as.items[i] = option(arena, str_of(choices[i].value), str_of(choices[i].name), selected);
    return list;
}

/* Options from two columns of rows. */
static struct value options_of_rows(struct arena *arena, struct value rows, struct str value, struct str name,
                                    struct str selected)
{
    struct value list = value_list(arena, rows.n);
    for (uint32_t i = 0; i < list.n; i++)
        list.as.items[i] =
            option(arena, value_text(&rows.as.items[i], value), value_text(&rows.as.items[i], name), selected);
    return list;
}

static struct value options_of_decades(struct arena *arena, struct value rows, struct str selected)
{
    struct value list = value_list(arena, rows.n);
    for (uint32_t i = 0; i < list.n; i++) {
        const struct value *decade = value_get(&rows.as.items[i], STR("decade"));
        int number = decade && decade->type == VALUE_INT ? (int)decade->as.integer : 0;
        list.as.items[i] =
            option(arena, arena_printf(arena, "%d", number), arena_printf(arena, "%ds", number), selected);
    }
    return list;
}

static struct value options_of_years(struct arena *arena, int decade, struct str selected)
{
    struct value list = value_list(arena, 10);
    for (uint32_t i = 0; i < list.n; i++) {
        struct str year = arena_printf(arena, "%d", decade + 9 - (int)i);
        list.as.items[i] = option(arena, year, year, selected);
    }
    return list;
}

/* The decade that is chosen, also by one of its years; 0 when none is. */
static int decade_of(const struct route_match *match)
{
    const struct route_variable *year = route_variable(match, STR("year")),
                                *decade = route_variable(match, STR("decade"));
    return year ? (int)year->number / 10 * 10 : decade ? (int)decade->number : 0;
}

static struct value filters_of(struct arena *arena, const struct route_match *match, const struct value *root)
{
    struct value map = value_map(arena, 12);
    int decade = decade_of(match);
    struct str decade_text = decade ? arena_printf(arena, "%d", decade) : STR_NONE;
    complete_list(arena, &map, STR("categories"),
                  options_of_rows(arena, value_items(root, STR("categories")), STR("slug"), STR("name"),
                                  chosen(match, STR("category"))));
    complete_list(arena, &map, STR("decades"),
                  options_of_decades(arena, value_items(root, STR("decades")), decade_text));
    complete_list(arena, &map, STR("years"),
                  decade ? options_of_years(arena, decade, chosen(match, STR("year"))) : NIL);
    complete_list(arena, &map, STR("certificates"),
                  options_of_rows(arena, value_items(root, STR("certificates")), STR("certificate"), STR("certificate"),
                                  chosen(match, STR("certificate"))));
    value_set(&map, STR("scores"),
              options_of_choices(arena, scores, sizeof scores / sizeof *scores, chosen(match, STR("score"))));
    value_set(&map, STR("sorts"),
              options_of_choices(arena, sorts, sizeof sorts / sizeof *sorts, chosen(match, STR("sort"))));
    return map;
}

/* "Science Fiction" of "science-fiction"; the slug itself when there is no such category. */
static struct str category_name(const struct value *root, struct str slug)
{
    struct value rows = value_items(root, STR("categories"));
    for (uint32_t i = 0; i < rows.n; i++)
        if (str_eq(value_text(&rows.as.items[i], STR("slug")), slug))
            return value_text(&rows.as.items[i], STR("name"));
    return slug;
}

static struct str label_of(struct arena *arena, const char *label, struct str value)
{
    const char *at = strstr(label, "%s");
    return arena_printf(arena, "%.*s" STR_FMT "%s", (int)(at - label), label, STR_ARG(value), at + 2);
}

/* One for each filter in use: what it says, and the address without it. */
static struct value chips_of(struct arena *arena, const struct route_match *match, const struct value *root)
{
    struct value list = value_list(arena, sizeof filters / sizeof *filters);
    if (list.type != VALUE_LIST)
        return list;
    list.n = 0;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct str value = chosen(match, filters[i].name);
        if (!value.p)
            continue;
        struct value chip = value_map(arena, 2);
        value_set(&chip, STR("label"),
                  value_str(filters[i].label ? label_of(arena, filters[i].label, value) : category_name(root, value)));
        value_set(&chip, STR("url"), value_str(address_with(arena, match, filters[i].name, STR_NONE)));
        list.as.items[list.n++] = chip;
    }
    return list;
}

/* "Drama movies of the 1990s": what a title says, so that no two lists have the same one. */
static struct str heading_of(struct arena *arena, const struct route_match *match, const struct value *root)
{
    struct str category = chosen(match, STR("category")), year = chosen(match, STR("year")),
               decade = chosen(match, STR("decade")), certificate = chosen(match, STR("certificate")),
               score = chosen(match, STR("score")), sort = chosen(match, STR("sort"));
    struct str text = STR("Movies");
    if (category.p)
        text = arena_printf(arena, STR_FMT " movies", STR_ARG(category_name(root, category)));
    if (year.p)
        text = arena_printf(arena, STR_FMT " of " STR_FMT, STR_ARG(text), STR_ARG(year));
    else if (decade.p)
        text = arena_printf(arena, STR_FMT " of the " STR_FMT "s", STR_ARG(text), STR_ARG(decade));
    if (certificate.p)
        text = arena_printf(arena, STR_FMT ", " STR_FMT, STR_ARG(text), STR_ARG(certificate));
    if (score.p)
        text = arena_printf(arena, STR_FMT ", scored " STR_FMT " or more", STR_ARG(text), STR_ARG(score));
    for (size_t i = 1; i < sizeof sorts / sizeof *sorts; i++) /* the first is how they are sorted anyway */
        if (sort.p && str_eq(sort, str_of(sorts[i].value)))
            text = arena_printf(arena, STR_FMT ", %s", STR_ARG(text), sorts[i].in_heading);
    return text;
}

bool complete_movies(struct arena *arena, const struct route_match *match, struct value *root)
{
    struct value chips = chips_of(arena, match, root);
    const struct value *total = value_get(root, STR("total"));
    value_set(root, STR("heading"), value_str(heading_of(arena, match, root)));
    value_set(root, STR("filters"), filters_of(arena, match, root));
    complete_list(arena, root, STR("chips"), chips);
    complete_has(arena, root, STR("movies"));
    /* Combinations are without number, and pages by key change with every new movie: neither is for search engines. */
    value_set(root, STR("noindex"), value_bool(chips.n > 1 || route_variable(match, STR("after"))));
    complete_json_ld(arena, root, json_ld_trail);
    struct pager_list list = {
        .movies = value_get(root, STR("movies")),
        .total = total && total->type == VALUE_INT ? total->as.integer : 0,
        .a_page = MOVIES_A_PAGE,
        .counted = chips.n > 0 ? COUNTED : 0,
    };
    bool there = pager_set(arena, match, &list, root);
    complete_first(arena, root, STR("movies"));
    return there;
}
