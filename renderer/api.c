#include "api.h"

#include "address.h"
#include "json.h"
#include "pager.h"
#include "rfc3339.h"
#include "shape.h"

/* What a field's value is made from. */
struct maker {
    struct arena *arena;
    struct str site;
};

/* A name of an object, and what makes its value from the row; NULL: the column of that name. */
struct field {
    struct str name;
    struct value (*make)(const struct maker *maker, const struct value *row);
};

/* The row as an object with exactly these fields. The keys are the fields' names, in an array that all rows share. */
static struct value object_of(const struct maker *maker, const struct value *row, const struct field *fields,
                              const struct str *keys, uint32_t n)
{
    struct value *values = arena_alloc(maker->arena, n * sizeof *values);
    if (!values)
        return NIL;
    for (uint32_t i = 0; i < n; i++) {
        const struct value *column = fields[i].make ? NULL : value_get(row, fields[i].name);
        values[i] = fields[i].make ? fields[i].make(maker, row) : column ? *column : NIL;
    }
    return (struct value){.type = VALUE_MAP, .n = n, .as.map = {keys, values}};
}

static struct value objects_of(const struct maker *maker, struct value rows, const struct field *fields, uint32_t n)
{
    struct str *keys = arena_alloc(maker->arena, n * sizeof *keys);
    struct value list = value_list(maker->arena, rows.n);
    if (!keys || list.type != VALUE_LIST)
        return NIL;
    for (uint32_t i = 0; i < n; i++)
        keys[i] = fields[i].name;
    for (uint32_t i = 0; i < list.n; i++)
        list.as.items[i] = object_of(maker, &rows.as.items[i], fields, keys, n);
    return list;
}

