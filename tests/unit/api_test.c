/* The API: its description says what the table of routes says, and lists lead on and end where they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api.h"

static struct arena *arena;
static struct route_match match;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1 << 22);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static bool is_api(const struct route *route)
{
    return strncmp(route->pattern, "/api/", 5) == 0;
}

/* What a route is described as; NULL: it is not. */
static json_t *operation_of(json_t *description, const struct route *route)
{
    return json_object_get(json_object_get(json_object_get(description, "paths"), route->pattern), "get");
}

static json_t *parameter_of(json_t *operation, const char *name)
{
    size_t i;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i,
                       parameter) if (strcmp(json_string_value(json_object_get(parameter, "name")), name) ==
                                      0) return parameter;
    return NULL;
}

/* Holds a schema's limits against those of parameters.c. */
static void check_limits(json_t *schema, const struct parameter *parameter)
{
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
        assert_int_equal(json_integer_value(json_object_get(schema, "minimum")), parameter->least);
        if (json_object_get(schema, "maximum") || parameter->most < UINT32_MAX)
            assert_int_equal(json_integer_value(json_object_get(schema, "maximum")), parameter->most);
        if (parameter->step > 1)
            assert_int_equal(json_integer_value(json_object_get(schema, "multipleOf")), parameter->step);
        if (parameter->preset)
            assert_int_equal(json_integer_value(json_object_get(schema, "default")), atoi(parameter->preset));
        break;
    case PARAMETER_CHOICE:
        for (size_t i = 0; i <= json_array_size(json_object_get(schema, "enum")); i++) {
            const char *choice = json_string_value(json_array_get(json_object_get(schema, "enum"), i));
            assert_true(choice ? parameter->choices[i] && strcmp(choice, parameter->choices[i]) == 0
                               : !parameter->choices[i]);
        }
        assert_string_equal(json_string_value(json_object_get(schema, "default")), parameter->preset);
        break;
    case PARAMETER_SLUG:
        assert_string_equal(json_string_value(json_object_get(schema, "$ref")), "#/components/schemas/Slug");
        break;
    case PARAMETER_NAME:
    case PARAMETER_WORDS:
        assert_int_equal(json_integer_value(json_object_get(schema, "maxLength")), parameter->most);
        break;
    }
}

/* Every parameter that the route takes is described, with its limits, and no other is. */
static void check_parameters(const struct route *route, json_t *operation)
{
    size_t described = json_array_size(json_object_get(operation, "parameters"));
    const struct parameter *parameter;
    for (size_t i = 0; (parameter = parameter_at(i)); i++) {
        json_t *found = parameter_of(operation, parameter->name);
        if (!route_takes(route, str_of(parameter->name))) {
            if (found)
                fail_msg("%s: ?%s= is described, and the route does not take it", route->pattern, parameter->name);
            continue;
        }
        if (!found)
            fail_msg("%s: ?%s= is not described", route->pattern, parameter->name);
        assert_string_equal(json_string_value(json_object_get(found, "in")), "query");
        check_limits(json_object_get(found, "schema"), parameter);
        described--;
    }
    if (strstr(route->pattern, "{slug}")) {
        json_t *slug = parameter_of(operation, "slug");
        assert_string_equal(json_string_value(json_object_get(slug, "in")), "path");
        assert_true(json_is_true(json_object_get(slug, "required")));
        described--;
    }
    assert_int_equal(described, 0);
}

static void the_description_says_what_the_routes_say(void **state)
{
    (void)state;
    json_error_t error;
    json_t *description = json_load_file(SOURCE_DIR "/renderer/views/openapi.mustache", JSON_REJECT_DUPLICATES, &error);
    if (!description)
        fail_msg("openapi.mustache, line %d: %s", error.line, error.text);
    size_t routes = 0;
    for (size_t i = 0; i < site_routes.n; i++) {
        const struct route *route = &site_routes.routes[i];
        if (!is_api(route))
            continue;
        json_t *operation = operation_of(description, route);
        if (!operation)
            fail_msg("%s is not described", route->pattern);
        assert_string_equal(route->methods, "GET, HEAD, OPTIONS");
        check_parameters(route, operation);
        routes++;
    }
    assert_int_equal(json_object_size(json_object_get(description, "paths")), routes);
    json_decref(description);
}

/* The answer to a request for a list of as many movies, numbered from 1. */
static json_t *ask(const char *target, int movies, int total)
{
    assert_int_equal(route_match(&site_routes, STR("GET"), str_of(target), arena, &match), ROUTE_FOUND);
    struct value rows = value_list(arena, (uint32_t)movies), root = value_map(arena, 8);
    for (int i = 0; i < movies; i++) {
        rows.as.items[i] = value_map(arena, 4);
        value_set(&rows.as.items[i], STR("id"), value_int(i + 1));
        value_set(&rows.as.items[i], STR("slug"), value_str(STR("a")));
        value_set(&rows.as.items[i], STR("total"), value_int(total));
    }
    value_set(&root, STR("site"), value_str(STR("https://x.example")));
    value_set(&root, STR("movies"), rows);
    value_set(&root, STR("total"), value_int(total));
    struct buffer out = {.limit = 1 << 20};
    assert_true(match.route->write(arena, &match, &root, &out));
    json_error_t error;
    json_t *answer = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, &error);
    if (!answer)
        fail_msg("%s", error.text);
    buffer_release(&out);
    return answer;
}

