#include "complete.h"
#include "json_ld.h"

/* One shelf for each run of rows of the same category; its movies are those rows. */
static struct value shelves_of(struct arena *arena, const struct value *rows)
{
    struct value shelves = value_list(arena, rows->n);
    if (shelves.type != VALUE_LIST)
        return NIL;
    shelves.n = 0;
    for (uint32_t i = 0; i < rows->n;) {
        struct str slug = value_text(&rows->as.items[i], STR("category_slug"));
        uint32_t end = i + 1;
        while (end < rows->n && str_eq(value_text(&rows->as.items[end], STR("category_slug")), slug))
            end++;
        struct value shelf = value_map(arena, 3);
        value_set(&shelf, STR("slug"), value_str(slug));
        value_set(&shelf, STR("name"), value_str(value_text(&rows->as.items[i], STR("category_name"))));
        value_set(&shelf, STR("movies"),
                  (struct value){.type = VALUE_LIST, .n = end - i, .as.items = &rows->as.items[i]});
        shelves.as.items[shelves.n++] = shelf;
        i = end;
    }
    return shelves;
}

bool complete_home(struct arena *arena, const struct route_match *match, struct value *root)
{
    (void)match;
    struct value rows = value_items(root, STR("shelf_movies"));
    complete_list(arena, root, STR("shelves"), shelves_of(arena, &rows));
    complete_has(arena, root, STR("newest"));
    complete_first(arena, root, STR("newest"));
    complete_has(arena, root, STR("best"));
    complete_has(arena, root, STR("categories"));
    complete_has(arena, root, STR("decades"));
    complete_json_ld(arena, root, json_ld_home);
    return true;
}
