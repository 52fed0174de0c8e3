#include "http_vary.h"

#include "http_list.h"
#include "meta.h"

#define VALUE_BYTES 4096 /* of a value in normal form; what is longer has none and matches nothing */

static int order(struct str x, struct str y)
{
    uint32_t n = x.n < y.n ? x.n : y.n;
    int by_text = strncasecmp(x.p, y.p, n);
    return by_text ? by_text : (int)x.n - (int)y.n;
}

static bool add_name(struct vary *vary, struct str name)
{
    uint32_t place = 0;
    while (place < vary->n && order(vary->name[place], name) < 0)
        place++;
    if (place < vary->n && order(vary->name[place], name) == 0)
        return true;
    if (vary->n == VARY_NAMES || name.n > LIMIT_HEADER_NAME - 1)
        return false;
    memmove(vary->name + place + 1, vary->name + place, (vary->n - place) * sizeof(*vary->name));
    vary->name[place] = name;
    vary->n++;
    return true;
}

enum vary_kind vary_read(const struct headers *response, struct vary *vary)
{
    vary->n = 0;
    for (uint32_t i = 0; i < response->n; i++) {
        struct str rest = response->item[i].value, name;
        if (!str_eq_nocase(response->item[i].name, STR("vary")))
            continue;
        while (list_next(&rest, &name)) {
            if (str_eq_nocase(name, STR("accept-encoding")))
                continue;
            if (str_eq(name, STR("*")) || str_eq_nocase(name, STR("cookie")) ||
                str_eq_nocase(name, STR("authorization")) || !add_name(vary, name))
                return VARY_NEVER;
        }
    }
    return vary->n ? VARY_LISTED : VARY_NOT;
}

/* The field's value in normal form; STR_NONE when the request has no such field. False when it is too long. */
static bool value_of(const struct headers *request, struct str name, char *text, struct str *value)
{
    uint32_t n = 0;
    bool any = false;
    for (uint32_t i = 0; i < request->n; i++) {
        struct str rest = request->item[i].value, element;
        if (!str_eq_nocase(request->item[i].name, name))
            continue;
        any = true;
        while (list_next(&rest, &element)) {
            if (n + element.n + 1 > VALUE_BYTES)
                return false;
            if (n)
                text[n++] = ',';
            memcpy(text + n, element.p, element.n);
            n += element.n;
        }
    }
    *value = any ? (struct str){text, n} : STR_NONE;
    return true;
}

void vary_pack(const struct vary *vary, const struct headers *request, struct buffer *out)
{
    char text[VALUE_BYTES];
    for (uint32_t i = 0; i < vary->n; i++) {
        struct str value = STR_NONE;
        if (request && !value_of(request, vary->name[i], text, &value))
            out->failed = true;
        pairs_add(out, vary->name[i], value);
    }
}

bool vary_matches(struct str pairs, const struct headers *request)
{
    char text[VALUE_BYTES];
    struct header pair;
    struct str value;
    while (pairs_next(&pairs, &pair))
        if (!value_of(request, pair.name, text, &value) || (value.p == NULL) != (pair.value.p == NULL) ||
            (value.p && !str_eq(value, pair.value)))
            return false;
    return pairs.n == 0;
}

static struct hash fold(const struct hash *seed, struct hash key, struct str text)
{
    struct hash part = hash_bytes(seed, text.p, text.n);
    uint64_t words[] = {key.a, key.b, part.a, part.b, text.p != NULL};
    return hash_bytes(seed, words, sizeof(words));
}

struct hash vary_key(const struct hash *seed, struct hash key, struct str pairs, const struct headers *request)
{
    char text[VALUE_BYTES];
    struct header pair;
    struct str value;
    while (pairs_next(&pairs, &pair)) {
        if (!value_of(request, pair.name, text, &value))
            value = STR("");
        key = fold(seed, fold(seed, key, pair.name), value);
    }
    return key;
}