/* next, prev: NULL for null. */
static void assert_place(const char *target, int movies, int total, const char *next, const char *prev, bool exact)
{
    json_t *answer = ask(target, movies, total), *links = json_object_get(answer, "links");
    const char *found[] = {json_string_value(json_object_get(links, "next")),
                           json_string_value(json_object_get(links, "prev"))};
    const char *wanted[] = {next, prev};
    for (size_t i = 0; i < 2; i++) {
        if (wanted[i])
            assert_string_equal(found[i] ? found[i] : "null", wanted[i]);
        else
            assert_true(json_is_null(json_object_get(links, i ? "prev" : "next")));
    }
    assert_int_equal(json_is_true(json_object_get(answer, "total_is_exact")), exact);
    assert_int_equal(json_integer_value(json_object_get(answer, "total")), exact ? total : total - 1);
    json_decref(answer);
}

#define MOVIES "/api/v1/movies"
#define AT     "https://x.example" MOVIES

static void a_list_leads_on_and_ends(void **state)
{
    (void)state;
    assert_place(MOVIES, 20, 36273, AT "?page=2", NULL, true);
    assert_place(MOVIES "?page=2&utm=x", 20, 36273, AT "?page=3", AT, true);
    assert_place(MOVIES "?per_page=5&page=4", 5, 20, NULL, AT "?page=3&per_page=5", true);
    assert_place(MOVIES "?per_page=5&page=4", 5, 21, AT "?page=5&per_page=5", AT "?page=3&per_page=5", true);
    assert_place(MOVIES, 0, 0, NULL, NULL, true);
    assert_place(MOVIES "?category=horror&sort=best", 20, 1001, AT "?category=horror&sort=best&page=2", NULL, false);
    assert_place(MOVIES "?category=horror&page=50", 20, 1000, NULL, AT "?category=horror&page=49", true);
    assert_place(MOVIES "?certificate=PG-13+%26+R", 20, 21, AT "?certificate=PG-13+%26+R&page=2", NULL, true);
}

static void beyond_page_100_a_list_goes_on_by_key(void **state)
{
    (void)state;
    assert_place(MOVIES "?page=100", 20, 36273, AT "?after=20", AT "?page=99", true);
    assert_place(MOVIES "?after=77", 20, 36273, AT "?after=20", NULL, true);
    assert_place(MOVIES "?after=77", 19, 36273, NULL, NULL, true);
    json_t *answer = ask(MOVIES "?after=77&page=3", 2, 100);
    assert_true(json_is_null(json_object_get(answer, "page")));
    json_decref(answer);
}

static void a_search_leads_on_and_ends(void **state)
{
    (void)state;
    assert_place("/api/v1/search?q=star+wars", 24, 30, "https://x.example/api/v1/search?q=star+wars&page=2", NULL,
                 true);
    assert_place("/api/v1/search?q=star+wars&page=2", 6, 30, NULL, "https://x.example/api/v1/search?q=star+wars", true);
    assert_place("/api/v1/search?q=a", 24, 241, "https://x.example/api/v1/search?q=a&page=2", NULL, false);
    assert_place("/api/v1/search", 0, 0, NULL, NULL, true);
    /* So many pages has the pager of what is found, too. */
    assert_place("/api/v1/search?q=a&page=9", 24, 241, "https://x.example/api/v1/search?q=a&page=10",
                 "https://x.example/api/v1/search?q=a&page=8", false);
    assert_place("/api/v1/search?q=a&page=10", 24, 241, NULL, "https://x.example/api/v1/search?q=a&page=9", false);
}

/* Whether there is such a page, when it has so many movies and the count is `total`. */
static bool is_there(const char *target, int movies, int total)
{
    assert_int_equal(route_match(&site_routes, STR("GET"), str_of(target), arena, &match), ROUTE_FOUND);
    struct value root = value_map(arena, 4), rows = value_list(arena, (uint32_t)movies);
    for (uint32_t i = 0; i < rows.n; i++)
        rows.as.items[i] = value_map(arena, 1);
    value_set(&root, STR("movies"), rows);
    value_set(&root, STR("total"), value_int(total));
    return match.route->complete(arena, &match, &root);
}

static void where_next_leads_there_is_a_page(void **state)
{
    (void)state;
    assert_true(is_there(MOVIES "?page=3", 1, 41));
    assert_false(is_there(MOVIES "?page=4", 0, 41));
    assert_false(is_there(MOVIES "?page=4", 0, 36273));
    assert_true(is_there(MOVIES "?category=horror", 0, 0));
    assert_false(is_there(MOVIES "?category=horror&page=51", 0, 1000));
    assert_true(is_there(MOVIES "?category=horror&page=52", 0, 1001)); /* it may have been counted on */
    assert_true(is_there("/api/v1/search?q=a", 0, 0));
    assert_true(is_there("/api/v1/search?q=a&page=10", 24, 0));
    assert_false(is_there("/api/v1/search?q=a&page=10", 0, 0));
    assert_false(is_there("/api/v1/search?q=a&page=11", 24, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_description_says_what_the_routes_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_leads_on_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beyond_page_100_a_list_goes_on_by_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_search_leads_on_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_next_leads_there_is_a_page, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
