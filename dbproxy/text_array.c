#include "text_array.h"

struct text_array text_array_of(struct str literal)
{
    struct text_array array = {.p = literal.p, .end = literal.p + literal.n};
    if (literal.n < 2 || literal.p[0] != '{' || literal.p[literal.n - 1] != '}') {
        array.failed = true;
        return array;
    }
    array.p++;
    array.end--;
    return array;
}

static bool fail(struct text_array *array)
{
    array->failed = true;
    return false;
}

/* Where an unescaped item goes; NULL when it is only counted. */
static void put(char *space, uint32_t *n, char c)
{
    if (space)
        space[*n] = c;
    (*n)++;
}

static bool read_quoted(struct text_array *array, char *space, struct str *item)
{
    uint32_t n = 0;
    for (array->p++; array->p < array->end && *array->p != '"'; array->p++) {
        if (*array->p == '\\' && ++array->p == array->end)
            return fail(array);
        put(space, &n, *array->p);
    }
    if (array->p == array->end)
        return fail(array);
    array->p++;
    *item = (struct str){space ? space : "", n};
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool read_bare(struct text_array *array, char *space, struct str *item)
{
    const char *start = array->p;
    uint32_t n = 0;
    while (array->p < array->end && *array->p != ',') {
        if (strchr("{}\"", *array->p))
            return fail(array);
        if (*array->p == '\\' && ++array->p == array->end)
            return fail(array);
        put(space, &n, *array->p++);
    }
    if (n == 0 || is_blank(array->p[-1]))
        return fail(array); /* PostgreSQL writes neither; it would read the blank as nothing */
    if (array->p - start == 4 && strncasecmp(start, "NULL", 4) == 0)
        *item = STR_NONE;
    else
        *item = (struct str){space ? space : "", n};
    return true;
}

bool text_array_next(struct text_array *array, char *space, struct str *item)
{
    if (array->failed || (array->p == array->end && !array->begun))
        return false;
    if (array->begun) {
        if (array->p == array->end)
            return false;
        if (*array->p++ != ',' || array->p == array->end)
            return fail(array);
    }
    array->begun = true;
    if (is_blank(*array->p))
        return fail(array);
    return *array->p == '"' ? read_quoted(array, space, item) : read_bare(array, space, item);
}

int text_array_count(struct str literal)
{
    struct text_array array = text_array_of(literal);
    struct str item;
    int n = 0;
    while (text_array_next(&array, NULL, &item))
        n++;
    return array.failed ? -1 : n;
}
