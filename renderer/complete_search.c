#include "address.h"
#include "complete.h"
#include "pager.h"

#define SHORT_LETTERS                                                                                                  \
    3 /* from so many on the beginning of a word is looked for, fewer are looked for as a whole word */

static uint32_t letters_in(struct str text)
{
    uint32_t letters = 0;
    for (uint32_t i = 0; i < text.n; i++)
        letters += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return letters;
}

bool complete_search(struct arena *arena, const struct route_match *match, struct value *root)
{
    const struct route_variable *q = route_variable(match, STR("q"));
    struct value movies = value_items(root, STR("movies")), people = value_items(root, STR("people"));
    const struct value *first = movies.n ? &movies.as.items[0] : NULL;
    const struct value *total = first ? value_get(first, STR("total")) : NULL;
    struct str corrected = value_text(first, STR("corrected"));
    complete_has(arena, root, STR("q"));
    /* To search engines all searches are one page: what is found is in the catalogue under its own address. */
    value_set(root, STR("canonical"),
              value_str(arena_printf(arena, STR_FMT "/search", STR_ARG(value_text(root, STR("site"))))));
    complete_has(arena, root, STR("movies"));
    complete_has(arena, root, STR("people"));
    value_set(root, STR("too_short"),
              value_bool(q && letters_in(q->text) < SHORT_LETTERS && movies.n == 0 && people.n == 0));
    if (corrected.p) {
        value_set(root, STR("corrected"), value_str(corrected));
        value_set(root, STR("corrected_url"), value_str(address_with(arena, match, STR("q"), corrected)));
    }
    if (movies.n == 0) {
        const struct route_variable *page = route_variable(match, STR("page"));
        return page && page->number == 1;
    }
    struct pager_list list = {
        .movies = &movies,
        .total = total && total->type == VALUE_INT ? total->as.integer : movies.n,
        .a_page = SEARCH_A_PAGE,
        .counted = SEARCH_FOUND,
        .ends_there = true,
    };
    bool there = pager_set(arena, match, &list, root);
    complete_first(arena, root, STR("movies"));
    return there;
}
