/* The rules of sharing an answer, rule by rule (cacher/judge.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge.h"

/* Messages are large: they live here. */
static struct message request, canonical, response;
static struct headers asked, own;

static void fill(struct headers *headers, const char *const *lines)
{
    headers->n = 0;
    for (; *lines; lines += 2)
        assert_true(headers_add(headers, str_of(lines[0]), str_of(lines[1])));
}

#define LINES(headers, ...) fill(headers, (const char *const[]){__VA_ARGS__, NULL})

static int set_up(void **state)
{
    (void)state;
    request = (struct message){.type = MESSAGE_REQUEST,
                               .method = STR("GET"),
                               .scheme = STR("https"),
                               .target = STR("/movie/heat-1995?x"),
                               .client = STR("192.0.2.1"),
                               .trace = STR("t"),
                               .deadline = 77};
    response = (struct message){.type = MESSAGE_RESPONSE, .status = 200};
    return 0;
}

static void only_a_plain_get_or_head_may_share(void **state)
{
    (void)state;
    LINES(&request.headers, "host", "localhost", "accept", "text/html");
    assert_true(judge_may_share(&request, 0));
    assert_false(judge_may_share(&request, 1));
    request.method = STR("HEAD");
    assert_true(judge_may_share(&request, 0));
    static const char *const others[] = {"POST", "PUT", "DELETE", "OPTIONS", "get", "GETX", "PURGE", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        request.method = str_of(others[i]);
        assert_false(judge_may_share(&request, 0));
    }
}

static void a_request_of_somebody_is_not_shared(void **state)
{
    (void)state;
    LINES(&request.headers, "host", "localhost", "COOKIE", "a=b");
    assert_false(judge_may_share(&request, 0));
    LINES(&request.headers, "Authorization", "");
    assert_false(judge_may_share(&request, 0));
}

static void canonical_is_a_get_without_what_is_the_clients(void **state)
{
    (void)state;
    request.method = STR("HEAD");
    LINES(&request.headers, "host", "localhost", "Range", "bytes=0-1", "x-a", "1", "If-None-Match", "*", "if-match",
          "*", "If-Modified-Since", "x", "If-Unmodified-Since", "x", "If-Range", "x", "Accept-Encoding", "br", "x-a",
          "2");
    judge_canonical(&request, &canonical);
    assert_int_equal(canonical.type, MESSAGE_REQUEST);
    assert_true(str_eq(canonical.method, STR("GET")));
    assert_true(str_eq(canonical.target, request.target));
    assert_true(str_eq(canonical.scheme, request.scheme));
    assert_true(str_eq(canonical.client, request.client));
    assert_true(str_eq(canonical.trace, request.trace));
    assert_int_equal(canonical.deadline, 77);
    assert_int_equal(canonical.headers.n, 4);
    assert_true(str_eq(headers_get(&canonical.headers, STR("accept-encoding")), STR("gzip")));
    assert_true(str_eq(headers_get(&canonical.headers, STR("host")), STR("localhost")));
    /* Repeated lines stay, in order. */
    assert_true(str_eq(canonical.headers.item[2].value, STR("1")));
    assert_true(str_eq(canonical.headers.item[3].value, STR("2")));
}

/* All the headers the protocol allows, and no Accept-Encoding that the canonical one could replace. */
static void fill_without_accept_encoding(void)
{
    request.headers.n = 0;
    while (headers_add(&request.headers, STR("x"), STR("y")))
        ;
    assert_int_equal(request.headers.n, LIMIT_HEADERS);
    assert_null(headers_get(&request.headers, STR("accept-encoding")).p);
}

static void without_room_for_accept_encoding_nothing_is_shared(void **state)
{
    (void)state;
    assert_int_equal(LIMIT_HEADERS, 128);
    fill_without_accept_encoding();
    assert_false(judge_may_share(&request, 0));
    request.method = STR("HEAD");
    assert_false(judge_may_share(&request, 0));
}

static void canonical_of_many_headers_has_room(void **state)
{
    (void)state;
    fill_without_accept_encoding();
    request.headers.n--;
    assert_true(judge_may_share(&request, 0));
    judge_canonical(&request, &canonical);
    assert_int_equal(canonical.headers.n, LIMIT_HEADERS);
    assert_true(str_eq(headers_get(&canonical.headers, STR("accept-encoding")), STR("gzip")));
}

static bool is_shared(const char *name, const char *value)
{
    LINES(&response.headers, "content-type", "text/html", name, value);
    return judge_is_shared(&response);
}

