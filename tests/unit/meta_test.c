/* The form of a record on disk: what is written is read, and no bytes harm (cacher/meta.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "meta.h"

static struct buffer record = {.limit = 1 << 20}, lists = {.limit = 1 << 20};

static struct meta sample(void)
{
    buffer_reset(&record);
    buffer_reset(&lists);
    pairs_add(&lists, STR("content-type"), STR("text/html; charset=utf-8"));
    pairs_add(&lists, STR("etag"), STR("W/\"0123456789abcdef\""));
    pairs_add(&lists, STR("x"), STR(""));
    return (struct meta){.status = 200,
                         .flags = META_MUST_REVALIDATE | META_QUERY,
                         .born = -5,
                         .arrived = 6,
                         .lifetime = 7,
                         .swr = 8,
                         .sie = 9,
                         .dispatched = UINT64_MAX,
                         .stale_seq = 0,
                         .stale_at = 0,
                         .broad = 1u << 31,
                         .plain = 123456,
                         .key = STR("https://a.example/x"),
                         .headers = buffer_str(&lists),
                         .vary = STR("")};
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct meta meta = sample(), read;
    assert_true(meta_write(&meta, &record));
    assert_true(meta_read(record.p, record.n, &read));
    assert_true(read.status == 200 && read.flags == meta.flags && read.born == -5 && read.arrived == 6);
    assert_true(read.lifetime == 7 && read.swr == 8 && read.sie == 9 && read.dispatched == UINT64_MAX);
    assert_true(read.stale_seq == 0 && read.stale_at == 0 && read.broad == 1u << 31 && read.plain == 123456);
    assert_true(str_eq(read.key, meta.key) && str_eq(read.headers, meta.headers));
    assert_true(read.vary.n == 0);
    assert_true(str_eq(pairs_get(read.headers, STR("ETag")), STR("W/\"0123456789abcdef\"")));
    assert_true(pairs_get(read.headers, STR("x")).p && pairs_get(read.headers, STR("x")).n == 0);
    assert_null(pairs_get(read.headers, STR("y")).p);
    assert_true(record.n < 300);
}

static void marks_are_made_in_place_and_the_first_stays(void **state)
{
    (void)state;
    struct meta meta = sample(), read;
    assert_true(meta_write(&meta, &record));
    assert_true(meta_mark_stale(record.p, record.n, 41, 1000));
    assert_true(meta_mark_stale(record.p, record.n, 42, 2000));
    assert_true(meta_read(record.p, record.n, &read));
    assert_true(read.stale_seq == 41 && read.stale_at == 1000 && !(read.flags & META_GONE));
    assert_true(meta_mark_gone(record.p, record.n));
    assert_true(meta_read(record.p, record.n, &read));
    assert_true(read.flags == (meta.flags | META_GONE) && str_eq(read.key, meta.key));
    assert_false(meta_mark_stale(record.p, record.n - 1, 41, 1000));
    assert_false(meta_mark_gone(record.p, 0));
}

static void no_bytes_harm(void **state)
{
    (void)state;
    struct meta meta = sample(), read;
    struct header pair;
    assert_true(meta_write(&meta, &record));
    for (size_t n = 0; n < record.n; n++)
        assert_false(meta_read(record.p, n, &read));
    srand(1);
    for (int round = 0; round < 200000; round++) {
        char *copy = malloc(record.n); /* its own block, so that a sanitizer sees what is read beyond */
        memcpy(copy, record.p, record.n);
        for (int i = rand() % 4; i >= 0; i--)
            copy[(size_t)rand() % (round % 2 ? META_FIXED : record.n)] = (char)rand();
        if (meta_read(copy, record.n, &read))
            for (struct str rest = read.headers; pairs_next(&rest, &pair);)
                assert_true(pair.name.n <= 255);
        free(copy);
    }
    record.p[0]++;
    assert_false(meta_read(record.p, record.n, &read));
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    struct meta meta = sample();
    static char text[META_BYTES];
    meta.headers = (struct str){text, META_BYTES - META_FIXED - meta.key.n};
    assert_true(meta_write(&meta, &record));
    assert_int_equal(record.n, META_BYTES);
    buffer_reset(&record);
    meta.headers.n++;
    assert_false(meta_write(&meta, &record));
    meta = sample();
    meta.status = 1000;
    assert_false(meta_write(&meta, &record));
    struct buffer small = {.limit = 10};
    meta.status = 200;
    assert_false(meta_write(&meta, &small));
    pairs_add(&small, (struct str){text, 256}, STR(""));
    assert_true(small.failed);
    buffer_release(&small);
}

static void a_value_may_be_none(void **state)
{
    (void)state;
    struct header pair;
    buffer_reset(&lists);
    pairs_add(&lists, STR("a"), STR_NONE);
    pairs_add(&lists, STR("b"), STR("1"));
    struct str rest = buffer_str(&lists);
    assert_true(pairs_next(&rest, &pair) && str_eq(pair.name, STR("a")) && !pair.value.p);
    assert_true(pairs_next(&rest, &pair) && str_eq(pair.value, STR("1")));
    assert_false(pairs_next(&rest, &pair));
    buffer_release(&lists);
    buffer_release(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(marks_are_made_in_place_and_the_first_stays),
        cmocka_unit_test(no_bytes_harm),           cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_value_may_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
