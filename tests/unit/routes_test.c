/* Which page an address means, and which address a page has: patterns, parameters of the query string,
 * percent-encoding, and what hostile visitors type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "address.h"
#include "query_string.h"

#define PAGE .methods = "GET, HEAD", .form = FORM_HTML, .fresh = FRESH_PAGE

static const struct route routes[] = {
    {.pattern = "/", PAGE, .view = "home"},
    {.pattern = "/movies",
     PAGE,
     .view = "movies",
     .statements = {{"list",
                     "movies",
                     ROWS_LIST,
                     {"category", "decade", "year", "certificate", "score", "sort", "page", "after"}},
                    {"size", "size", ROWS_VALUE, {"per_page"}}}},
    {.pattern = "/movie/{slug}",
     PAGE,
     .view = "movie",
     .statements = {{"movie", "movie", ROWS_NEED, {"slug"}}},
     .missing = {"movie_like", "suggestions", ROWS_LIST, {"slug"}}},
    {.pattern = "/movie/{slug}/cast/{person}", PAGE, .view = "cast"},
    {.pattern = "/search", PAGE, .view = "search", .statements = {{"search", "movies", ROWS_LIST, {"q", "page"}}}},
    {.pattern = "/poster/{slug}.svg", .methods = "GET, HEAD", .form = FORM_SVG, .view = "poster"},
    {.pattern = "/sitemap/movies-{n}.xml", .methods = "GET, HEAD", .form = FORM_XML, .view = "sitemap"},
    {.pattern = "/form", .methods = "POST", .form = FORM_HTML, .fresh = FRESH_NEVER, .view = "form"},
};
static const struct route_table table = {routes, sizeof routes / sizeof *routes};

static struct arena *arena;
static struct route_match match;

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

static enum route_verdict ask(const char *method, const char *target)
{
    return route_match(&table, str_of(method), str_of(target), arena, &match);
}

static void assert_variable(const char *name, const char *text)
{
    const struct route_variable *v = route_variable(&match, str_of(name));
    assert_non_null(v);
    assert_true(str_eq(v->text, str_of(text)));
}

static void an_address_finds_its_route(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/"), ROUTE_FOUND);
    assert_string_equal(match.route->view, "home");
    assert_int_equal(ask("GET", "/?utm_source=x"), ROUTE_FOUND);
    assert_int_equal(ask("GET", "/movies"), ROUTE_FOUND);
    assert_int_equal(ask("GET", "/movie/alien"), ROUTE_FOUND);
    assert_variable("slug", "alien");
    assert_true(str_eq(match.path, STR("/movie/alien")));
    assert_int_equal(ask("GET", "/movie/king-kong-1933/cast/fay-wray"), ROUTE_FOUND);
    assert_variable("slug", "king-kong-1933");
    assert_variable("person", "fay-wray");
    assert_int_equal(match.n, 2);
}

static void the_absolute_form_is_understood(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "https://example.org/movie/alien?x=1"), ROUTE_FOUND);
    assert_variable("slug", "alien");
    assert_int_equal(ask("GET", "HTTP://example.org"), ROUTE_FOUND);
    assert_string_equal(match.route->view, "home");
    assert_int_equal(ask("GET", "ftp://example.org/movies"), ROUTE_UNKNOWN);
}

static void head_is_as_get_and_other_methods_are_told_what_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(ask("HEAD", "/movie/alien"), ROUTE_FOUND);
    assert_int_equal(ask("POST", "/movie/alien"), ROUTE_NOT_METHOD);
    assert_string_equal(match.route->methods, "GET, HEAD");
    assert_int_equal(ask("GET", "/form"), ROUTE_NOT_METHOD);
    assert_string_equal(match.route->methods, "POST");
    assert_int_equal(ask("POST", "/form"), ROUTE_FOUND);
    /* Part of a method's name is none, and methods are case-sensitive (RFC 9110 section 9.1). */
    static const char *const none[] = {"GE", "ET", "get", "GET,", "GET, HEAD", "", ",", " ", "HEA", "BREW"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ask(none[i], "/movies"), ROUTE_NOT_METHOD);
    assert_int_equal(ask("POST", "/nowhere"), ROUTE_UNKNOWN);
}

