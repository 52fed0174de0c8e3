#include "rows.h"

#include "reader.h"
#include "shape.h"

#define NAME_MAX_BYTES 64
#define NO_ROOM        "its rows do not fit into the memory of one page"

/* The names of a result's columns, then those of what is derived from them. */
struct columns {
    struct str *names;
    uint32_t given, all;
    const struct shape *shape[ROWS_COLUMNS]; /* of those from `given` on, */
    uint32_t source[ROWS_COLUMNS];           /* and the column that each is made from */
};

static const char *read_columns(struct arena *arena, struct reader *r, bool shaped, struct columns *columns)
{
    if (!reader_array(r, ROWS_COLUMNS, &columns->given))
        return r->error;
    columns->names = arena_alloc(arena, ROWS_COLUMNS * sizeof *columns->names);
    if (!columns->names)
        return NO_ROOM;
    for (uint32_t i = 0; i < columns->given; i++)
        if (!reader_str(r, NAME_MAX_BYTES, &columns->names[i]))
            return r->error;
    columns->all = columns->given;
    if (!shaped)
        return NULL;
    for (uint32_t i = 0; i < columns->given; i++) {
        const struct shape *shape = NULL;
        while (columns->all < ROWS_COLUMNS && (shape = shape_next(columns->names[i], shape))) {
            columns->shape[columns->all] = shape;
            columns->source[columns->all] = i;
            columns->names[columns->all++] = shape->name;
        }
    }
    return NULL;
}

/* One value; an array is one of texts (the only arrays that a RESULT has). */
static const char *read_value(struct arena *arena, struct reader *r, struct value *value)
{
    struct reader_item item;
    if (!reader_item(r, &item))
        return r->error;
    switch (item.kind) {
    case READ_NIL:
        *value = NIL;
        return NULL;
    case READ_BOOL:
        *value = value_bool(item.as.boolean);
        return NULL;
    case READ_INT:
        *value = value_int(item.as.integer);
        return NULL;
    case READ_UINT:
        *value = value_float((double)item.as.natural);
        return NULL;
    case READ_FLOAT:
        *value = value_float(item.as.number);
        return NULL;
    case READ_STR:
        *value = value_str(item.as.str);
        return NULL;
    case READ_ARRAY:
        *value = value_list(arena, item.n);
        if (value->type != VALUE_LIST)
            return NO_ROOM;
        for (uint32_t i = 0; i < item.n; i++) {
            struct str text;
            if (!reader_str_or_nil(r, UINT32_MAX, &text))
                return r->error;
            value->as.items[i] = value_str(text);
        }
        return NULL;
    case READ_MAP:
        break;
    }
    return "a row holds a map";
}

static const char *read_row(struct arena *arena, struct reader *r, const struct columns *columns, struct value *row)
{
    uint32_t n;
    if (!reader_array(r, columns->given, &n))
        return r->error;
    if (n != columns->given)
        return "a row has fewer values than there are columns";
    struct value *values = arena_alloc(arena, (columns->all + 1) * sizeof *values);
    if (!values)
        return NO_ROOM;
    *row = (struct value){.type = VALUE_MAP, .n = columns->all, .as.map = {columns->names, values}};
    for (uint32_t i = 0; i < columns->given; i++) {
        const char *error = read_value(arena, r, &values[i]);
        if (error)
            return error;
    }
    for (uint32_t i = columns->given; i < columns->all; i++)
        values[i] = columns->shape[i]->make(arena, row, &values[columns->source[i]]);
    return NULL;
}

static const char *read_result(struct arena *arena, struct reader *r, bool shaped, struct value *rows)
{
    struct columns columns;
    uint32_t three, n;
    if (!reader_array(r, 3, &three))
        return r->error;
    if (three != 3)
        return "a result is not columns, rows and a count";
    const char *error = read_columns(arena, r, shaped, &columns);
    if (error)
        return error;
    if (!reader_array(r, UINT32_MAX, &n))
        return r->error;
    *rows = value_list(arena, n);
    if (rows->type != VALUE_LIST)
        return NO_ROOM;
    for (uint32_t i = 0; i < n; i++)
        if ((error = read_row(arena, r, &columns, &rows->as.items[i])) != NULL)
            return error;
    uint64_t count;
    return reader_uint(r, &count) ? NULL : r->error;
}

const char *rows_read(struct arena *arena, const void *body, size_t size, bool shaped, uint32_t n,
                      struct value *results)
{
    struct reader r = reader_of(body, size);
    uint32_t items;
    if (!reader_array(&r, n, &items))
        return r.error;
    if (items != n)
        return "it has fewer results than the batch has statements";
    for (uint32_t i = 0; i < n; i++) {
        const char *error = read_result(arena, &r, shaped, &results[i]);
        if (error)
            return error;
    }
    return reader_end(&r) ? NULL : r.error ? r.error : "bytes follow its last result";
}