static void personal_answers_are_not_shared(void **state)
{
    (void)state;
    assert_true(is_shared("cache-control", "max-age=0, stale-while-revalidate=60"));
    assert_false(is_shared("Set-Cookie", "a=b"));
    assert_false(is_shared("set-cookie", ""));
    assert_false(is_shared("cache-control", "private"));
    assert_false(is_shared("Cache-Control", "max-age=60 , PRIVATE=\"x, y\""));
    assert_false(is_shared("cache-control", ",,no-store"));
    assert_true(is_shared("cache-control", "ext=\"private, no-store\", max-age=1"));
    assert_true(is_shared("cache-control", "ext=\"\\\", private\""));
    assert_true(is_shared("cache-control", "privates, x-no-store"));
    assert_true(is_shared("pragma", "private"));
    assert_true(is_shared("cache-control", ""));
    LINES(&response.headers, "cache-control", "public", "cache-control", "no-store");
    assert_false(judge_is_shared(&response));
}

static void server_errors_are_shared_but_not_with_a_cookie(void **state)
{
    (void)state;
    response.status = 503;
    assert_true(is_shared("cache-control", "no-store"));
    assert_false(is_shared("set-cookie", "a=b"));
    response.status = 404;
    assert_false(is_shared("cache-control", "no-store"));
}

static bool fits(const char *vary)
{
    LINES(&response.headers, "vary", vary);
    return judge_fits(&response, &asked, &own);
}

static void vary_compares_what_it_names(void **state)
{
    (void)state;
    LINES(&asked, "x-a", "1", "accept-language", "de", "accept-encoding", "gzip");
    LINES(&own, "accept-encoding", "br", "Accept-Language", "de", "X-A", "2");
    assert_true(fits(""));
    assert_true(fits("Accept-Encoding"));
    assert_true(fits("accept-language, Accept-Encoding"));
    assert_false(fits("X-a"));
    assert_false(fits("accept-language ,\tx-A"));
    assert_false(fits("*"));
    assert_false(fits("accept-encoding, *"));
    assert_true(fits("x-nobody-sent"));
    LINES(&response.headers, "vary", "accept-language", "vary", "x-a");
    assert_false(judge_fits(&response, &asked, &own));
}

static void vary_compares_every_line(void **state)
{
    (void)state;
    LINES(&asked, "x", "1", "x", "2");
    LINES(&own, "x", "1");
    assert_false(fits("x"));
    LINES(&own, "x", "1", "x", "2");
    assert_true(fits("x"));
    LINES(&own, "x", "2", "x", "1");
    assert_false(fits("x"));
    LINES(&own, "y", "1");
    assert_false(fits("x"));
    /* A line that is empty is not one that is absent. */
    LINES(&asked, "x", "");
    assert_false(fits("x"));
}

static bool not_modified(const char *etag, const char *condition)
{
    LINES(&response.headers, "etag", etag);
    LINES(&request.headers, "If-None-Match", condition);
    return judge_not_modified(&response, &request);
}

static void if_none_match_compares_weakly(void **state)
{
    (void)state;
    assert_true(not_modified("W/\"a\"", "W/\"a\""));
    assert_true(not_modified("W/\"a\"", "\"a\""));
    assert_true(not_modified("\"a\"", "W/\"a\""));
    assert_true(not_modified("\"a\"", "*"));
    assert_true(not_modified("\"a,b\"", "\"x\", \"a,b\""));
    assert_false(not_modified("\"a\"", "\"b\""));
    assert_false(not_modified("\"a\"", ""));
    assert_false(not_modified("\"a\"", "w/\"a\""));
    LINES(&request.headers, "if-none-match", "\"x\"", "if-none-match", "\"a\"");
    assert_true(judge_not_modified(&response, &request));
    LINES(&request.headers, "if-match", "\"a\"");
    assert_false(judge_not_modified(&response, &request));
}

static void only_200_to_get_or_head_with_an_etag_becomes_304(void **state)
{
    (void)state;
    request.method = STR("POST");
    assert_false(not_modified("\"a\"", "\"a\""));
    request.method = STR("HEAD");
    assert_true(not_modified("\"a\"", "\"a\""));
    response.status = 404;
    assert_false(not_modified("\"a\"", "\"a\""));
    response.status = 200;
    LINES(&response.headers, "x", "y");
    assert_false(judge_not_modified(&response, &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_a_plain_get_or_head_may_share, set_up),
        cmocka_unit_test_setup(a_request_of_somebody_is_not_shared, set_up),
        cmocka_unit_test_setup(canonical_is_a_get_without_what_is_the_clients, set_up),
        cmocka_unit_test_setup(without_room_for_accept_encoding_nothing_is_shared, set_up),
        cmocka_unit_test_setup(canonical_of_many_headers_has_room, set_up),
        cmocka_unit_test_setup(personal_answers_are_not_shared, set_up),
        cmocka_unit_test_setup(server_errors_are_shared_but_not_with_a_cookie, set_up),
        cmocka_unit_test_setup(vary_compares_what_it_names, set_up),
        cmocka_unit_test_setup(vary_compares_every_line, set_up),
        cmocka_unit_test_setup(if_none_match_compares_weakly, set_up),
        cmocka_unit_test_setup(only_200_to_get_or_head_with_an_etag_becomes_304, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
