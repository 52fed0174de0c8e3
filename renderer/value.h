/*
 * The data that a view is rendered from: a tree in an arena. Strings point into the message that brought them (or into
 * the arena), so a tree lives no longer than the request. The rows of one result share one array of column names.
 */
#ifndef FILMYFLY_VALUE_H
#define FILMYFLY_VALUE_H

#include "arena.h"
#include "str.h"

enum value_type { VALUE_NIL, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STR, VALUE_LIST, VALUE_MAP };

struct value {
    enum value_type type;
    uint32_t n; /* LIST: items; MAP: pairs */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct str str;
        struct value *items; /* LIST: n of them */
        struct {
            const struct str *keys; /* MAP: n of them, shared between the rows of one result */
            struct value *values;   /* MAP: n of them */
        } map;
    } as;
};

#define NIL ((struct value){.type = VALUE_NIL})

static inline struct value value_bool(bool b)
{
    return (struct value){.type = VALUE_BOOL, .as.boolean = b};
}

static inline struct value value_int(int64_t i)
{
    return (struct value){.type = VALUE_INT, .as.integer = i};
}

static inline struct value value_float(double d)
{
    return (struct value){.type = VALUE_FLOAT, .as.number = d};
}

/* STR_NONE gives NIL. */
static inline struct value value_str(struct str s)
{
    return s.p ? (struct value){.type = VALUE_STR, .as.str = s} : NIL;
}

/* The value under a key of a map, or NULL when it is no map or has no such key. The pointer may be written through. */
struct value *value_get(const struct value *map, struct str key);

/* The text under a key; STR_NONE when there is none. The map may be NULL, here and below. */
struct str value_text(const struct value *map, struct str key);
/* The list under a key; an empty one when there is none. */
struct value value_items(const struct value *map, struct str key);

/*
 * A map under construction with room for `room` pairs; value_set replaces or appends. Both return false / NIL when the
 * arena is full or the room is used up. Setting on a map that shares its keys (a row) is not allowed: value_extend
 * makes a copy with more room first.
 */
struct value value_map(struct arena *arena, uint32_t room);
bool value_set(struct value *map, struct str key, struct value value);
struct value value_extend(struct arena *arena, const struct value *map, uint32_t more);

/* A list with n items, all NIL; NIL when the arena is full. */
struct value value_list(struct arena *arena, uint32_t n);

/* Whether a section over it renders: not NIL, false, the empty list or the empty string (0 is true, as the Mustache
 * specification leaves to the data). */
bool value_truth(const struct value *value);

/*
 * Reads one JSON text (jansson) into a tree, for `--render` and tests. On error returns false and writes one sentence
 * with line and column.
 */
bool value_from_json(struct arena *arena, const char *text, size_t length, struct value *out, char *error,
                     size_t error_size);

#endif