static void numbers_of_the_query_string_have_a_default_and_a_range(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/movies"), ROUTE_FOUND);
    assert_variable("page", "1");
    assert_variable("per_page", "20");
    assert_int_equal(ask("GET", "/movies?page=7&per_page=100&x=y"), ROUTE_FOUND);
    assert_variable("page", "7");
    assert_int_equal(route_variable(&match, STR("per_page"))->number, 100);
    assert_int_equal(ask("GET", "/movies?p%61ge=%37"), ROUTE_FOUND);
    assert_variable("page", "7");
    static const char *const bad[] = {"page=0",
                                      "page=101",
                                      "page=-1",
                                      "page=1x",
                                      "page=+1",
                                      "page=%31%",
                                      "page=%0",
                                      "page=1 ",
                                      "page=%00",
                                      "page=１",
                                      "page=1e1",
                                      "page=4294967297",
                                      "page=1&page=1",
                                      "page=99999999999999999999",
                                      "per_page=101&page=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char target[100];
        snprintf(target, sizeof target, "/movies?%s", bad[i]);
        assert_int_equal(ask("GET", target), ROUTE_BAD);
    }
    /* A route that takes no number does not care. */
    assert_int_equal(ask("GET", "/movie/alien?page=x"), ROUTE_FOUND);
}

static void what_is_no_slug_is_no_page(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "*",
        "movies",
        "//",
        "/movies/",
        "//movies",
        "/movies//",
        "/movie",
        "/movie/",
        "/movie//",
        "/movie/alien/",
        "/movie/-alien",
        "/movie/alien-",
        "/movie/a--b",
        "/movie/Alien",
        "/movie/al ien",
        "/movie/alien%",
        "/movie/alien%2",
        "/movie/alien%zz",
        "/movie/alien%00",
        "/movie/alien%2f",
        "/movie/..",
        "/movie/%2e%2e",
        "/movie/../movies",
        "/movie/%2e%2e%2fmovies",
        "/movie/alien%0d%0aX",
        "/movie/{slug}",
        "/movie/%ff",
        "/movie/al%c0%afien",
        "/movie/\xc3\xa9",
        "/movie/';drop",
        "/movie/alien\n",
        "/movie/alien;x",
        "/movie/a/cast",
        "/movie/a/cast/",
        "/movie/a/cast/b/c",
        "/movie/a/Cast/b",
        "/./movies",
        "/movies/.",
        "\\movies",
        "/movies%2F",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ask("GET", none[i]), ROUTE_UNKNOWN);
    assert_int_equal(route_match(&table, STR("GET"), STR("/movie/al\0ien"), arena, &match), ROUTE_UNKNOWN);
    /* Encoded letters are the letters (RFC 3986 section 6.2.2.2). */
    assert_int_equal(ask("GET", "/movie/%61lien"), ROUTE_FOUND);
    assert_variable("slug", "alien");
    assert_int_equal(ask("GET", "/%6dovies"), ROUTE_FOUND);
}

static void a_slug_has_a_greatest_length(void **state)
{
    (void)state;
    char target[200] = "/movie/";
    memset(target + 7, 'a', 121);
    assert_int_equal(ask("GET", target), ROUTE_UNKNOWN);
    target[7 + 120] = 0;
    assert_int_equal(ask("GET", target), ROUTE_FOUND);
}

