/* What pages get beside their rows: shelves, filters, chips, the pager, paragraphs, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "complete.h"
#include "http_date.h"
#include "pager.h"

static struct arena *arena;
static struct route_match match;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(8 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* A tree with room for what a page's function adds. */
static struct value tree(const char *json)
{
    struct value value;
    char error[200];
    if (!value_from_json(arena, json, strlen(json), &value, error, sizeof error))
        fail_msg("%s", error);
    return value_extend(arena, &value, 40);
}

static void ask(const char *target)
{
    assert_int_equal(route_match(&site_routes, STR("GET"), str_of(target), arena, &match), ROUTE_FOUND);
}

/* The value at "filters/decades/0/name"; NULL when there is none. */
static const struct value *at(const struct value *value, const char *path)
{
    while (value && *path) {
        size_t n = strcspn(path, "/");
        if (value->type == VALUE_LIST)
            value = (uint32_t)atoi(path) < value->n ? &value->as.items[atoi(path)] : NULL;
        else
            value = value_get(value, (struct str){path, (uint32_t)n});
        path += n + (path[n] == '/');
    }
    return value;
}

static void assert_text(const struct value *root, const char *path, const char *expected)
{
    const struct value *v = at(root, path);
    if (!v || v->type != VALUE_STR || !str_eq(v->as.str, str_of(expected)))
        fail_msg("%s is \"" STR_FMT "\", not \"%s\"", path, STR_ARG(v && v->type == VALUE_STR ? v->as.str : STR_NONE),
                 expected);
}

static bool is_true(const struct value *root, const char *path)
{
    const struct value *v = at(root, path);
    return v && value_truth(v);
}

static struct value *full_page(uint32_t n, int64_t last)
{
    struct value *list = arena_alloc(arena, sizeof *list);
    *list = value_list(arena, n);
    for (uint32_t i = 0; i < n; i++) {
        list->as.items[i] = value_map(arena, 1);
        value_set(&list->as.items[i], STR("id"), value_int(last - n + 1 + i));
    }
    return list;
}

static void a_related_movie_stands_once(void **state)
{
    (void)state;
    ask("/movie/a");
    struct value root = tree("{\"site\":\"https://x\",\"movie\":{\"slug\":\"a\",\"title\":\"A\"},\"related\":["
                             "{\"of_director\":true,\"slug\":\"b\"},{\"of_director\":true,\"slug\":\"c\"},"
                             "{\"of_director\":false,\"slug\":\"c\"},{\"of_director\":false,\"slug\":\"d\"}]}");
    assert_true(complete_movie(arena, &match, &root));
    assert_int_equal(at(&root, "by_director")->n, 2);
    assert_int_equal(at(&root, "in_category")->n, 1);
    assert_text(&root, "in_category/0/slug", "d");
}

static void shelves_are_runs_of_rows(void **state)
{
    (void)state;
    ask("/");
    struct value root = tree("{\"site\":\"https://x\",\"newest\":[],\"categories\":[{}],\"shelf_movies\":["
                             "{\"category_slug\":\"a\",\"category_name\":\"A\",\"id\":1},"
                             "{\"category_slug\":\"a\",\"category_name\":\"A\",\"id\":2},"
                             "{\"category_slug\":\"b\",\"category_name\":\"B\",\"id\":3}]}");
    assert_true(complete_home(arena, &match, &root));
    assert_int_equal(at(&root, "shelves")->n, 2);
    assert_text(&root, "shelves/0/name", "A");
    assert_text(&root, "shelves/1/slug", "b");
    assert_int_equal(at(&root, "shelves/0/movies")->n, 2);
    assert_int_equal(at(&root, "shelves/1/movies/0/id")->as.integer, 3);
    assert_true(is_true(&root, "has_shelves") && is_true(&root, "has_categories"));
    assert_false(is_true(&root, "has_newest") || is_true(&root, "has_best"));
    assert_non_null(strstr(at(&root, "json_ld")->as.str.p, "SearchAction"));
}

static struct value browse(const char *target)
{
    ask(target);
    struct value root =
        tree("{\"total\":0,\"movies\":[],\"categories\":[{\"slug\":\"film-noir\",\"name\":\"Film-Noir\"},"
             "{\"slug\":\"horror\",\"name\":\"Horror\"}],\"decades\":[{\"decade\":2000},{\"decade\":1940}],"
             "\"certificates\":[{\"certificate\":\"Not Rated\"}]}");
    assert_true(complete_movies(arena, &match, &root));
    return root;
}

