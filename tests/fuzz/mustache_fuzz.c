/*
 * libFuzzer: compiles arbitrary bytes as a page and two partials (parted by 0xff) and renders them from a fixed tree of
 * values. clang -fsanitize=fuzzer,address,undefined; run with -max_len=512 -timeout=20.
 */
#include <stddef.h>
#include <stdlib.h>

#include "mustache.h"

#define PAGE_MAX (64 * 1024)

static const char data_json[] =
    "{\"a\":\"<&\\\"'>\",\"b\":[1,2.5,\"x\",{\"a\":\"y\",\"c\":{\"d\":1}},[true,null]],\"c\":{\"d\":{\"e\":\"f\"}},"
    "\"t\":true,\"f\":false,\"n\":null,\"p\":\"p\",\"q\":\"q\",\"i\":-9223372036854775808,\"\":\"\"}";

struct set {
    struct mustache *page, *p, *q;
};

static const struct mustache *find(void *owner, struct str name)
{
    const struct set *set = owner;
    return str_eq(name, STR("p")) ? set->p : str_eq(name, STR("q")) ? set->q : NULL;
}

/* The bytes up to the next 0xff as a template; moves on behind it. */
static struct mustache *next_template(const char *title, const uint8_t **bytes, size_t *left)
{
    const uint8_t *end = *left > 0 ? memchr(*bytes, 0xff, *left) : NULL;
    size_t n = end ? (size_t)(end - *bytes) : *left;
    char error[128];
    struct str source = {n > 0 ? (const char *)*bytes : "", (uint32_t)n};
    struct mustache *m = mustache_compile(str_of(title), source, error, sizeof error);
    *bytes += end ? n + 1 : n;
    *left -= end ? n + 1 : n;
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct arena *arena;
    static struct value data;
    static struct buffer out = {.limit = PAGE_MAX};
    char error[512];
    if (!arena) {
        arena = arena_new(1024 * 1024);
        if (!value_from_json(arena, data_json, sizeof data_json - 1, &data, error, sizeof error))
            abort();
    }
    struct set set = {0};
    set.page = next_template("page", &bytes, &n);
    set.p = next_template("p", &bytes, &n);
    set.q = next_template("q", &bytes, &n);
    buffer_reset(&out);
    if (set.page)
        mustache_render(set.page, &data, (struct mustache_partials){find, &set}, &out, error, sizeof error);
    if (out.n > PAGE_MAX)
        abort();
    mustache_free(&set.page);
    mustache_free(&set.p);
    mustache_free(&set.q);
    return 0;
}
