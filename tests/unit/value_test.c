/* The memory and data of one request: arena, buffer, values, and JSON in both directions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(8 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena);
    return 0;
}

static void assert_str(struct str got, const char *expected)
{
    if (!str_eq(got, str_of(expected)))
        fail_msg("expected \"%s\", got \"" STR_FMT "\"", expected, STR_ARG(got));
}

static void arena_gives_zeroed_aligned_memory_up_to_its_limit(void **state)
{
    (void)state;
    struct arena *small = arena_new(1024 * 1024);
    size_t given = 0;
    for (int round = 0; round < 2; round++) {
        unsigned char *p;
        given = 0;
        while ((p = arena_alloc(small, 10007))) {
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            for (int i = 0; i < 10007; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xaa, 10007);
            given += 10007;
        }
        assert_true(arena_used(small) <= 1024 * 1024);
        assert_true(given > 1000 * 1000);
        arena_reset(small);
        assert_int_equal(arena_used(small), 0);
    }
    assert_null(arena_alloc(small, 1024 * 1024 + 1));
    assert_null(arena_alloc(small, SIZE_MAX));
    assert_non_null(arena_alloc(small, 0));
    arena_free(&small);
}

static void arena_copies_and_prints(void **state)
{
    (void)state;
    char text[] = "abc";
    struct str copy = arena_copy(arena, str_of(text));
    text[0] = 'x';
    assert_str(copy, "abc");
    assert_null(arena_copy(arena, STR_NONE).p);
    assert_non_null(arena_copy(arena, STR("")).p);
    struct str printed = arena_printf(arena, "%d-%s", 7, "x");
    assert_str(printed, "7-x");
    assert_int_equal(printed.p[printed.n], 0);
    assert_int_equal(arena_printf(arena, "%1000d", 1).n, 1000);
    struct arena *tiny = arena_new(4);
    assert_null(arena_printf(tiny, "12345").p);
    assert_str(arena_printf(tiny, "123"), "123");
    assert_null(arena_copy(tiny, STR("x")).p);
    arena_free(&tiny);
}

static void buffer_grows_and_keeps_its_memory(void **state)
{
    (void)state;
    struct buffer b = {.limit = 100000};
    assert_str(buffer_str(&b), "");
    for (int i = 0; i < 10000; i++)
        buffer_append_char(&b, (char)('a' + i % 26));
    buffer_append_printf(&b, "%s%d", "x", 12);
    buffer_append_printf(&b, "%2000d", 5);
    assert_int_equal(b.n, 12003);
    assert_memory_equal(b.p + 9999, "px12   ", 7);
    assert_int_equal(b.p[b.n - 1], '5');
    char *p = b.p;
    buffer_reset(&b);
    buffer_append(&b, NULL, 0);
    buffer_append_str(&b, STR("again"));
    assert_ptr_equal(b.p, p);
    assert_str(buffer_str(&b), "again");
    buffer_release(&b);
    assert_null(b.p);
    assert_int_equal(b.limit, 100000);
}

static void buffer_over_its_limit_drops_that_and_all_later_appends(void **state)
{
    (void)state;
    struct buffer b = {.limit = 5};
    buffer_append_str(&b, STR("abc"));
    assert_false(b.failed);
    buffer_append_str(&b, STR("def"));
    assert_true(b.failed);
    buffer_append_str(&b, STR("g"));
    assert_str(buffer_str(&b), "abc");
    assert_false(buffer_reserve(&b, 1));
    buffer_reset(&b);
    buffer_append_str(&b, STR("abcde"));
    assert_false(b.failed);
    assert_false(buffer_reserve(&b, SIZE_MAX));
    buffer_release(&b);
}

static void numbers_are_written_in_the_fewest_digits(void **state)
{
    (void)state;
    static const struct {
        double d;
        const char *text;
    } doubles[] = {{0, "0"},
                   {-1.5, "-1.5"},
                   {0.1, "0.1"},
                   {1e300, "1e+300"},
                   {0.1 + 0.2, "0.30000000000000004"},
                   {123456789012345678.0, "1.2345678901234568e+17"},
                   {6.7, "6.7"}};
    struct buffer b = {.limit = 1000};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        buffer_reset(&b);
        buffer_append_double(&b, doubles[i].d);
        assert_str(buffer_str(&b), doubles[i].text);
    }
    buffer_reset(&b);
    buffer_append_int(&b, INT64_MIN);
    buffer_append_int(&b, 0);
    buffer_append_int(&b, INT64_MAX);
    assert_str(buffer_str(&b), "-922337203685477580809223372036854775807");
    buffer_release(&b);
}

static void maps_are_built_replaced_and_extended(void **state)
{
    (void)state;
    struct value map = value_map(arena, 2);
    assert_true(value_set(&map, STR("a"), value_int(1)));
    assert_true(value_set(&map, STR("b"), value_str(STR("x"))));
    assert_false(value_set(&map, STR("c"), NIL));
    assert_true(value_set(&map, STR("a"), value_int(2)));
    assert_int_equal(map.n, 2);
    assert_int_equal(value_get(&map, STR("a"))->as.integer, 2);
    assert_null(value_get(&map, STR("c")));
    struct value more = value_extend(arena, &map, 1);
    assert_true(value_set(&more, STR("c"), value_bool(true)));
    assert_false(value_set(&more, STR("d"), NIL));
    assert_int_equal(value_get(&more, STR("a"))->as.integer, 2);
    assert_int_equal(map.n, 2);
    struct value number = value_int(1);
    assert_null(value_get(&number, STR("a")));
    assert_false(value_set(&number, STR("a"), NIL));
    assert_int_equal(value_str(STR_NONE).type, VALUE_NIL);
}

static void a_row_that_shares_its_keys_is_extended_before_it_is_set(void **state)
{
    (void)state;
    static const struct str keys[] = {{"id", 2}, {"title", 5}};
    struct value cells[] = {value_int(7), value_str(STR("Heat"))};
    struct value row = {.type = VALUE_MAP, .n = 2, .as.map = {keys, cells}};
    struct value own = value_extend(arena, &row, 1);
    assert_true(value_set(&own, STR("year"), value_int(1995)));
    assert_str(value_get(&own, STR("title"))->as.str, "Heat");
    assert_int_equal(row.n, 2);
}

static void nothing_is_made_when_the_arena_is_full(void **state)
{
    (void)state;
    struct arena *tiny = arena_new(16);
    assert_int_equal(value_map(tiny, 1).type, VALUE_NIL);
    assert_int_equal(value_list(tiny, 1).type, VALUE_NIL);
    assert_int_equal(value_list(tiny, UINT32_MAX).type, VALUE_NIL);
    struct value v;
    char error[256];
    assert_false(value_from_json(tiny, "[1,2,3]", 7, &v, error, sizeof error));
    assert_string_equal(error, "the data is larger than may be held");
    arena_free(&tiny);
}

/* Reads JSON and writes it again. */
static const char *round_trip(const char *json)
{
    static char text[4096];
    struct value v;
    struct buffer out = {.limit = sizeof text - 1};
    if (!value_from_json(arena, json, strlen(json), &v, text, sizeof text))
        return text;
    assert_true(json_write(&out, &v));
    snprintf(text, sizeof text, STR_FMT, STR_ARG(buffer_str(&out)));
    buffer_release(&out);
    return text;
}