static void filters_say_what_is_chosen(void **state)
{
    (void)state;
    struct value root = browse("/movies?category=horror&year=1944&score=7");
    assert_text(&root, "filters/categories/1/name", "Horror");
    assert_true(is_true(&root, "filters/categories/1/selected"));
    assert_false(is_true(&root, "filters/categories/0/selected"));
    assert_text(&root, "filters/decades/1/value", "1940");
    assert_text(&root, "filters/decades/1/name", "1940s");
    assert_true(is_true(&root, "filters/decades/1/selected"));
    assert_int_equal(at(&root, "filters/years")->n, 10);
    assert_text(&root, "filters/years/5/value", "1944");
    assert_true(is_true(&root, "filters/years/5/selected"));
    assert_text(&root, "filters/certificates/0/value", "Not Rated");
    assert_text(&root, "filters/scores/2/value", "7");
    assert_true(is_true(&root, "filters/scores/2/selected"));
    assert_true(is_true(&root, "filters/sorts/0/selected"));
    assert_text(&root, "heading", "Horror movies of 1944, scored 7 or more");

    root = browse("/movies");
    assert_false(is_true(&root, "filters/has_years") || is_true(&root, "has_chips") || is_true(&root, "noindex"));
    assert_text(&root, "heading", "Movies");
}

static void a_chip_takes_its_filter_away(void **state)
{
    (void)state;
    struct value root = browse("/movies?certificate=Not+Rated&category=no-such&decade=1940&sort=title&page=1");
    assert_int_equal(at(&root, "chips")->n, 3);
    assert_text(&root, "chips/0/label", "no-such");
    assert_text(&root, "chips/0/url", "/movies?decade=1940&certificate=Not+Rated&sort=title");
    assert_text(&root, "chips/1/label", "1940s");
    assert_text(&root, "chips/1/url", "/movies?category=no-such&certificate=Not+Rated&sort=title");
    assert_text(&root, "chips/2/url", "/movies?category=no-such&decade=1940&sort=title");
    assert_true(is_true(&root, "noindex"));
    assert_text(&root, "heading", "no-such movies of the 1940s, Not Rated, A to Z");
}

static bool page_of(const char *target, struct pager_list list, struct value *root)
{
    ask(target);
    *root = value_map(arena, 20);
    list.a_page = MOVIES_A_PAGE;
    return pager_set(arena, &match, &list, root);
}

/* How many pages the pager shows: the number of its last place. */
static int64_t pages_in(const struct value *root)
{
    const struct value *items = at(root, "pager/items");
    return value_get(&items->as.items[items->n - 1], STR("number"))->as.integer;
}

static void the_pager_shows_the_ends_and_what_is_around(void **state)
{
    (void)state;
    struct value root;
    assert_true(page_of("/movies?page=7&score=5", (struct pager_list){.total = 36 * 20}, &root));
    assert_int_equal(at(&root, "pager/items")->n, 9);
    assert_text(&root, "pager/items/0/url", "/movies?score=5");
    assert_true(is_true(&root, "pager/items/1/gap") && is_true(&root, "pager/items/4/current"));
    assert_text(&root, "pager/items/8/url", "/movies?score=5&page=20");
    assert_text(&root, "pager/previous", "/movies?score=5&page=6");
    assert_text(&root, "pager/next", "/movies?score=5&page=8");
    assert_text(&root, "total_text", "720");
    assert_true(page_of("/movies", (struct pager_list){.total = 36}, &root));
    assert_null(at(&root, "pager"));
    assert_true(page_of("/movies", (struct pager_list){.total = -5}, &root));
    assert_false(page_of("/movies?page=2", (struct pager_list){.total = 36}, &root));
    assert_false(page_of("/movies?page=2", (struct pager_list){.total = 0}, &root));
}

static void behind_page_100_the_way_goes_on_by_key(void **state)
{
    (void)state;
    struct value root;
    struct pager_list list = {.movies = full_page(36, 500), .total = INT64_MAX};
    assert_true(page_of("/movies?page=99", list, &root));
    assert_null(at(&root, "next_url"));
    assert_true(page_of("/movies?page=100&sort=best", list, &root));
    assert_text(&root, "next_url", "/movies?sort=best&after=500");
    assert_null(at(&root, "pager/next"));
    assert_true(page_of("/movies?after=3", list, &root));
    assert_text(&root, "next_url", "/movies?after=500");
    assert_null(at(&root, "pager"));
    list.movies = full_page(35, 500);
    assert_true(page_of("/movies?after=3", list, &root));
    assert_null(at(&root, "next_url"));
    list.total = 3600;
    assert_true(page_of("/movies?page=100", list, &root));
    assert_null(at(&root, "next_url"));
}