static void an_absolute_address_may_end_without_a_path(void **state)
{
    static const char *const targets[][2] = {
        {"http://x.example/movies?page=2", "movies"},
        {"HTTPS://x.example:8443/movies", "movies"},
        {"http://x.example", "home"},
        {"http://x.example?next=/movies", "home"},
        {"http://x.example/?next=/movies", "home"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        assert_int_equal(ask("GET", targets[i][0]), ROUTE_FOUND);
        assert_string_equal(match.route->view, targets[i][1]);
    }
    assert_int_equal(ask("GET", "?next=/movies"), ROUTE_UNKNOWN);
}

static void where_a_page_moved_to(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/movie/alien"), ROUTE_FOUND);
    assert_true(str_eq(address_moved(arena, &match, STR("slug"), STR("aliens")), STR("/movie/aliens")));
    assert_int_equal(ask("GET", "/movie/alien/cast/a"), ROUTE_FOUND);
    assert_true(str_eq(address_moved(arena, &match, STR("slug"), STR("b")), STR("/movie/b/cast/a")));
    assert_int_equal(ask("GET", "/poster/alien.svg"), ROUTE_FOUND);
    assert_true(str_eq(address_moved(arena, &match, STR("slug"), STR("b")), STR("/poster/b.svg")));
}

static void a_segment_may_say_more_than_what_varies(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/poster/alien-3.svg"), ROUTE_FOUND);
    assert_variable("slug", "alien-3");
    assert_int_equal(ask("GET", "/sitemap/movies-12.xml"), ROUTE_FOUND);
    assert_variable("n", "12");
    assert_int_equal(route_variable(&match, STR("n"))->number, 12);
    static const char *const none[] = {"/poster/.svg",
                                       "/poster/alien",
                                       "/poster/alien.svgz",
                                       "/poster/alien.SVG",
                                       "/poster/svg",
                                       "/poster/a.b.svg",
                                       "/sitemap/movies-.xml",
                                       "/sitemap/movies-0.xml",
                                       "/sitemap/movies-01.xml",
                                       "/sitemap/movies--1.xml",
                                       "/sitemap/movies-1x.xml",
                                       "/sitemap/movies-9999999999.xml",
                                       "/sitemap/people-1.xml"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ask("GET", none[i]), ROUTE_UNKNOWN);
}

static void filters_have_a_form_and_what_is_empty_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/movies?category=&decade=&year=&certificate=&score=&sort=&page="), ROUTE_FOUND);
    assert_true(match.has_empty);
    assert_null(route_variable(&match, STR("category")));
    assert_null(route_variable(&match, STR("certificate")));
    assert_variable("sort", "newest");
    assert_variable("page", "1");
    assert_int_equal(ask("GET", "/movies?certificate=Not+Rated&category=film-noir&score=8&sort=title"), ROUTE_FOUND);
    assert_variable("certificate", "Not Rated");
    assert_variable("category", "film-noir");
    assert_variable("sort", "title");
    assert_int_equal(route_variable(&match, STR("score"))->number, 8);
    static const char *const bad[] = {
        "category=Film",  "category=a--b", "category=%2e%2e",  "decade=1995",
        "decade=1860",    "year=95",       "year=1869",        "year=2110",
        "score=0",        "score=11",      "score=7.5",        "sort=worst",
        "sort=NEWEST",    "after=0",       "after=-1",         "after=9999999999999999999",
        "certificate=%0", "sort=a&sort=b", "certificate=%00a", "category=a&category=a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char target[100];
        snprintf(target, sizeof target, "/movies?%s", bad[i]);
        assert_int_equal(ask("GET", target), ROUTE_BAD);
    }
}

static void assert_address(const char *target, const char *expected)
{
    assert_int_equal(ask("GET", target), ROUTE_FOUND);
    struct str address = address_of(arena, &match);
    assert_true(address.p && str_eq(address, str_of(expected)));
    /* It is its own. */
    assert_int_equal(route_match(&table, STR("GET"), address, arena, &match), ROUTE_FOUND);
    assert_true(str_eq(address_of(arena, &match), address));
}

