#include "value.h"

#include <jansson.h>
#include <stdio.h>

/* Deeper data has no use in a view, and reading it is recursive. */
#define READ_DEPTH 64

struct value *value_get(const struct value *map, struct str key)
{
    if (map->type != VALUE_MAP)
        return NULL;
    const struct str *keys = map->as.map.keys;
    for (uint32_t i = 0; i < map->n; i++)
        if (str_eq(keys[i], key))
            return &map->as.map.values[i];
    return NULL;
}

struct str value_text(const struct value *map, struct str key)
{
    const struct value *v = map ? value_get(map, key) : NULL;
    return v && v->type == VALUE_STR ? v->as.str : STR_NONE;
}

struct value value_items(const struct value *map, struct str key)
{
    const struct value *v = map ? value_get(map, key) : NULL;
    return v && v->type == VALUE_LIST ? *v : (struct value){.type = VALUE_LIST};
}

/*
 * A map under construction keeps how many pairs it has room for in the value just before its first one: a struct value
 * has nowhere to say it, and a row, whose keys are shared, never needs to.
 */
struct value value_map(struct arena *arena, uint32_t room)
{
    struct str *keys = arena_alloc(arena, sizeof *keys * room);
    struct value *values = arena_alloc(arena, sizeof *values * ((size_t)room + 1));
    if (!keys || !values)
        return NIL;
    values[0].n = room;
    return (struct value){.type = VALUE_MAP, .as.map = {keys, values + 1}};
}

bool value_set(struct value *map, struct str key, struct value value)
{
    if (map->type != VALUE_MAP || !map->as.map.values)
        return false;
    struct value *old = value_get(map, key);
    if (old) {
        *old = value;
        return true;
    }
    if (map->n >= map->as.map.values[-1].n)
        return false;
    ((struct str *)map->as.map.keys)[map->n] = key;
    map->as.map.values[map->n] = value;
    map->n++;
    return true;
}

struct value value_extend(struct arena *arena, const struct value *map, uint32_t more)
{
    uint32_t n = map->type == VALUE_MAP ? map->n : 0;
    if (more > UINT32_MAX - n)
        return NIL;
    struct value copy = value_map(arena, n + more);
    if (copy.type != VALUE_MAP || n == 0)
        return copy;
    memcpy((struct str *)copy.as.map.keys, map->as.map.keys, n * sizeof(struct str));
    memcpy(copy.as.map.values, map->as.map.values, n * sizeof(struct value));
    copy.n = n;
    return copy;
}

struct value value_list(struct arena *arena, uint32_t n)
{
    struct value *items = arena_alloc(arena, sizeof *items * n);
    return items ? (struct value){.type = VALUE_LIST, .n = n, .as.items = items} : NIL;
}

bool value_truth(const struct value *value)
{
    switch (value->type) {
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
        return value->as.boolean;
    case VALUE_STR:
        return value->as.str.n > 0;
    case VALUE_LIST:
        return value->n > 0;
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_MAP:
        return true;
    }
    return false;
}

/* Returns NULL or what went wrong. */
static const char *from_json(struct arena *arena, const json_t *json, unsigned depth, struct value *out)
{
    static const char full[] = "the data is larger than may be held";
    if (depth > READ_DEPTH)
        return "the data is nested more than 64 deep";
    switch (json_typeof(json)) {
    case JSON_NULL:
        *out = NIL;
        return NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = value_bool(json_is_true(json));
        return NULL;
    case JSON_INTEGER:
        *out = value_int(json_integer_value(json));
        return NULL;
    case JSON_REAL:
        *out = value_float(json_real_value(json));
        return NULL;
    case JSON_STRING:
        *out = value_str(arena_copy(arena, (struct str){json_string_value(json), (uint32_t)json_string_length(json)}));
        return out->type == VALUE_STR ? NULL : full;
    case JSON_ARRAY:
        *out = value_list(arena, (uint32_t)json_array_size(json));
        if (out->type != VALUE_LIST)
            return full;
        for (uint32_t i = 0; i < out->n; i++) {
            const char *wrong = from_json(arena, json_array_get(json, i), depth + 1, &out->as.items[i]);
            if (wrong)
                return wrong;
        }
        return NULL;
    case JSON_OBJECT:
        break;
    }
    json_t *object = (json_t *)json;
    *out = value_map(arena, (uint32_t)json_object_size(object));
    if (out->type != VALUE_MAP)
        return full;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        struct value value;
        const char *wrong = from_json(arena, json_object_iter_value(i), depth + 1, &value);
        if (wrong)
            return wrong;
        struct str key = arena_copy(arena, str_of(json_object_iter_key(i)));
        if (!key.p)
            return full;
        /* jansson has refused duplicates, so the pair is appended without looking for its key. */
        ((struct str *)out->as.map.keys)[out->n] = key;
        out->as.map.values[out->n++] = value;
    }
    return NULL;
}

bool value_from_json(struct arena *arena, const char *text, size_t length, struct value *out, char *error,
                     size_t error_size)
{
    *out = NIL;
    if (length > UINT32_MAX) {
        snprintf(error, error_size, "the data is larger than may be held");
        return false;
    }
    json_error_t where;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!json) {
        snprintf(error, error_size, "line %d, column %d: %s", where.line, where.column, where.text);
        return false;
    }
    const char *wrong = from_json(arena, json, 1, out);
    json_decref(json);
    if (wrong) {
        *out = NIL;
        snprintf(error, error_size, "%s", wrong);
    }
    return !wrong;
}