static void a_count_that_was_given_up_is_1000_and_more(void **state)
{
    (void)state;
    struct value root;
    struct pager_list list = {.movies = full_page(36, 500), .total = 1001, .counted = COUNTED};
    assert_true(page_of("/movies?score=1", list, &root));
    assert_text(&root, "total_text", "1,000+");
    assert_int_equal(pages_in(&root), 28);
    assert_true(page_of("/movies?score=1&page=28", list, &root));
    assert_int_equal(pages_in(&root), 29);
    assert_true(page_of("/movies?score=1&page=100", list, &root));
    assert_text(&root, "next_url", "/movies?score=1&after=500");
    list.movies = full_page(0, 0);
    assert_true(page_of("/movies?score=1&page=50", list, &root));
    assert_text(&root, "first_url", "/movies?score=1");
    assert_true(is_true(&root, "noindex"));
    assert_null(at(&root, "pager"));
    assert_true(page_of("/movies?score=1&after=500", list, &root));
    assert_text(&root, "first_url", "/movies?score=1");
    assert_true(page_of("/movies?score=1", list, &root));
    assert_null(at(&root, "first_url"));
    /* Of a search there is no more than that. */
    list.ends_there = true;
    assert_false(page_of("/movies?score=1&page=50", list, &root));
}

static void a_text_falls_into_paragraphs(void **state)
{
    (void)state;
    ask("/about");
    struct value root = tree("{\"texts\":[{\"key\":\"legal\",\"value\":\"x\"},"
                             "{\"key\":\"about\",\"value\":\"\\n\\r\\n One\\ntwo\\r\\n \\t\\r\\n\\n<b>\\n\"}]}");
    assert_true(complete_text(arena, &match, &root));
    assert_text(&root, "heading", "About");
    assert_int_equal(at(&root, "paragraphs")->n, 2);
    assert_text(&root, "paragraphs/0", " One\ntwo\r");
    assert_text(&root, "paragraphs/1", "<b>");
    root = tree("{\"texts\":[]}");
    assert_true(complete_text(arena, &match, &root));
    assert_int_equal(at(&root, "paragraphs")->n, 1);
}

static void a_search_says_what_was_searched_instead(void **state)
{
    (void)state;
    ask("/search?q=alein+3");
    struct value root =
        tree("{\"people\":[],\"q\":\"alein 3\",\"movies\":[{\"total\":241,\"corrected\":\"alien 3\"}]}");
    assert_true(complete_search(arena, &match, &root));
    assert_text(&root, "corrected", "alien 3");
    assert_text(&root, "corrected_url", "/search?q=alien+3");
    assert_text(&root, "total_text", "240+");
    assert_int_equal(pages_in(&root), 10);
    assert_false(is_true(&root, "too_short") || is_true(&root, "has_people"));
    for (int i = 0; i < 3; i++) {
        static const char *const targets[] = {"/search?q=%C3%A9%C3%A9", "/search?q=abc", "/search"};
        ask(targets[i]);
        root = tree("{\"people\":[],\"movies\":[]}");
        assert_true(complete_search(arena, &match, &root));
        assert_int_equal(is_true(&root, "too_short"), i == 0);
    }
}

static void a_time_is_a_date_of_http(void **state)
{
    (void)state;
    char out[HTTP_DATE_SIZE];
    assert_true(str_eq(http_date(784111777, out), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
    assert_true(str_eq(http_date(1709251199, out), STR("Thu, 29 Feb 2024 23:59:59 GMT")));
    assert_null(http_date(253402300800, out).p); /* the year 10000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_related_movie_stands_once),
        cmocka_unit_test(shelves_are_runs_of_rows),
        cmocka_unit_test(filters_say_what_is_chosen),
        cmocka_unit_test(a_chip_takes_its_filter_away),
        cmocka_unit_test(the_pager_shows_the_ends_and_what_is_around),
        cmocka_unit_test(behind_page_100_the_way_goes_on_by_key),
        cmocka_unit_test(a_count_that_was_given_up_is_1000_and_more),
        cmocka_unit_test(a_text_falls_into_paragraphs),
        cmocka_unit_test(a_search_says_what_was_searched_instead),
        cmocka_unit_test(a_time_is_a_date_of_http),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
