#include "complete.h"

#define FIRST 4 /* pictures in the first row of a desktop, and on the first screen of a phone */

void complete_has(struct arena *arena, struct value *map, struct str name)
{
    const struct value *value = value_get(map, name);
    struct str has = arena_printf(arena, "has_" STR_FMT, STR_ARG(name));
    if (has.p)
        value_set(map, has, value_bool(value && value_truth(value)));
}

void complete_list(struct arena *arena, struct value *map, struct str name, struct value list)
{
    value_set(map, name, list);
    complete_has(arena, map, name);
}

void complete_json_ld(struct arena *arena, struct value *root,
                      bool (*make)(struct arena *arena, const struct value *root, struct str *out))
{
    struct str text;
    if (make(arena, root, &text))
        value_set(root, STR("json_ld"), value_str(text));
}

void complete_first(struct arena *arena, struct value *root, struct str name)
{
    struct value movies = value_items(root, name);
    uint32_t n = movies.n < FIRST ? movies.n : FIRST;
    struct value first = value_list(arena, n);
    if (first.type != VALUE_LIST)
        return;
    for (uint32_t i = 0; i < n; i++)
        first.as.items[i] = movies.as.items[i];
    movies.as.items += n;
    movies.n -= n;
    value_set(root, STR("first_movies"), first);
    value_set(root, name, movies);
}