static void a_page_has_one_address(void **state)
{
    (void)state;
    assert_address("/", "/");
    assert_address("/?utm_source=x&fbclid=y", "/");
    assert_address("/movie/%61lien?page=3", "/movie/alien");
    assert_address("https://example.org/movies?page=1&sort=newest&utm_medium=x", "/movies");
    assert_address("/movies?page=2&sort=best&category=drama", "/movies?category=drama&sort=best&page=2");
    assert_address("/movies?certificate=Not%20Rated", "/movies?certificate=Not+Rated");
    assert_address("/movies?after=12345678901&page=7", "/movies?after=12345678901");
    assert_address("/search?q=%20caf%C3%A9+%26+bar%00", "/search?q=caf%C3%A9+%26+bar");
    assert_address("/search?q=a%3Cb%3E%22'", "/search?q=a%3Cb%3E%22%27");
    assert_address("/search?q=+", "/search");
    assert_address("/sitemap/movies-3.xml?x", "/sitemap/movies-3.xml");
    /* A year says more than its decade; one of another decade is left over in a form. */
    assert_address("/movies?decade=1990&year=1994", "/movies?year=1994");
    assert_address("/movies?decade=2000&year=1994", "/movies?decade=2000");
}

static void a_changed_filter_leads_to_the_first_page(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/movies?category=drama&score=7&page=9"), ROUTE_FOUND);
    assert_true(str_eq(address_with(arena, &match, STR("score"), STR_NONE), STR("/movies?category=drama")));
    assert_true(
        str_eq(address_with(arena, &match, STR("sort"), STR("best")), STR("/movies?category=drama&score=7&sort=best")));
    assert_true(
        str_eq(address_with(arena, &match, STR("page"), STR("10")), STR("/movies?category=drama&score=7&page=10")));
    assert_true(str_eq(address_with(arena, &match, STR("page"), STR("1")), STR("/movies?category=drama&score=7")));
    assert_true(
        str_eq(address_with(arena, &match, STR("after"), STR("99")), STR("/movies?category=drama&score=7&after=99")));
}

static void assert_words(const char *query, const char *expected)
{
    struct str words = query_get_words(arena, str_of(query), STR("q"), 20);
    assert_true(words.p && str_eq(words, str_of(expected)));
    assert_true(text_is_clean(words));
}

static void what_somebody_typed_is_never_refused(void **state)
{
    (void)state;
    assert_words("", "");
    assert_words("p=x", "");
    assert_words("q", "");
    assert_words("q=", "");
    assert_words("q=+++", "");
    assert_words("q=++star++wars+", "star wars");
    assert_words("q=a&q=b", "a");
    assert_words("q=100%", "100%");
    assert_words("q=100%+%zz%4", "100% %zz%4");
    assert_words("q=a%00b%0d%0ac%7f", "a b c");
    assert_words("q=%ffa%c3%28%e2%82", "a (");
    assert_words("q=a%c2%a0b%c2%85c", "a b c");
    assert_words("q=%f0%9f%8e%ac%e2%80%ae", "\xf0\x9f\x8e\xac\xe2\x80\xae");
    assert_words("q='%3bdrop+table--", "';drop table--");
    assert_words("q=aaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaa");
    assert_words("q=aaaaaaaaaaaaaaaaaaa+bb", "aaaaaaaaaaaaaaaaaaa");
    assert_words(
        "q=%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9%c3%a9"
        "%c3%a9%c3%a9%c3%a9%c3%a9",
        "éééééééééééééééééééé");
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char text[6] = {'q', '=', (char)a, (char)b, '%', (char)b};
            arena_reset(arena);
            struct str words = query_get_words(arena, (struct str){text, 6}, STR("q"), 20);
            assert_true(text_is_clean(words));
        }
}

static void percent_decoding_refuses_what_is_broken_or_not_clean(void **state)
{
    (void)state;
    struct str out;
    assert_true(percent_decode(arena, STR("a%20b+c%C3%a9"), false, &out));
    assert_true(str_eq(out, STR("a b+c\xc3\xa9")));
    assert_true(percent_decode(arena, STR("a+b%2B"), true, &out));
    assert_true(str_eq(out, STR("a b+")));
    assert_true(percent_decode(arena, STR(""), true, &out));
    assert_int_equal(out.n, 0);
    static const char *const bad[] = {"%",
                                      "%4",
                                      "%4g",
                                      "%g4",
                                      "a%",
                                      "%00",
                                      "%1f",
                                      "%7f",
                                      "%0A",
                                      "%80",
                                      "%c3",
                                      "%c3%28",
                                      "%c0%80",
                                      "%e0%80%80",
                                      "%ed%a0%80",
                                      "%f4%90%80%80",
                                      "%f8%88%80%80%80",
                                      "%e2%82",
                                      "\xff",
                                      "\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(percent_decode(arena, str_of(bad[i]), false, &out));
    assert_true(percent_decode(arena, STR("%f0%9f%8e%ac%ed%9f%bf%ee%80%80"), false, &out));
    /* Whatever stands there, it ends: every pair of bytes after a percent sign. */
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char text[3] = {'%', (char)a, (char)b};
            arena_reset(arena);
            percent_decode(arena, (struct str){text, 3}, true, &out);
        }
}

