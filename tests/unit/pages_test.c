/* What pages are made of: rows off the wire, columns as people read them, entity tags, and who takes gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>
#include <zlib.h>

#include "etag.h"
#include "gzip.h"
#include "rows.h"
#include "shape.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void text(msgpack_packer *pk, const char *s)
{
    msgpack_pack_str_with_body(pk, s, strlen(s));
}

/* One result of one row: [[[columns], [[values]], 1]]. */
static void pack_movie(msgpack_sbuffer *out)
{
    msgpack_packer pk;
    msgpack_sbuffer_init(out);
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    static const char *const columns[] = {"title", "year",   "release_date", "runtime",  "score",
                                          "votes", "budget", "synopsis",     "director", "category_pairs"};
    msgpack_pack_array(&pk, 1);
    msgpack_pack_array(&pk, 3);
    msgpack_pack_array(&pk, 10);
    for (size_t i = 0; i < 10; i++)
        text(&pk, columns[i]);
    msgpack_pack_array(&pk, 1);
    msgpack_pack_array(&pk, 10);
    text(&pk, "Alien");
    msgpack_pack_int(&pk, 1979);
    text(&pk, "1979-05-25");
    msgpack_pack_int(&pk, 117);
    msgpack_pack_double(&pk, 8.5);
    msgpack_pack_int(&pk, 180387);
    msgpack_pack_int(&pk, 11000000);
    msgpack_pack_nil(&pk);
    text(&pk, "Ridley Scott");
    msgpack_pack_array(&pk, 2);
    text(&pk, "science-fiction");
    text(&pk, "Science Fiction");
    msgpack_pack_int(&pk, 1);
}

static void assert_text(const struct value *row, const char *key, const char *expected)
{
    const struct value *v = value_get(row, str_of(key));
    assert_non_null(v);
    assert_int_equal(v->type, VALUE_STR);
    assert_true(str_eq(v->as.str, str_of(expected)));
}

static void a_row_also_has_its_columns_as_people_read_them(void **state)
{
    (void)state;
    msgpack_sbuffer body;
    struct value result;
    pack_movie(&body);
    assert_null(rows_read(arena, body.data, body.size, true, 1, &result));
    assert_int_equal(result.n, 1);
    const struct value *row = &result.as.items[0];
    assert_text(row, "title", "Alien");
    assert_text(row, "released", "25 May 1979");
    assert_text(row, "running_time", "1 h 57 min");
    assert_text(row, "score_text", "8.5");
    assert_text(row, "votes_text", "180,387");
    assert_text(row, "budget_text", "$11,000,000");
    assert_text(row, "sentence", "Alien is a 1979 science fiction movie directed by Ridley Scott.");
    assert_text(&value_get(row, STR("categories"))->as.items[0], "name", "Science Fiction");
    /* An API gets the row as it is. */
    assert_null(rows_read(arena, body.data, body.size, false, 1, &result));
    assert_null(value_get(&result.as.items[0], STR("released")));
    msgpack_sbuffer_destroy(&body);
}

static void rows_that_are_cut_short_or_changed_are_refused_or_read_but_never_harm(void **state)
{
    (void)state;
    msgpack_sbuffer body;
    struct value result;
    pack_movie(&body);
    for (size_t n = 0; n < body.size; n++) {
        char *cut = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees a byte too many */
        assert_non_null(cut);
        memcpy(cut, body.data, n);
        arena_reset(arena);
        assert_non_null(rows_read(arena, cut, n, true, 1, &result));
        free(cut);
    }
    for (size_t i = 0; i < body.size; i++)
        for (int b = 0; b < 256; b++) {
            char *changed = malloc(body.size);
            assert_non_null(changed);
            memcpy(changed, body.data, body.size);
            changed[i] = (char)b;
            arena_reset(arena);
            rows_read(arena, changed, body.size, true, 1, &result);
            free(changed);
        }
    assert_non_null(rows_read(arena, body.data, body.size, true, 2, (struct value[2]){{0}}));
    msgpack_sbuffer_destroy(&body);
    /* A list that declares four thousand million items. */
    assert_non_null(rows_read(arena, "\x91\x93\x90\xdd\xff\xff\xff\xff\x90", 9, true, 1, &result));
}

static struct value shaped(const char *column, struct value value, const char *name)
{
    struct value row = value_map(arena, 4);
    value_set(&row, str_of(column), value);
    for (const struct shape *s = NULL; (s = shape_next(str_of(column), s));)
        if (str_eq(s->name, str_of(name)))
            return s->make(arena, &row, value_get(&row, str_of(column)));
    fail_msg("no shape %s of %s", name, column);
    return NIL;
}

