/* The bounded reader against every form that msgpack has, cut short at each byte, and against lengths that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "reader.h"

/* A literal with its length, so that it may hold NUL. */
#define BYTES(literal) ("" literal), sizeof(literal) - 1

/* A copy in memory of exactly its size, so that AddressSanitizer sees each byte read beyond it. */
static unsigned char *exact(const void *bytes, size_t n)
{
    unsigned char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, bytes, n);
    return copy;
}

static struct reader_item one(const char *bytes, size_t n)
{
    unsigned char *copy = exact(bytes, n);
    struct reader r = reader_of(copy, n);
    struct reader_item item;
    assert_true(reader_item(&r, &item));
    assert_true(reader_end(&r));
    for (size_t cut = 0; cut < n; cut++) { /* and cut short it is refused */
        unsigned char *part = exact(bytes, cut);
        struct reader_item ignored;
        r = reader_of(part, cut);
        assert_false(reader_item(&r, &ignored));
        assert_non_null(r.error);
        free(part);
    }
    free(copy);
    return item;
}

static const char *refused(const char *bytes, size_t n)
{
    unsigned char *copy = exact(bytes, n);
    struct reader r = reader_of(copy, n);
    struct reader_item item;
    assert_false(reader_item(&r, &item));
    r = reader_of(copy, n);
    assert_false(reader_skip(&r));
    free(copy);
    return r.error;
}

static void integers_are_read_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int64_t value;
    } cases[] = {
        {BYTES("\x00"), 0},
        {BYTES("\x7f"), 127},
        {BYTES("\xff"), -1},
        {BYTES("\xe0"), -32},
        {BYTES("\xcc\x80"), 128},
        {BYTES("\xcc\x05"), 5}, /* longer than needed is fine */
        {BYTES("\xcd\x01\x00"), 256},
        {BYTES("\xce\x00\x01\x00\x00"), 65536},
        {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX},
        {BYTES("\xd0\x80"), -128},
        {BYTES("\xd0\x7f"), 127},
        {BYTES("\xd1\x80\x00"), -32768},
        {BYTES("\xd1\xff\xfe"), -2},
        {BYTES("\xd2\x80\x00\x00\x00"), INT32_MIN},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN},
        {BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x07"), 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader_item item = one(cases[i].bytes, cases[i].n);
        assert_int_equal(item.kind, READ_INT);
        assert_true(item.as.integer == cases[i].value);
        struct reader r = reader_of(cases[i].bytes, cases[i].n);
        uint64_t n;
        assert_int_equal(reader_uint(&r, &n), cases[i].value >= 0);
        assert_true(n == (cases[i].value >= 0 ? (uint64_t)cases[i].value : 0));
    }
    struct reader_item item = one(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_int_equal(item.kind, READ_UINT);
    assert_true(item.as.natural == UINT64_MAX);
}

static void the_other_scalars_are_read(void **state)
{
    (void)state;
    assert_int_equal(one(BYTES("\xc0")).kind, READ_NIL);
    struct reader_item item = one(BYTES("\xc2"));
    assert_true(item.kind == READ_BOOL && !item.as.boolean);
    item = one(BYTES("\xc3"));
    assert_true(item.kind == READ_BOOL && item.as.boolean);
    item = one(BYTES("\xca\x3f\xc0\x00\x00"));
    assert_true(item.kind == READ_FLOAT && item.as.number == 1.5);
    item = one(BYTES("\xcb\xc0\x04\x00\x00\x00\x00\x00\x00"));
    assert_true(item.kind == READ_FLOAT && item.as.number == -2.5);
}

static void strings_are_read_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {
        {BYTES("\xa2hi")},
        {BYTES("\xd9\x02hi")},
        {BYTES("\xda\x00\x02hi")},
        {BYTES("\xdb\x00\x00\x00\x02hi")},
        {BYTES("\xc4\x02hi")},
        {BYTES("\xc5\x00\x02hi")},
        {BYTES("\xc6\x00\x00\x00\x02hi")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str s;
        assert_int_equal(one(cases[i].bytes, cases[i].n).kind, READ_STR);
        struct reader r = reader_of(cases[i].bytes, cases[i].n);
        assert_true(reader_str(&r, 2, &s) && str_eq(s, STR("hi")));
        r = reader_of(cases[i].bytes, cases[i].n);
        assert_false(reader_str(&r, 1, &s));
        assert_null(s.p);
        r = reader_of(cases[i].bytes, cases[i].n);
        assert_true(reader_str_or_nil(&r, 2, &s) && str_eq(s, STR("hi")));
    }
    struct reader r = reader_of(BYTES("\xa0\xc0\xc0"));
    struct str s;
    assert_true(reader_str(&r, 0, &s));
    assert_true(s.p && s.n == 0); /* empty is not nil */
    assert_true(reader_str_or_nil(&r, 0, &s));
    assert_null(s.p);
    assert_false(reader_str(&r, 0, &s));
}

