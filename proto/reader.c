#include "reader.h"

static const char cut_short[] = "it is cut short";
static const char wrong_type[] = "a value of another type than expected";
static const char too_long[] = "a value beyond its limit";
static const char too_many[] = "it declares more items than it has bytes";
static const char extension[] = "a msgpack extension type";
static const char never_used[] = "a byte that msgpack never uses";
static const char goes_on[] = "bytes follow its end";

static bool fail(struct reader *r, const char *why)
{
    if (!r->error)
        r->error = why;
    return false;
}

static size_t left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

/* An unsigned number of n bytes, most significant first. */
static bool read_big_endian(struct reader *r, unsigned n, uint64_t *value)
{
    if (left(r) < n)
        return fail(r, cut_short);
    *value = 0;
    for (unsigned i = 0; i < n; i++)
        *value = *value << 8 | *r->p++;
    return true;
}

static bool read_bytes(struct reader *r, uint64_t n, struct reader_item *item)
{
    if (left(r) < n)
        return fail(r, cut_short);
    item->kind = READ_STR;
    item->as.str = (struct str){(const char *)r->p, (uint32_t)n};
    r->p += n;
    return true;
}

static bool read_head(struct reader *r, enum reader_kind kind, uint64_t n, struct reader_item *item)
{
    uint64_t items = kind == READ_MAP ? 2 * n : n;
    if (items > left(r))
        return fail(r, too_many);
    item->kind = kind;
    item->n = (uint32_t)n;
    return true;
}

static bool read_natural(struct reader *r, unsigned bytes, struct reader_item *item)
{
    uint64_t n;
    if (!read_big_endian(r, bytes, &n))
        return false;
    if (n > INT64_MAX) {
        item->kind = READ_UINT;
        item->as.natural = n;
    } else {
        item->kind = READ_INT;
        item->as.integer = (int64_t)n;
    }
    return true;
}

static bool read_integer(struct reader *r, unsigned bytes, struct reader_item *item)
{
    uint64_t n;
    if (!read_big_endian(r, bytes, &n))
        return false;
    uint64_t sign = UINT64_C(1) << (8 * bytes - 1);
    item->kind = READ_INT;
    item->as.integer = (int64_t)((n ^ sign) - sign);
    return true;
}

static bool read_float(struct reader *r, unsigned bytes, struct reader_item *item)
{
    uint64_t n;
    if (!read_big_endian(r, bytes, &n))
        return false;
    item->kind = READ_FLOAT;
    if (bytes == 4) {
        uint32_t bits = (uint32_t)n;
        float number;
        memcpy(&number, &bits, sizeof number);
        item->as.number = (double)number;
    } else {
        memcpy(&item->as.number, &n, sizeof n);
    }
    return true;
}

struct reader reader_of(const void *bytes, size_t n)
{
    const unsigned char *p = bytes ? bytes : (const unsigned char *)"";
    return (struct reader){p, p + (bytes ? n : 0), NULL};
}

bool reader_item(struct reader *r, struct reader_item *item)
{
    uint64_t n;
    *item = (struct reader_item){.kind = READ_NIL};
    if (r->error)
        return false;
    if (r->p == r->end)
        return fail(r, cut_short);
    unsigned char c = *r->p++;
    if (c <= 0x7f || c >= 0xe0) { /* positive and negative fixint */
        item->kind = READ_INT;
        item->as.integer = (signed char)c;
        return true;
    }
    if (c <= 0x8f)
        return read_head(r, READ_MAP, c & 0x0f, item);
    if (c <= 0x9f)
        return read_head(r, READ_ARRAY, c & 0x0f, item);
    if (c <= 0xbf)
        return read_bytes(r, c & 0x1f, item);
    switch (c) {
    case 0xc0:
        return true;
    case 0xc2:
    case 0xc3:
        item->kind = READ_BOOL;
        item->as.boolean = c == 0xc3;
        return true;
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return read_big_endian(r, 1u << (c - 0xc4), &n) && read_bytes(r, n, item);
    case 0xca: /* float 32, 64 */
    case 0xcb:
        return read_float(r, 4u << (c - 0xca), item);
    case 0xcc: /* uint 8, 16, 32, 64 */
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_natural(r, 1u << (c - 0xcc), item);
    case 0xd0: /* int 8, 16, 32, 64 */
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_integer(r, 1u << (c - 0xd0), item);
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return read_big_endian(r, 1u << (c - 0xd9), &n) && read_bytes(r, n, item);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return read_big_endian(r, 2u << (c - 0xdc), &n) && read_head(r, READ_ARRAY, n, item);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        return read_big_endian(r, 2u << (c - 0xde), &n) && read_head(r, READ_MAP, n, item);
    case 0xc1:
        return fail(r, never_used);
    default: /* ext and fixext */
        return fail(r, extension);
    }
}

bool reader_array(struct reader *r, uint32_t max_items, uint32_t *n)
{
    struct reader_item item;
    *n = 0;
    if (!reader_item(r, &item))
        return false;
    if (item.kind != READ_ARRAY)
        return fail(r, wrong_type);
    if (item.n > max_items)
        return fail(r, too_long);
    *n = item.n;
    return true;
}

bool reader_uint(struct reader *r, uint64_t *value)
{
    struct reader_item item;
    *value = 0;
    if (!reader_item(r, &item))
        return false;
    if (item.kind == READ_UINT)
        *value = item.as.natural;
    else if (item.kind == READ_INT && item.as.integer >= 0)
        *value = (uint64_t)item.as.integer;
    else
        return fail(r, wrong_type);
    return true;
}

static bool read_str(struct reader *r, uint32_t max_bytes, bool or_nil, struct str *value)
{
    struct reader_item item;
    *value = STR_NONE;
    if (!reader_item(r, &item))
        return false;
    if (item.kind == READ_NIL && or_nil)
        return true;
    if (item.kind != READ_STR)
        return fail(r, wrong_type);
    if (item.as.str.n > max_bytes)
        return fail(r, too_long);
    *value = item.as.str;
    return true;
}

bool reader_str(struct reader *r, uint32_t max_bytes, struct str *value)
{
    return read_str(r, max_bytes, false, value);
}

bool reader_str_or_nil(struct reader *r, uint32_t max_bytes, struct str *value)
{
    return read_str(r, max_bytes, true, value);
}

bool reader_skip(struct reader *r)
{
    struct reader_item item;
    /* How deep it is does not matter, only how many items are still to come: never more than bytes are left. */
    for (uint64_t todo = 1; todo > 0; todo--) {
        if (!reader_item(r, &item))
            return false;
        if (item.kind == READ_ARRAY)
            todo += item.n;
        else if (item.kind == READ_MAP)
            todo += 2 * (uint64_t)item.n;
        if (todo - 1 > left(r))
            return fail(r, too_many);
    }
    return true;
}

bool reader_end(struct reader *r)
{
    if (r->error)
        return false;
    return r->p == r->end || fail(r, goes_on);
}