static void assert_shaped(const char *column, struct value value, const char *name, const char *expected)
{
    struct value out = shaped(column, value, name);
    if (!expected) {
        assert_int_equal(out.type, VALUE_NIL);
        return;
    }
    assert_int_equal(out.type, VALUE_STR);
    assert_true(str_eq(out.as.str, str_of(expected)));
}

static void numbers_dates_and_times_read_well(void **state)
{
    (void)state;
    assert_shaped("runtime", value_int(60), "running_time", "1 h");
    assert_shaped("runtime", value_int(59), "running_time", "59 min");
    assert_shaped("runtime", value_int(0), "running_time", NULL);
    assert_shaped("runtime", NIL, "running_time", NULL);
    assert_shaped("score", value_int(10), "score_text", "10.0");
    assert_shaped("score", value_float(0), "score_text", "0.0");
    assert_shaped("score", value_float(9.95), "score_text", "10.0");
    assert_shaped("score", value_float(11), "score_text", NULL);
    assert_shaped("votes", value_int(999), "votes_text", "999");
    assert_shaped("votes", value_int(1000), "votes_text", "1,000");
    assert_shaped("votes", value_int(0), "votes_text", NULL);
    assert_shaped("budget", value_int(INT64_MAX), "budget_text", "$9,223,372,036,854,775,807");
    assert_shaped("release_date", value_str(STR("2013-11-02")), "released", "2 November 2013");
    assert_shaped("release_date", value_str(STR("2013-13-02")), "released", NULL);
    assert_shaped("release_date", value_str(STR("infinity  ")), "released", NULL);
    assert_shaped("release_date", value_str(STR("")), "released", NULL);
    assert_true(str_eq(shape_number(arena, INT64_MIN), STR("-9,223,372,036,854,775,808")));
}

static void a_movie_has_a_picture_and_a_decade_an_address(void **state)
{
    (void)state;
    struct value row = value_map(arena, 4);
    value_set(&row, STR("title"), value_str(STR("Alien")));
    const struct shape *poster = shape_next(STR("title"), shape_next(STR("title"), NULL));
    assert_int_equal(poster->make(arena, &row, &NIL).type, VALUE_NIL);
    value_set(&row, STR("slug"), value_str(STR("alien")));
    assert_true(str_eq(poster->make(arena, &row, &NIL).as.str, STR("/poster/alien.svg")));
    assert_shaped("decade", value_int(1990), "url", "/movies?decade=1990");
    assert_shaped("directed", value_int(12), "directed_text", "12");
    assert_shaped("directed", value_bool(true), "directed_text", NULL);
}

static void a_movie_without_a_synopsis_has_one_plain_sentence(void **state)
{
    (void)state;
    struct value row = value_map(arena, 8);
    value_set(&row, STR("title"), value_str(STR("Slam")));
    const struct shape *sentence = shape_next(STR("synopsis"), NULL);
    assert_true(str_eq(sentence->make(arena, &row, &NIL).as.str, STR("Slam is a movie.")));
    value_set(&row, STR("distributor"), value_str(STR("Trimark")));
    assert_true(str_eq(sentence->make(arena, &row, &NIL).as.str, STR("Slam is a movie released by Trimark.")));
    value_set(&row, STR("year"), value_int(1895));
    value_set(&row, STR("director"), value_str(STR("Marc Levin")));
    assert_true(str_eq(sentence->make(arena, &row, &NIL).as.str,
                       STR("Slam is an 1895 movie directed by Marc Levin, released by Trimark.")));
    struct value synopsis = value_str(STR("There is one."));
    assert_int_equal(sentence->make(arena, &row, &synopsis).type, VALUE_NIL);
}

static void links_are_a_list_with_names(void **state)
{
    (void)state;
    struct value links = shape_links(arena, STR("{\"wikipedia\":\"https://en.wikipedia.org/wiki/Alien\"}"));
    assert_int_equal(links.n, 1);
    assert_text(&links.as.items[0], "name", "Wikipedia");
    assert_text(&links.as.items[0], "url", "https://en.wikipedia.org/wiki/Alien");
    assert_int_equal(shape_links(arena, STR("{}")).type, VALUE_NIL);
    assert_int_equal(shape_links(arena, STR("[1,2")).type, VALUE_NIL);
    assert_int_equal(shape_links(arena, STR("[1,2]")).type, VALUE_NIL);
}