static void arrays_and_maps_are_held_against_the_bytes_that_are_left(void **state)
{
    (void)state;
    struct reader_item item;
    uint32_t n;
    struct reader r = reader_of(BYTES("\x92\x01\x02"));
    assert_true(reader_array(&r, 2, &n) && n == 2);
    r = reader_of(BYTES("\x92\x01\x02"));
    assert_false(reader_array(&r, 1, &n));
    assert_int_equal(n, 0);
    r = reader_of(BYTES("\x92\x01"));
    assert_false(reader_array(&r, 2, &n));
    r = reader_of(BYTES("\xdc\x00\x02\x01\x02"));
    assert_true(reader_array(&r, 2, &n) && n == 2);
    r = reader_of(BYTES("\x81\x01\x02"));
    assert_true(reader_item(&r, &item) && item.kind == READ_MAP && item.n == 1);
    assert_non_null(refused(BYTES("\x81\x01")));
    assert_non_null(refused(BYTES("\xdd\xff\xff\xff\xff\x01")));     /* 4 billion items in 6 bytes */
    assert_non_null(refused(BYTES("\xdf\xff\xff\xff\xff\x01\x02"))); /* twice as many */
    assert_non_null(refused(BYTES("\xdf\x80\x00\x00\x00\x01\x02"))); /* 2 × 2^31 must not become 0 */
    assert_non_null(refused(BYTES("\xdb\xff\xff\xff\xff"
                                  "abc")));
    assert_non_null(refused(BYTES("\xc6\x7f\xff\xff\xff"
                                  "abc")));
    r = reader_of(BYTES("\xa1"
                        "1"));
    assert_false(reader_array(&r, 9, &n));
}

static void what_is_not_used_here_is_refused(void **state)
{
    (void)state;
    refused(BYTES("\xc1"));
    for (unsigned c = 0xc7; c <= 0xc9; c++)
        refused((char[]){(char)c, 0, 0, 0, 0, 0, 0}, 7);
    for (unsigned c = 0xd4; c <= 0xd8; c++) {
        char ext[18] = {(char)c};
        refused(ext, sizeof ext);
    }
}

static void after_a_failure_nothing_is_read(void **state)
{
    (void)state;
    struct reader r = reader_of(BYTES("\xa1"
                                      "x\x05"));
    struct reader_item item;
    struct str s;
    uint64_t n;
    uint32_t items;
    assert_false(reader_uint(&r, &n));
    const char *why = r.error;
    assert_false(reader_uint(&r, &n));
    assert_false(reader_str(&r, 9, &s));
    assert_false(reader_str_or_nil(&r, 9, &s));
    assert_false(reader_array(&r, 9, &items));
    assert_false(reader_item(&r, &item));
    assert_false(reader_skip(&r));
    assert_false(reader_end(&r));
    assert_ptr_equal(r.error, why);
}

static void nothing_may_follow_the_end(void **state)
{
    (void)state;
    struct reader r = reader_of(BYTES("\x01\x02"));
    uint64_t n;
    assert_true(reader_uint(&r, &n));
    assert_false(reader_end(&r));
    r = reader_of(NULL, 0);
    assert_true(reader_end(&r));
    assert_false(reader_uint(&r, &n));
}

static void skipping_goes_over_whole_items(void **state)
{
    (void)state;
    struct reader r = reader_of(BYTES("\x93\x01\x82\xa1"
                                      "a\x90\xa1"
                                      "b\xc0\xa1"
                                      "c\x2a"));
    uint64_t n;
    assert_true(reader_skip(&r));
    assert_true(reader_uint(&r, &n) && n == 42);
    assert_true(reader_end(&r));
    r = reader_of(BYTES("\x93\x01\x02"));
    assert_false(reader_skip(&r));
}

static void skipping_does_not_mind_depth(void **state)
{
    (void)state;
    size_t deep = 4 << 20; /* with a call for each level, this would end the process */
    unsigned char *bytes = malloc(deep);
    assert_non_null(bytes);
    memset(bytes, 0x91, deep);
    bytes[deep - 1] = 0xc0;
    struct reader r = reader_of(bytes, deep);
    assert_true(reader_skip(&r) && reader_end(&r));
    r = reader_of(bytes, deep - 1);
    assert_false(reader_skip(&r));
    /* Each head alone is possible, all together are not: found long before the end. */
    memset(bytes, 0, deep);
    for (size_t i = 0; i + 5 < 50000; i += 5)
        memcpy(bytes + i, "\xdd\x00\x20\x00\x00", 5);
    r = reader_of(bytes, deep);
    assert_false(reader_skip(&r));
    assert_true(r.p - bytes <= 20);
    free(bytes);
}

/* Whatever msgpack-c writes is read back. */
static void what_msgpack_c_packs_is_read(void **state)
{
    (void)state;
    for (int shift = 0; shift < 64; shift++) {
        for (int64_t delta = -1; delta <= 1; delta++) {
            uint64_t value = (UINT64_C(1) << shift) + (uint64_t)delta;
            msgpack_sbuffer out;
            msgpack_packer pk;
            msgpack_sbuffer_init(&out);
            msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
            msgpack_pack_uint64(&pk, value);
            msgpack_pack_int64(&pk, (int64_t)value);
            struct reader r = reader_of(out.data, out.size);
            struct reader_item item;
            uint64_t n;
            assert_true(reader_uint(&r, &n) && n == value);
            assert_true(reader_item(&r, &item) && item.kind == READ_INT && item.as.integer == (int64_t)value);
            assert_true(reader_end(&r));
            msgpack_sbuffer_destroy(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_in_every_form),
        cmocka_unit_test(the_other_scalars_are_read),
        cmocka_unit_test(strings_are_read_in_every_form),
        cmocka_unit_test(arrays_and_maps_are_held_against_the_bytes_that_are_left),
        cmocka_unit_test(what_is_not_used_here_is_refused),
        cmocka_unit_test(after_a_failure_nothing_is_read),
        cmocka_unit_test(nothing_may_follow_the_end),
        cmocka_unit_test(skipping_goes_over_whole_items),
        cmocka_unit_test(skipping_does_not_mind_depth),
        cmocka_unit_test(what_msgpack_c_packs_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
