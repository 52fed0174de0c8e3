#include "tags.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS 2048 /* of the hash table; a power of two, well above LIMIT_TAGS */

enum tag_kind {
    TAG_ALWAYS,   /* broad, of a parameter, or of rows which have nothing broader */
    TAG_OF_A_ROW, /* may be left out when there are many */
};

struct tag_set {
    uint32_t n, rows; /* tags held; of them, of rows (of both kinds) */
    bool full;
    struct {
        enum tag_kind kind;
        uint32_t length;
        char text[LIMIT_TAG];
    } item[LIMIT_TAGS];
    uint16_t slot[SLOTS]; /* place in item, plus 1 */
};

struct tag_set *tag_set_new(void)
{
    struct tag_set *set = calloc(1, sizeof(*set));
    if (!set)
        abort();
    return set;
}

void tag_set_free(struct tag_set **set)
{
    free(*set);
    *set = NULL;
}

/* FNV-1a */
static uint32_t hash(const char *p, uint32_t n)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 16777619u;
    return h;
}

static void add(struct tag_set *set, enum tag_kind kind, bool of_row, const struct tag_pattern *pattern,
                struct str value)
{
    char text[LIMIT_TAG];
    uint32_t n = pattern->before.n + value.n + pattern->after.n;
    if (n > LIMIT_TAG || n == 0)
        return;
    memcpy(text, pattern->before.p, pattern->before.n);
    if (value.n)
        memcpy(text + pattern->before.n, value.p, value.n);
    if (pattern->after.n)
        memcpy(text + pattern->before.n + value.n, pattern->after.p, pattern->after.n);

    uint32_t at = hash(text, n) % SLOTS;
    for (; set->slot[at]; at = (at + 1) % SLOTS) {
        uint32_t i = set->slot[at] - 1u;
        if (set->item[i].length == n && memcmp(set->item[i].text, text, n) == 0) {
            if (kind == TAG_ALWAYS)
                set->item[i].kind = kind;
            return;
        }
    }
    set->rows += of_row;
    if (kind == TAG_OF_A_ROW && set->rows > ROW_TAGS_MAX)
        return; /* it would be left out in the end */
    if (set->n == LIMIT_TAGS) {
        set->full = true;
        return;
    }
    set->item[set->n].kind = kind;
    set->item[set->n].length = n;
    memcpy(set->item[set->n].text, text, n);
    set->slot[at] = (uint16_t)++set->n;
}

static bool add_of_rows(struct tag_set *set, const struct job_item *item, const struct tag_pattern *pattern,
                        char *error, size_t error_size)
{
    enum tag_kind kind = item->statement->tags.n ? TAG_OF_A_ROW : TAG_ALWAYS;
    int column = 0, columns = PQnfields(item->result), rows = PQntuples(item->result);
    while (column < columns && !str_eq(pattern->field, str_of(PQfname(item->result, column))))
        column++;
    if (column == columns) {
        snprintf(error, error_size, "statement %s: row-tags name {" STR_FMT "}, which is no column of its rows",
                 item->statement->name, STR_ARG(pattern->field));
        return false;
    }
    for (int row = 0; row < rows && !set->full; row++) {
        if (PQgetisnull(item->result, row, column))
            continue;
        struct str value = {PQgetvalue(item->result, row, column), (uint32_t)PQgetlength(item->result, row, column)};
        add(set, kind, true, pattern, value);
    }
    return true;
}

static bool gather_item(struct tag_set *set, const struct job_item *item, char *error, size_t error_size)
{
    const struct statement *s = item->statement;
    for (uint32_t i = 0; i < s->tags.n; i++)
        add(set, TAG_ALWAYS, false, &s->tags.item[i], STR_NONE);
    for (uint32_t i = 0; i < s->param_tags.n; i++) {
        const char *value = item->parameter[s->param_tags.item[i].parameter];
        if (value)
            add(set, TAG_ALWAYS, false, &s->param_tags.item[i], str_of(value));
    }
    for (uint32_t i = 0; i < s->row_tags.n; i++)
        if (!add_of_rows(set, item, &s->row_tags.item[i], error, error_size))
            return false;
    if (set->full)
        snprintf(error, error_size, "statement %s: more than %d tags; its rows need a broad one (\"-- tags:\")",
                 s->name, LIMIT_TAGS);
    return !set->full;
}

bool tag_set_gather(struct tag_set *set, const struct job *job, struct tags *tags, char *error, size_t error_size)
{
    set->n = set->rows = 0;
    set->full = false;
    memset(set->slot, 0, sizeof(set->slot));
    for (uint32_t i = 0; i < job->n; i++)
        if (!gather_item(set, &job->item[i], error, error_size))
            return false;
    tags->n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        if (set->item[i].kind == TAG_ALWAYS || set->rows <= ROW_TAGS_MAX)
            tags->item[tags->n++] = (struct str){set->item[i].text, set->item[i].length};
    return true;
}