/* site + "/movie/" + the row's slug + "" */
static struct value address_on(const struct maker *maker, const struct value *row, const char *before,
                               const char *after)
{
    struct str slug = value_text(row, STR("slug"));
    struct str parts[] = {maker->site, str_of(before), slug, str_of(after)};
    char *address = slug.p ? arena_alloc(maker->arena, parts[0].n + parts[1].n + slug.n + parts[3].n + 1) : NULL;
    uint32_t n = 0;
    for (size_t i = 0; address && i < 4; i++) { /* by hand, since printf takes its time and every movie has two */
        memcpy(address + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return value_str((struct str){address, n});
}

static struct value make_movie_url(const struct maker *maker, const struct value *row)
{
    return address_on(maker, row, "/movie/", "");
}

static struct value make_person_url(const struct maker *maker, const struct value *row)
{
    return address_on(maker, row, "/person/", "");
}

static struct value make_category_url(const struct maker *maker, const struct value *row)
{
    return address_on(maker, row, "/category/", "");
}

static struct value make_poster(const struct maker *maker, const struct value *row)
{
    return address_on(maker, row, "/poster/", ".svg");
}

static const struct str named[] = {{"slug", 4}, {"name", 4}};

static struct value make_director(const struct maker *maker, const struct value *row)
{
    struct str name = value_text(row, STR("director"));
    struct value *values = arena_alloc(maker->arena, 2 * sizeof *values);
    if (!name.p || !values)
        return NIL;
    values[0] = value_str(value_text(row, STR("director_slug")));
    values[1] = value_str(name);
    return (struct value){.type = VALUE_MAP, .n = 2, .as.map = {named, values}};
}

/* An empty list where shape_pairs says nothing. */
static struct value pairs_in(const struct maker *maker, const struct value *row, struct str column)
{
    struct value pairs = shape_pairs(maker->arena, value_items(row, column));
    return pairs.type == VALUE_LIST ? pairs : value_list(maker->arena, 0);
}

static struct value make_actors(const struct maker *maker, const struct value *row)
{
    return pairs_in(maker, row, STR("actor_pairs"));
}

static struct value make_categories(const struct maker *maker, const struct value *row)
{
    return pairs_in(maker, row, STR("category_pairs"));
}

/* jsonb travels as its text; in an answer of JSON it is an object again. */
static struct value make_links(const struct maker *maker, const struct value *row)
{
    struct str text = value_text(row, STR("links"));
    struct value links;
    char error[200];
    if (text.p && value_from_json(maker->arena, text.p, text.n, &links, error, sizeof error) && links.type == VALUE_MAP)
        return links;
    return value_map(maker->arena, 0);
}

static struct value make_updated(const struct maker *maker, const struct value *row)
{
    return value_str(rfc3339_time(maker->arena, value_text(row, STR("updated_at"))));
}

#define COLUMN(name)                                                                                                   \
    {                                                                                                                  \
        {name, sizeof(name) - 1}, NULL                                                                                 \
    }
#define MADE(name, make)                                                                                               \
    {                                                                                                                  \
        {name, sizeof(name) - 1}, make                                                                                 \
    }
#define COUNT(fields) ((uint32_t)(sizeof(fields) / sizeof *(fields)))

/* A movie. Lists have the first of its names only. */
static const struct field movie_fields[] = {
    COLUMN("id"),
    COLUMN("slug"),
    COLUMN("title"),
    COLUMN("year"),
    COLUMN("score"),
    MADE("url", make_movie_url),
    MADE("poster", make_poster),
#define CARD_FIELDS 7 /* what search finds */
    COLUMN("release_date"),
    COLUMN("runtime"),
    COLUMN("certificate"),
    MADE("director", make_director),
    COLUMN("votes"),
#define SUMMARY_FIELDS 12 /* in the list of movies */
    COLUMN("original_title"),
    MADE("actors", make_actors),
    MADE("categories", make_categories),
    COLUMN("distributor"),
    COLUMN("synopsis"),
    COLUMN("critics"),
    COLUMN("budget"),
    COLUMN("gross_domestic"),
    COLUMN("gross_worldwide"),
    COLUMN("creative_type"),
    COLUMN("source"),
    MADE("external_links", make_links),
    MADE("updated_at", make_updated),
};

static const struct field category_fields[] = {
    COLUMN("slug"),
    COLUMN("name"),
    COLUMN("movies"),
    MADE("url", make_category_url),
};

static const struct field person_fields[] = {
    COLUMN("slug"),
    COLUMN("name"),
    COLUMN("movies"),
    MADE("url", make_person_url),
};

/* site + address, or null. */
static struct value link_to(const struct maker *maker, struct str address)
{
    return address.p ? value_str(arena_printf(maker->arena, STR_FMT STR_FMT, STR_ARG(maker->site), STR_ARG(address)))
                     : NIL;
}

static struct value links_of(const struct maker *maker, const struct route_match *match, struct str next,
                             struct str prev)
{
    struct value links = value_map(maker->arena, 3);
    value_set(&links, STR("self"), link_to(maker, address_of(maker->arena, match)));
    value_set(&links, STR("next"), link_to(maker, next));
    value_set(&links, STR("prev"), link_to(maker, prev));
    return links;
}

/* A list that goes on elsewhere: where in it this page is, and how long it is as far as that was counted. */
struct place {
    int64_t page; /* 0: found by `after` */
    int64_t per_page;
    int64_t total;
    int64_t counted;   /* a greater total means that there are more than so many; 0: it is exact */
    bool ends_there;   /* nothing is behind what is counted */
    struct value rows; /* of this page */
};

static struct str page_address(const struct maker *maker, const struct route_match *match, int64_t page)
{
    return address_with(maker->arena, match, STR("page"), arena_printf(maker->arena, "%lld", (long long)page));
}

static bool is_exact(const struct place *place)
{
    return !place->counted || place->total <= place->counted;
}

static int64_t shown_total(const struct place *place)
{
    return is_exact(place) ? place->total : place->counted;
}

static struct str next_address(const struct maker *maker, const struct route_match *match, const struct place *place)
{
    bool full = place->rows.n > 0 && place->rows.n >= place->per_page;
    bool ends = is_exact(place) || place->ends_there;
    if (!full || (place->page && ends && place->page * place->per_page >= shown_total(place)))
        return STR_NONE;
    if (place->page && place->page < PAGES_MAX)
        return page_address(maker, match, place->page + 1);
    const struct value *last = value_get(&place->rows.as.items[place->rows.n - 1], STR("id"));
    return last && last->type == VALUE_INT && route_takes(match->route, STR("after"))
               ? address_with(maker->arena, match, STR("after"),
                              arena_printf(maker->arena, "%lld", (long long)last->as.integer))
               : STR_NONE;
}

/* Adds the place and the links around it. */
static void set_place(const struct maker *maker, const struct route_match *match, const struct place *place,
                      struct value *answer)
{
    value_set(answer, STR("page"), place->page ? value_int(place->page) : NIL);
    value_set(answer, STR("per_page"), value_int(place->per_page));
    value_set(answer, STR("total"), value_int(shown_total(place)));
    value_set(answer, STR("total_is_exact"), value_bool(is_exact(place)));
    struct str prev = place->page > 1 ? page_address(maker, match, place->page - 1) : STR_NONE;
    value_set(answer, STR("links"), links_of(maker, match, next_address(maker, match, place), prev));
}

static int64_t number_of(const struct route_match *match, struct str name, int64_t otherwise)
{
    const struct route_variable *v = route_variable(match, name);
    return v && v->is_number ? (int64_t)v->number : otherwise;
}

static bool is_filtered(const struct route_match *match)
{
    static const struct str filters[] = {
        {"category", 8}, {"decade", 6}, {"year", 4}, {"certificate", 11}, {"score", 5}};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (route_variable(match, filters[i]))
            return true;
    return false;
}

static int64_t total_of(const struct value *row)
{
    const struct value *total = row ? value_get(row, STR("total")) : NULL;
    return total && total->type == VALUE_INT ? total->as.integer : 0;
}

bool api_complete_list(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)arena;
    return number_of(match, STR("page"), 1) == 1 || value_items(root, STR("movies")).n > 0 ||
           (is_filtered(match) && total_of(root) > COUNTED);
}

bool api_complete_search(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)arena;
    int64_t page = number_of(match, STR("page"), 1);
    return page == 1 || ((page - 1) * SEARCH_A_PAGE < SEARCH_FOUND && value_items(root, STR("movies")).n > 0);
}

