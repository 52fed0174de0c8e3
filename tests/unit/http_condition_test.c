/* In which form a stored page answers (cacher/http_condition.h), and what the answer tells of the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_cache_status.h"
#include "http_condition.h"

static struct request_facts facts;
static struct meta meta;
static struct part part;
static struct buffer packed = {.limit = 65536};

static void page(const char *const *lines)
{
    buffer_reset(&packed);
    for (; *lines; lines += 2)
        pairs_add(&packed, str_of(lines[0]), str_of(lines[1]));
    meta = (struct meta){.status = 200, .plain = 1000, .headers = buffer_str(&packed)};
}

#define PAGE(...) page((const char *const[]){__VA_ARGS__, NULL})

static enum form ask(const char *method, const char *const *lines)
{
    facts_begin(&facts, str_of(method));
    for (; *lines; lines += 2)
        facts_add(&facts, str_of(lines[0]), str_of(lines[1]));
    facts_end(&facts);
    return condition_form(&facts, &meta, &part);
}

#define GET(...)  ask("GET", (const char *const[]){__VA_ARGS__, NULL})
#define HEAD(...) ask("HEAD", (const char *const[]){__VA_ARGS__, NULL})

static void if_none_match_compares_weakly(void **state) /* RFC 9110 section 13.1.2 */
{
    (void)state;
    PAGE("ETag", "W/\"a,b\"");
    assert_int_equal(GET("if-none-match", "\"x\", \"a,b\""), FORM_NOT_MODIFIED);
    assert_int_equal(HEAD("if-none-match", "W/\"a,b\""), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-none-match", "*"), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-none-match", "\"x\"", "if-none-match", "\"a,b\""), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-none-match", "\"a\""), FORM_WHOLE);
    assert_int_equal(GET("if-none-match", "w/\"a,b\""), FORM_WHOLE);
    assert_int_equal(GET("if-none-match", ""), FORM_WHOLE);
    assert_int_equal(GET("if-match", "\"z\"", "if-unmodified-since", "x"), FORM_WHOLE);
    assert_int_equal(GET("if-none-match", "\"1\"", "if-none-match", "\"2\"", "if-none-match", "\"3\"", "if-none-match",
                         "\"4\"", "if-none-match", "\"a,b\""),
                     FORM_WHOLE);
    meta.status = 404;
    assert_int_equal(GET("if-none-match", "\"a,b\""), FORM_WHOLE);
    PAGE("x", "y");
    assert_int_equal(GET("if-none-match", "\"a\""), FORM_WHOLE);
    assert_int_equal(GET("if-none-match", "*"), FORM_NOT_MODIFIED);
}