static void an_entity_tag_is_weak_and_follows_from_the_bytes(void **state)
{
    (void)state;
    char a[ETAG_SIZE], b[ETAG_SIZE];
    struct str one = etag_of(STR("a page"), a), two = etag_of(STR("a pagf"), b);
    assert_int_equal(one.n, 20);
    assert_true(str_starts(one, STR("W/\"")));
    assert_false(str_eq(one, two));
    assert_true(str_eq(one, etag_of(STR("a page"), b)));
    assert_false(str_eq(etag_of(STR(""), a), etag_of(STR("\0"), b)));
}

static void if_none_match_is_a_list_compared_weakly(void **state)
{
    (void)state;
    struct str tag = STR("W/\"abc\"");
    assert_true(etag_listed(STR("W/\"abc\""), tag));
    assert_true(etag_listed(STR("\"abc\""), tag));
    assert_true(etag_listed(STR("\"x\", W/\"y\" ,\t\"abc\""), tag));
    assert_true(etag_listed(STR("*"), tag));
    assert_true(etag_listed(STR("\"a,b\",\"abc\""), tag));
    static const char *const none[] = {"",        "\"ab\"", "abc",       "W/abc", "\"abc", "\"abcd\"",
                                       "*,\"x\"", "W/",     "w/\"abc\"", "\"",    ",,,"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(etag_listed(str_of(none[i]), tag));
}

static bool accepts(const char *first, const char *second)
{
    static struct headers headers;
    headers.n = 0;
    headers_add(&headers, STR("Accept-Encoding"), str_of(first));
    if (second)
        headers_add(&headers, STR("accept-encoding"), str_of(second));
    return gzip_accepted(&headers);
}

static void gzip_is_for_those_who_take_it(void **state)
{
    (void)state;
    static struct headers none;
    assert_false(gzip_accepted(&none));
    assert_true(accepts("gzip", NULL));
    assert_true(accepts("br, GZIP;q=0.001", NULL));
    assert_true(accepts("*", NULL));
    assert_true(accepts("br", "deflate , gzip"));
    assert_true(accepts("gzip ; q = 1", NULL));
    assert_false(accepts("", NULL));
    assert_false(accepts("br", NULL));
    assert_false(accepts("gzip;q=0", NULL));
    assert_false(accepts("gzip; Q=0.000, *", NULL));
    assert_false(accepts("identity, *;q=0", NULL));
    assert_false(accepts("gzipped", NULL));
    assert_false(accepts(",;,;q=;", NULL));
}

static void what_is_packed_is_unpacked_to_the_same(void **state)
{
    (void)state;
    static char page[20000], out[20000];
    struct gzip *gzip = gzip_new(1, sizeof page);
    assert_non_null(gzip);
    for (size_t length = 0; length <= sizeof page; length += 4999) {
        for (size_t i = 0; i < length; i++)
            page[i] = (char)('a' + i * i % 23);
        zmq_msg_t packed;
        assert_true(gzip_pack(gzip, (struct str){page, (uint32_t)length}, &packed));
        z_stream z = {.next_in = zmq_msg_data(&packed),
                      .avail_in = (uInt)zmq_msg_size(&packed),
                      .next_out = (unsigned char *)out,
                      .avail_out = sizeof out};
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, length);
        assert_memory_equal(out, page, length);
        inflateEnd(&z);
        zmq_msg_close(&packed);
    }
    zmq_msg_t none;
    assert_false(gzip_pack(gzip, (struct str){page, sizeof page + 1}, &none));
    gzip_free(&gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_also_has_its_columns_as_people_read_them),
        cmocka_unit_test(rows_that_are_cut_short_or_changed_are_refused_or_read_but_never_harm),
        cmocka_unit_test(numbers_dates_and_times_read_well),
        cmocka_unit_test(a_movie_has_a_picture_and_a_decade_an_address),
        cmocka_unit_test(a_movie_without_a_synopsis_has_one_plain_sentence),
        cmocka_unit_test(links_are_a_list_with_names),
        cmocka_unit_test(an_entity_tag_is_weak_and_follows_from_the_bytes),
        cmocka_unit_test(if_none_match_is_a_list_compared_weakly),
        cmocka_unit_test(gzip_is_for_those_who_take_it),
        cmocka_unit_test(what_is_packed_is_unpacked_to_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
