#include "address.h"
#include "complete.h"
#include "json_ld.h"
#include "pager.h"

/* The pager of a list whose movies are counted exactly in the row that the page is about. */
static bool set_pager(struct arena *arena, const struct route_match *match, const struct value *about,
                      struct value *root)
{
    const struct value *count = about ? value_get(about, STR("movies")) : NULL;
    struct pager_list list = {
        .movies = value_get(root, STR("movies")),
        .total = count && count->type == VALUE_INT ? count->as.integer : 0,
        .a_page = MOVIES_A_PAGE,
    };
    complete_has(arena, root, STR("movies"));
    return pager_set(arena, match, &list, root);
}

bool complete_category(struct arena *arena, const struct route_match *match, struct value *root)
{
    const struct value *category = value_get(root, STR("category"));
    value_set(root, STR("browse_url"),
              value_str(address_add(arena, STR("/movies"), STR("category"), value_text(category, STR("slug")))));
    value_set(root, STR("noindex"), value_bool(route_variable(match, STR("after"))));
    complete_json_ld(arena, root, json_ld_trail);
    bool there = set_pager(arena, match, category, root);
    complete_first(arena, root, STR("movies"));
    return there;
}

/* "12 movies" */
static struct str movies_of(struct arena *arena, struct str count)
{
    return arena_printf(arena, STR_FMT " movie%s", STR_ARG(count), str_eq(count, STR("1")) ? "" : "s");
}

/* "Ridley Scott directed 12 movies and acted in 3 movies." */
static struct str describe_person(struct arena *arena, const struct value *person)
{
    struct str name = value_text(person, STR("name"));
    struct str directed = value_text(person, STR("directed_text")), acted = value_text(person, STR("acted_text"));
    struct str text = name;
    if (directed.p)
        text = arena_printf(arena, STR_FMT " directed " STR_FMT, STR_ARG(text), STR_ARG(movies_of(arena, directed)));
    if (acted.p)
        text = arena_printf(arena, STR_FMT "%s acted in " STR_FMT, STR_ARG(text), directed.p ? " and" : "",
                            STR_ARG(movies_of(arena, acted)));
    return arena_printf(arena, STR_FMT ".", STR_ARG(text));
}

bool complete_person(struct arena *arena, const struct route_match *match, struct value *root)
{
    const struct value *person = value_get(root, STR("person"));
    value_set(root, STR("description"), value_str(describe_person(arena, person)));
    complete_json_ld(arena, root, json_ld_person);
    return set_pager(arena, match, person, root);
}