static void if_modified_since_counts_without_if_none_match(void **state) /* section 13.1.3 */
{
    (void)state;
    PAGE("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT", "etag", "\"a\"");
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:38 GMT"), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"), FORM_WHOLE);
    assert_int_equal(GET("if-modified-since", "now"), FORM_WHOLE);
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:38 GMT", "if-none-match", "\"b\""), FORM_WHOLE);
    /* RFC 850 does not say the century (section 5.6.7). */
    assert_int_equal(GET("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT"), FORM_NOT_MODIFIED);
    assert_int_equal(GET("if-modified-since", "Sunday, 06-Nov-94 08:49:36 GMT"), FORM_WHOLE);
    PAGE("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), FORM_NOT_MODIFIED);
    PAGE("x", "y");
    assert_int_equal(GET("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), FORM_WHOLE);
}

static void is_part(const char *range, uint32_t first, uint32_t n)
{
    assert_int_equal(GET("range", range), FORM_PART);
    assert_true(part.first == first && part.n == n && part.whole == 1000);
}

static void one_range_is_cut_out(void **state) /* section 14 */
{
    (void)state;
    PAGE("x", "y");
    is_part("bytes=0-0", 0, 1);
    is_part("bytes=0-999", 0, 1000);
    is_part("bytes=10-", 10, 990);
    is_part("bytes=10-5000", 10, 990);
    is_part("Bytes=10-99999999999999999999999", 10, 990);
    is_part("bytes=-10", 990, 10);
    is_part("bytes=-5000", 0, 1000);
    is_part(" bytes= 999- ", 999, 1);
    static const char *const beyond[] = {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999-"};
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        assert_int_equal(GET("range", beyond[i]), FORM_UNSATISFIABLE);
        assert_int_equal(part.whole, 1000);
    }
    static const char *const ignored[] = {
        "bytes=0-1,5-6", "bytes=5-4", "bytes=-",    "bytes=",    "bytes", "lines=0-1",
        "bytes=a-b",     "bytes=1",   "bytes=0-1x", "bytes=--1", "",      "bytes=0-0,"};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        assert_int_equal(GET("range", ignored[i]), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0", "range", "bytes=1-1"), FORM_WHOLE);
    assert_int_equal(HEAD("range", "bytes=0-0"), FORM_WHOLE);
    meta.plain = 0;
    assert_int_equal(GET("range", "bytes=0-0"), FORM_WHOLE);
    meta.plain = 1000;
    meta.status = 404;
    assert_int_equal(GET("range", "bytes=0-0"), FORM_WHOLE);
}

static void if_range_wants_a_strong_validator(void **state) /* section 13.1.5 */
{
    (void)state;
    PAGE("etag", "\"a\"", "last-modified", "Sun, 06 Nov 1994 08:49:37 GMT", "date", "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "\"a\""), FORM_PART);
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "\"b\""), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "W/\"a\""), FORM_WHOLE);
    /* The client may have a coded form of that date: ours have one date and several forms. */
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "Sun, 06 Nov 1994 08:49:37 GMT"), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0", "if-range", ""), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0", "if-none-match", "\"a\""), FORM_NOT_MODIFIED);
    meta.flags |= META_CODED;
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "\"a\""), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0"), FORM_PART);
    PAGE("etag", "W/\"a\"", "last-modified", "Sun, 06 Nov 1994 08:49:37 GMT", "date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "W/\"a\""), FORM_WHOLE);
    assert_int_equal(GET("range", "bytes=0-0", "if-range", "Sun, 06 Nov 1994 08:49:37 GMT"), FORM_WHOLE);
}

static void the_answer_tells_how_it_came(void **state) /* RFC 9211 */
{
    (void)state;
    char text[CACHE_STATUS_SIZE];
    struct cache_note note = {.word = WORD_HIT, .has_ttl = true, .ttl = 1200};
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; hit; ttl=1200");
    note = (struct cache_note){.word = WORD_UPDATING, .why = WHY_CHANGED, .has_ttl = true, .ttl = -3};
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; hit; ttl=-3; detail=changed");
    note = (struct cache_note){
        .word = WORD_MISS, .why = WHY_ABSENT, .forwarded = true, .fwd_status = 200, .stored = true, .collapsed = true};
    size_t n = cache_status_write(&note, text);
    assert_int_equal(n, strlen(text));
    assert_string_equal(text, "FilmyFly; fwd=uri-miss; fwd-status=200; stored; collapsed; detail=absent");
    note =
        (struct cache_note){.why = WHY_UNCACHEABLE, .forwarded = true, .fwd_status = 200, .not_stored = "set-cookie"};
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; fwd=bypass; fwd-status=200; detail=set-cookie");
    note = (struct cache_note){.why = WHY_ABSENT, .forwarded = true, .fwd_status = 200, .variant = true};
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; fwd=vary-miss; fwd-status=200; detail=absent");
    note = (struct cache_note){.word = WORD_MISS, .why = WHY_ABSENT}; /* only-if-cached */
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; detail=absent");
    note = (struct cache_note){.why = WHY_AGE, .forwarded = true};
    cache_status_write(&note, text);
    assert_string_equal(text, "FilmyFly; fwd=stale; detail=age");
    assert_string_equal(cache_word_text(WORD_EXPIRED), "EXPIRED");
    buffer_release(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(if_none_match_compares_weakly),
        cmocka_unit_test(if_modified_since_counts_without_if_none_match),
        cmocka_unit_test(one_range_is_cut_out),
        cmocka_unit_test(if_range_wants_a_strong_validator),
        cmocka_unit_test(the_answer_tells_how_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