static void a_value_is_found_among_others(void **state)
{
    (void)state;
    struct str v;
    assert_int_equal(query_get(arena, STR("a=1&b=2&c"), STR("b"), &v), QUERY_FOUND);
    assert_true(str_eq(v, STR("2")));
    assert_int_equal(query_get(arena, STR("&&a=1&&"), STR("a"), &v), QUERY_FOUND);
    assert_int_equal(query_get(arena, STR("a"), STR("a"), &v), QUERY_FOUND);
    assert_int_equal(v.n, 0);
    assert_int_equal(query_get(arena, STR("a=b=c"), STR("a"), &v), QUERY_FOUND);
    assert_true(str_eq(v, STR("b=c")));
    assert_int_equal(query_get(arena, STR("aa=1&A=2"), STR("a"), &v), QUERY_ABSENT);
    assert_int_equal(query_get(arena, STR(""), STR("a"), &v), QUERY_ABSENT);
    assert_int_equal(query_get(arena, STR("a=1&a=2"), STR("a"), &v), QUERY_BAD);
    assert_int_equal(query_get(arena, STR("a=1&%61=2"), STR("a"), &v), QUERY_BAD);
    assert_int_equal(query_get(arena, STR("a=%ff"), STR("a"), &v), QUERY_BAD);
    assert_int_equal(query_get(arena, STR("%=1&%zz&a=1"), STR("a"), &v), QUERY_FOUND);
}

static void a_mistake_in_the_table_is_found_at_the_start(void **state)
{
    (void)state;
    char error[300];
    assert_true(route_table_check(&table, error, sizeof error));
    assert_true(route_table_check(&site_routes, error, sizeof error));
    static const struct route wrong[] = {
        {.pattern = "/movie/{slug}", PAGE, .view = "movie", .statements = {{"movie", "movie", ROWS_NEED, {"slog"}}}},
        {.pattern = "/movie/{slug}", PAGE, .view = "movie", .missing = {"like", "like", ROWS_LIST, {"slog"}}},
        {.pattern = "/movie/{slog", PAGE, .view = "movie", .statements = {{"movie", "movie", ROWS_NEED, {"slog"}}}},
        {.pattern = "/slog", PAGE},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(route_table_check(&(struct route_table){&wrong[i], 1}, error, sizeof error));
        assert_non_null(strstr(error, "slog"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_finds_its_route),
        cmocka_unit_test(the_absolute_form_is_understood),
        cmocka_unit_test(head_is_as_get_and_other_methods_are_told_what_is_allowed),
        cmocka_unit_test(numbers_of_the_query_string_have_a_default_and_a_range),
        cmocka_unit_test(what_is_no_slug_is_no_page),
        cmocka_unit_test(a_slug_has_a_greatest_length),
        cmocka_unit_test(an_absolute_address_may_end_without_a_path),
        cmocka_unit_test(where_a_page_moved_to),
        cmocka_unit_test(a_segment_may_say_more_than_what_varies),
        cmocka_unit_test(filters_have_a_form_and_what_is_empty_is_not_there),
        cmocka_unit_test(a_page_has_one_address),
        cmocka_unit_test(a_changed_filter_leads_to_the_first_page),
        cmocka_unit_test(what_somebody_typed_is_never_refused),
        cmocka_unit_test(percent_decoding_refuses_what_is_broken_or_not_clean),
        cmocka_unit_test(a_value_is_found_among_others),
        cmocka_unit_test(a_mistake_in_the_table_is_found_at_the_start),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
