#include "tags.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS     8192 /* of the hash table; a power of two, well above HELD_MOST */
#define HELD_MOST (LIMIT_TAGS + 1 + LIMIT_STATEMENTS * (ROW_TAGS_MAX + 1))

struct tag_set {
    uint32_t n, always; /* tags held; of them, those that stay whatever comes */
    bool full;
    uint32_t brought[LIMIT_STATEMENTS]; /* by a statement's rows, of tags that may be left out; 0 when they are */
    uint32_t left_out;                  /* statements whose row tags are, as bits */
    struct {
        bool always; /* broad, of a parameter, or of rows which have nothing broader */
        bool of_row; /* it came from a row first */
        uint32_t by; /* statements whose rows brought it, as bits, when it may be left out */
        uint32_t length;
        char text[LIMIT_TAG];
    } item[HELD_MOST];
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

/* The tag's place, where it is held from now on; -1: there is no such tag. */
static int hold(struct tag_set *set, bool of_row, const struct tag_pattern *pattern, struct str value)
{
    char text[LIMIT_TAG];
    uint32_t n = pattern->before.n + value.n + pattern->after.n;
    if (n > LIMIT_TAG || n == 0)
        return -1;
    memcpy(text, pattern->before.p, pattern->before.n);
    if (value.n)
        memcpy(text + pattern->before.n, value.p, value.n);
    if (pattern->after.n)
        memcpy(text + pattern->before.n + value.n, pattern->after.p, pattern->after.n);

    uint32_t at = hash(text, n) % SLOTS;
    for (; set->slot[at]; at = (at + 1) % SLOTS) {
        int i = set->slot[at] - 1;
        if (set->item[i].length == n && memcmp(set->item[i].text, text, n) == 0)
            return i;
    }
    set->item[set->n].always = false;
    set->item[set->n].of_row = of_row;
    set->item[set->n].by = 0;
    set->item[set->n].length = n;
    memcpy(set->item[set->n].text, text, n);
    set->slot[at] = (uint16_t)++set->n;
    return (int)set->n - 1;
}

static void add_always(struct tag_set *set, bool of_row, const struct tag_pattern *pattern, struct str value)
{
    int i = set->full ? -1 : hold(set, of_row, pattern, value);
    if (i < 0 || set->item[i].always)
        return;
    set->item[i].always = true;
    set->full = ++set->always > LIMIT_TAGS;
}

static void add_of_row(struct tag_set *set, uint32_t place, const struct tag_pattern *pattern, struct str value)
{
    int i = hold(set, true, pattern, value);
    if (i < 0 || set->item[i].always || set->item[i].by & 1u << place)
        return;
    set->item[i].by |= 1u << place;
    set->brought[place]++;
}

static bool add_of_rows(struct tag_set *set, const struct job_item *item, uint32_t place,
                        const struct tag_pattern *pattern, char *error, size_t error_size)
{
    bool always = item->statement->tags.n == 0;
    int column = 0, columns = PQnfields(item->result), rows = PQntuples(item->result);
    while (column < columns && !str_eq(pattern->field, str_of(PQfname(item->result, column))))
        column++;
    if (column == columns) {
        snprintf(error, error_size, "statement %s: row-tags name {" STR_FMT "}, which is no column of its rows",
                 item->statement->name, STR_ARG(pattern->field));
        return false;
    }
    /* One that brought too many will be left out, however many more there are. */
    for (int row = 0; row < rows && !set->full && set->brought[place] <= ROW_TAGS_MAX; row++) {
        if (PQgetisnull(item->result, row, column))
            continue;
        struct str value = {PQgetvalue(item->result, row, column), (uint32_t)PQgetlength(item->result, row, column)};
        if (always)
            add_always(set, true, pattern, value);
        else
            add_of_row(set, place, pattern, value);
    }
    return true;
}

static bool gather_item(struct tag_set *set, const struct job_item *item, uint32_t place, char *error,
                        size_t error_size)
{
    const struct statement *s = item->statement;
    for (uint32_t i = 0; i < s->tags.n; i++)
        add_always(set, false, &s->tags.item[i], STR_NONE);
    for (uint32_t i = 0; i < s->param_tags.n; i++) {
        const char *value = item->parameter[s->param_tags.item[i].parameter];
        if (value)
            add_always(set, false, &s->param_tags.item[i], str_of(value));
    }
    for (uint32_t i = 0; i < s->row_tags.n; i++)
        if (!add_of_rows(set, item, place, &s->row_tags.item[i], error, error_size))
            return false;
    if (set->full)
        snprintf(error, error_size, "statement %s: more than %d tags; its rows need a broad one (\"-- tags:\")",
                 s->name, LIMIT_TAGS);
    return !set->full;
}

static bool stays(const struct tag_set *set, uint32_t i)
{
    return set->item[i].always || set->item[i].by & ~set->left_out;
}

static uint32_t count_of_rows(const struct tag_set *set)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        n += set->item[i].of_row && stays(set, i);
    return n;
}

/* The statement that brought the most goes first: a long list of one kind must not take the tags of others with it. */
static void cut(struct tag_set *set)
{
    while (count_of_rows(set) > ROW_TAGS_MAX) {
        uint32_t most = 0;
        for (uint32_t place = 1; place < LIMIT_STATEMENTS; place++)
            if (set->brought[place] > set->brought[most])
                most = place;
        if (set->brought[most] == 0)
            return;
        set->brought[most] = 0;
        set->left_out |= 1u << most;
    }
}

bool tag_set_gather(struct tag_set *set, const struct job *job, struct tags *tags, char *error, size_t error_size)
{
    set->n = set->always = set->left_out = 0;
    set->full = false;
    memset(set->brought, 0, sizeof(set->brought));
    memset(set->slot, 0, sizeof(set->slot));
    for (uint32_t i = 0; i < job->n; i++)
        if (!gather_item(set, &job->item[i], i, error, error_size))
            return false;
    cut(set);
    tags->n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        if (stays(set, i))
            tags->item[tags->n++] = (struct str){set->item[i].text, set->item[i].length};
    return true;
}