static void json_is_read_and_written(void **state)
{
    (void)state;
    assert_string_equal(round_trip(" {\"a\" : [1, -2.5, true, false, null, {}, []], \"b\":\"\"} "),
                        "{\"a\":[1,-2.5,true,false,null,{},[]],\"b\":\"\"}");
    assert_string_equal(round_trip("\"\\u00e9\\ud83d\\ude00 \\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u0001 </script>\""),
                        "\"é😀 \\\" \\\\ / \\b\\f\\n\\r\\t \\u0001 \\u003c/script\\u003e\"");
    assert_string_equal(round_trip("-9223372036854775808"), "-9223372036854775808");
}

static void wrong_json_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_non_null(strstr(round_trip("{\"a\":1,\n\"a\":2}"), "duplicate object key"));
    assert_non_null(strstr(round_trip("9223372036854775808"), "too big integer"));
    assert_non_null(strstr(round_trip("[1,\n2 3]"), "line 2, column "));
    assert_non_null(strstr(round_trip("\"\xff\""), "line 1, column "));
    assert_non_null(strstr(round_trip(""), "line 1, column "));
    char just[131] = "";
    memset(just, '[', 65);
    memset(just + 65, ']', 65);
    assert_string_equal(round_trip(just), "the data is nested more than 64 deep");
}

static void json_replaces_what_is_no_utf8(void **state)
{
    (void)state;
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        {STR("a\xff"
             "b"),
         "\"a\xef\xbf\xbd"
         "b\""},
        {STR("\xc3"), "\"\xef\xbf\xbd\""},                                                 /* cut off */
        {STR("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 /* overlong */
        {STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 /* a surrogate */
        {STR("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* above U+10FFFF */
        {STR("\xf0\x9f\x98\x80\xe6\x9d\xb1"), "\"\xf0\x9f\x98\x80\xe6\x9d\xb1\""},
        {STR("a\0b"), "\"a\\u0000b\""},
        {STR(""), "\"\""},
    };
    struct buffer out = {.limit = 1000};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_reset(&out);
        json_write_str(&out, cases[i].in);
        assert_str(buffer_str(&out), cases[i].out);
    }
    buffer_release(&out);
}

static void json_has_no_word_for_nan_and_stops_at_its_limits(void **state)
{
    (void)state;
    struct buffer out = {.limit = 1000};
    struct value numbers[] = {value_float(NAN), value_float(-INFINITY), value_float(2.5)};
    struct value list = {.type = VALUE_LIST, .n = 3, .as.items = numbers};
    assert_true(json_write(&out, &list));
    assert_str(buffer_str(&out), "[null,null,2.5]");
    struct value nest[JSON_DEPTH + 1];
    nest[JSON_DEPTH] = NIL;
    for (int i = JSON_DEPTH - 1; i >= 0; i--)
        nest[i] = (struct value){.type = VALUE_LIST, .n = 1, .as.items = &nest[i + 1]};
    assert_false(json_write(&out, &nest[0]));
    assert_true(json_write(&out, &nest[1]));
    buffer_release(&out);
    struct buffer small = {.limit = 10};
    assert_false(json_write(&small, &list));
    buffer_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_zeroed_aligned_memory_up_to_its_limit),
        cmocka_unit_test(arena_copies_and_prints),
        cmocka_unit_test(buffer_grows_and_keeps_its_memory),
        cmocka_unit_test(buffer_over_its_limit_drops_that_and_all_later_appends),
        cmocka_unit_test(numbers_are_written_in_the_fewest_digits),
        cmocka_unit_test(maps_are_built_replaced_and_extended),
        cmocka_unit_test(a_row_that_shares_its_keys_is_extended_before_it_is_set),
        cmocka_unit_test(nothing_is_made_when_the_arena_is_full),
        cmocka_unit_test(json_is_read_and_written),
        cmocka_unit_test(wrong_json_is_refused_with_its_place),
        cmocka_unit_test(json_replaces_what_is_no_utf8),
        cmocka_unit_test(json_has_no_word_for_nan_and_stops_at_its_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