bool api_write_movies(struct arena *arena, const struct route_match *match, const struct value *root,
                      struct buffer *out)
{
    struct maker maker = {arena, value_text(root, STR("site"))};
    struct place place = {.page = number_of(match, STR("page"), 0),
                          .per_page = number_of(match, STR("per_page"), 0),
                          .total = total_of(root),
                          .counted = is_filtered(match) ? COUNTED : 0, /* otherwise it is kept */
                          .rows = value_items(root, STR("movies"))};
    struct value answer = value_map(arena, 6);
    value_set(&answer, STR("movies"), objects_of(&maker, place.rows, movie_fields, SUMMARY_FIELDS));
    set_place(&maker, match, &place, &answer);
    return json_write(out, &answer);
}

bool api_write_movie(struct arena *arena, const struct route_match *match, const struct value *root, struct buffer *out)
{
    struct maker maker = {arena, value_text(root, STR("site"))};
    struct value rows = {.type = VALUE_LIST, .n = 1, .as.items = value_get(root, STR("movie"))};
    struct value movies = objects_of(&maker, rows, movie_fields, COUNT(movie_fields));
    struct value answer = value_map(arena, 2);
    if (movies.n == 0)
        return false;
    value_set(&answer, STR("movie"), movies.as.items[0]);
    value_set(&answer, STR("links"), links_of(&maker, match, STR_NONE, STR_NONE));
    return json_write(out, &answer);
}

bool api_write_categories(struct arena *arena, const struct route_match *match, const struct value *root,
                          struct buffer *out)
{
    struct maker maker = {arena, value_text(root, STR("site"))};
    struct value answer = value_map(arena, 2);
    value_set(&answer, STR("categories"),
              objects_of(&maker, value_items(root, STR("categories")), category_fields, COUNT(category_fields)));
    value_set(&answer, STR("links"), links_of(&maker, match, STR_NONE, STR_NONE));
    return json_write(out, &answer);
}

bool api_write_search(struct arena *arena, const struct route_match *match, const struct value *root,
                      struct buffer *out)
{
    struct maker maker = {arena, value_text(root, STR("site"))};
    struct place place = {.page = number_of(match, STR("page"), 1),
                          .per_page = SEARCH_A_PAGE,
                          .counted = SEARCH_FOUND,
                          .ends_there = true,
                          .rows = value_items(root, STR("movies"))};
    const struct value *first = place.rows.n ? &place.rows.as.items[0] : NULL;
    place.total = total_of(first);
    struct str q = value_text(root, STR("q"));
    struct value answer = value_map(arena, 9);
    value_set(&answer, STR("q"), value_str(q.p ? q : STR("")));
    value_set(&answer, STR("corrected"), value_str(value_text(first, STR("corrected"))));
    value_set(&answer, STR("movies"), objects_of(&maker, place.rows, movie_fields, CARD_FIELDS));
    value_set(&answer, STR("people"),
              objects_of(&maker, value_items(root, STR("people")), person_fields, COUNT(person_fields)));
    set_place(&maker, match, &place, &answer);
    return json_write(out, &answer);
}
