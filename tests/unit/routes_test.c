/* Which page an address means: patterns, numbers of the query string, percent-encoding, and what hostile visitors type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query_string.h"
#include "router.h"

#define GET "GET, HEAD"

static const struct route routes[] = {
    {"/", GET, FORM_HTML, FRESH_PAGE, "home", NULL, {{0}}},
    {"/movies", GET, FORM_HTML, FRESH_PAGE, "movies", NULL, {{"list", "movies", ROWS_LIST, {"page", "per_page"}}}},
    {"/movie/{slug}", GET, FORM_HTML, FRESH_PAGE, "movie", NULL, {{"movie", "movie", ROWS_NEED, {"slug"}}}},
    {"/movie/{slug}/cast/{person}", GET, FORM_HTML, FRESH_PAGE, "cast", NULL, {{0}}},
    {"/form", "POST", FORM_HTML, FRESH_NEVER, "form", NULL, {{0}}},
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
                                      "page=",
                                      "page",
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

static void where_a_page_moved_to(void **state)
{
    (void)state;
    assert_true(str_eq(route_path_of(arena, &routes[2], STR("aliens")), STR("/movie/aliens")));
    assert_true(str_eq(route_path_of(arena, &routes[3], STR("a")), STR("/movie/a/cast/{person}")));
    assert_null(route_path_of(arena, &routes[0], STR("a")).p);
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
        {"/movie/{slug}", GET, FORM_HTML, FRESH_PAGE, "movie", NULL, {{"movie", "movie", ROWS_NEED, {"slog"}}}}};
    assert_false(route_table_check(&(struct route_table){wrong, 1}, error, sizeof error));
    assert_non_null(strstr(error, "slog"));
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
        cmocka_unit_test(where_a_page_moved_to),
        cmocka_unit_test(percent_decoding_refuses_what_is_broken_or_not_clean),
        cmocka_unit_test(a_value_is_found_among_others),
        cmocka_unit_test(a_mistake_in_the_table_is_found_at_the_start),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
