#include "meta.h"

#include <endian.h>

#define AT_FLAGS     4
#define AT_STALE_SEQ 48
#define AT_STALE_AT  56
#define VALUE_NONE   65535

/* Numbers stand with their lowest byte first, whatever the machine. */
static void put(struct buffer *out, uint64_t value, unsigned bytes)
{
    char text[8];
    for (unsigned i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i));
    buffer_append(out, text, bytes);
}

static uint64_t get(const void *bytes, size_t at, unsigned n)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)bytes + at, n);
    return le64toh(value);
}

static void set(void *bytes, size_t at, uint64_t value, unsigned n)
{
    unsigned char *p = (unsigned char *)bytes + at;
    for (unsigned i = 0; i < n; i++)
        p[i] = (unsigned char)(value >> (8 * i));
}

bool meta_write(const struct meta *meta, struct buffer *out)
{
    const struct str *lists[] = {&meta->key, &meta->headers, &meta->vary};
    size_t start = out->n, n = META_FIXED;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        n += lists[i]->n;
    if (n > META_BYTES || meta->status > 999)
        return false;
    put(out, META_VERSION, 1);
    put(out, 0, 1);
    put(out, meta->status, 2);
    put(out, meta->flags, 4);
    put(out, (uint64_t)meta->born, 8);
    put(out, meta->arrived, 8);
    put(out, meta->lifetime, 4);
    put(out, meta->swr, 4);
    put(out, meta->sie, 4);
    put(out, meta->broad, 4);
    put(out, meta->dispatched, 8);
    put(out, meta->stale_seq, 8);
    put(out, meta->stale_at, 8);
    put(out, meta->plain, 4);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        put(out, lists[i]->n, 4);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        buffer_append(out, lists[i]->p, lists[i]->n);
    return !out->failed && out->n == start + n;
}

bool meta_read(const void *bytes, size_t n, struct meta *meta)
{
    struct str *lists[] = {&meta->key, &meta->headers, &meta->vary};
    if (n < META_FIXED || n > META_BYTES || get(bytes, 0, 1) != META_VERSION)
        return false;
    meta->status = (uint32_t)get(bytes, 2, 2);
    meta->flags = (uint32_t)get(bytes, AT_FLAGS, 4);
    meta->born = (int64_t)get(bytes, 8, 8);
    meta->arrived = get(bytes, 16, 8);
    meta->lifetime = (uint32_t)get(bytes, 24, 4);
    meta->swr = (uint32_t)get(bytes, 28, 4);
    meta->sie = (uint32_t)get(bytes, 32, 4);
    meta->broad = (uint32_t)get(bytes, 36, 4);
    meta->dispatched = get(bytes, 40, 8);
    meta->stale_seq = get(bytes, AT_STALE_SEQ, 8);
    meta->stale_at = get(bytes, AT_STALE_AT, 8);
    meta->plain = (uint32_t)get(bytes, 64, 4);
    size_t at = META_FIXED;
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        uint32_t length = (uint32_t)get(bytes, 68 + 4 * i, 4);
        if (length > n - at)
            return false;
        *lists[i] = (struct str){(const char *)bytes + at, length};
        at += length;
    }
    return at == n && meta->status <= 999;
}

static bool is_record(const void *bytes, size_t n)
{
    struct meta meta;
    return meta_read(bytes, n, &meta);
}

bool meta_mark_stale(void *bytes, size_t n, uint64_t seq, uint64_t at)
{
    if (!is_record(bytes, n))
        return false;
    if (get(bytes, AT_STALE_SEQ, 8) == 0) {
        set(bytes, AT_STALE_SEQ, seq, 8);
        set(bytes, AT_STALE_AT, at, 8);
    }
    return true;
}

bool meta_mark_gone(void *bytes, size_t n)
{
    if (!is_record(bytes, n))
        return false;
    set(bytes, AT_FLAGS, get(bytes, AT_FLAGS, 4) | META_GONE, 4);
    return true;
}

void pairs_add(struct buffer *out, struct str name, struct str value)
{
    if (name.n > 255 || value.n >= VALUE_NONE) {
        out->failed = true;
        return;
    }
    put(out, name.n, 1);
    put(out, value.p ? value.n : VALUE_NONE, 2);
    buffer_append_str(out, name);
    buffer_append_str(out, value);
}

bool pairs_next(struct str *rest, struct header *pair)
{
    if (rest->n < 3)
        return false;
    uint32_t name_n = (uint32_t)get(rest->p, 0, 1), value_n = (uint32_t)get(rest->p, 1, 2);
    bool none = value_n == VALUE_NONE;
    value_n = none ? 0 : value_n;
    if (name_n + value_n > rest->n - 3)
        return false;
    pair->name = (struct str){rest->p + 3, name_n};
    pair->value = none ? STR_NONE : (struct str){rest->p + 3 + name_n, value_n};
    rest->p += 3 + name_n + value_n;
    rest->n -= 3 + name_n + value_n;
    return true;
}

struct str pairs_get(struct str pairs, struct str name)
{
    struct header pair;
    while (pairs_next(&pairs, &pair))
        if (str_eq_nocase(pair.name, name))
            return pair.value;
    return STR_NONE;
}
