/* What an onlooker may see: no secret, wherever it hides, and never more than a bounded amount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "redact.h"

static struct arena *arena;
static struct message message;

static void make_request(const char *target)
{
    message.type = MESSAGE_REQUEST;
    message.method = STR("GET");
    message.scheme = STR("https");
    message.target = str_of(target);
    message.client = STR("192.0.2.1");
    message.trace = STR("t");
    message.headers.n = 0;
}

static void assert_target(const char *target, const char *expected)
{
    make_request(target);
    arena_reset(arena);
    redact_message(&message, arena);
    if (!str_eq(message.target, str_of(expected))) {
        fail_msg("%s became " STR_FMT ", not %s", target, STR_ARG(message.target), expected);
    }
}

static void assert_value(const char *name, const char *value, const char *expected)
{
    make_request("/");
    headers_add(&message.headers, str_of(name), str_of(value));
    arena_reset(arena);
    redact_message(&message, arena);
    if (!str_eq(message.headers.item[0].value, str_of(expected))) {
        fail_msg("%s: %s became " STR_FMT ", not %s", name, value, STR_ARG(message.headers.item[0].value), expected);
    }
}

static void secrets_in_query_strings_are_hidden(void **state)
{
    (void)state;
    assert_target("/movies?page=2&sort=year", "/movies?page=2&sort=year");
    assert_target("/", "/");
    assert_target("", "");
    assert_target("/a?token=abc", "/a?token=(hidden)");
    assert_target("/a?page=1&Password=x&y=2", "/a?page=1&Password=(hidden)&y=2");
    assert_target("/a?api_key=x;sig=y&q=z", "/a?api_key=(hidden);sig=(hidden)&q=z");
    assert_target("/a?KEY=x", "/a?KEY=(hidden)");
    assert_target("/a?code=x&state=y&codec=z", "/a?code=(hidden)&state=(hidden)&codec=z");
    assert_target("/a?pass%77ord=x", "/a?pass%77ord=(hidden)");
    assert_target("/a?%74%6F%6b%65n=x", "/a?%74%6F%6b%65n=(hidden)");
    assert_target("/a;jsessionid=x?y=1", "/a;jsessionid=(hidden)?y=1");
    assert_target("/a#access_token=x", "/a#access_token=(hidden)");
    assert_target("/a?token", "/a?token"); /* no value */
    assert_target("/a?token=", "/a?token=(hidden)");
    assert_target("/a?=x&&?&q", "/a?=x&&?&q");
    assert_target("/a?x=1?token=y", "/a?x=1?token=(hidden)");
    assert_target("/a?%", "/a?%");
    assert_target("/a?%7=1&%zz=2", "/a?%7=1&%zz=2");
    assert_target("/a?tok%00en=1", "/a?tok%00en=(hidden)");
}

static void an_address_in_a_parameter_hides_nothing(void **state)
{
    (void)state;
    assert_target("/a?next=%2Freset%3Ftoken%3Dx", "/a?next=(hidden)");
    assert_target("/a?next=%252Freset", "/a?next=(hidden)");
    assert_target("/a?next=https://u:p@h/x", "/a?next=https://(hidden)@h/x");
    assert_target("http://user:pw@host/a?b=c", "http://(hidden)@host/a?b=c");
    assert_target("http://user@name:pw@host/", "http://(hidden)@host/");
    assert_target("http://host/a@b", "http://host/a@b");
}

static void a_very_long_name_of_a_parameter_is_no_hiding_place(void **state)
{
    char target[600] = "/a?";
    (void)state;
    memset(target + 3, 'x', 200);
    strcpy(target + 203, "token=abcdef");
    make_request(target);
    arena_reset(arena);
    redact_message(&message, arena);
    assert_null(memmem(message.target.p, message.target.n, "abcdef", 6));
}

static void headers_with_secrets_are_hidden_by_name(void **state)
{
    static const char *const secret[] = {
        "cookie",        "Cookie",       "Set-Cookie",          "authorization",        "x-auth-token",
        "X-API-Key",     "x-csrf-token", "Proxy-Authorization", "x-amz-security-token", "X-Secret",
        "sec-session-id"};
    (void)state;
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        assert_value(secret[i], "hunter2", "(hidden)");
    }
    assert_value("accept", "text/html;q=0.9, */*", "text/html;q=0.9, */*");
    assert_value("content-type", "text/html; charset=utf-8", "text/html; charset=utf-8");
    assert_value("referer", "https://h/reset?token=x", "https://h/reset?token=(hidden)");
    assert_value("location", "https://u:p@h/x", "https://(hidden)@h/x");
    assert_value("link", "<https://u:p@h/a>, <https://v:q@h/b>", "<https://(hidden)@h/a>, <https://(hidden)@h/b>");
    assert_value("x-original-url", "/a?page=1; token=x", "/a?page=1; token=(hidden)");
    assert_value("user-agent", "", "");
}

static void of_a_statement_only_the_lengths_of_parameters_are_shown(void **state)
{
    (void)state;
    message.type = MESSAGE_QUERY;
    message.trace = STR_NONE;
    message.batch.n = 1;
    message.batch.item[0].name = STR("log_in");
    message.batch.item[0].n = 3;
    message.batch.item[0].parameter[0] = STR("editor@example.org");
    message.batch.item[0].parameter[1] = STR_NONE;
    message.batch.item[0].parameter[2] = STR("");
    arena_reset(arena);
    redact_message(&message, arena);
    assert_true(str_eq(message.batch.item[0].name, STR("log_in")));
    assert_true(str_eq(message.batch.item[0].parameter[0], STR("(18 bytes)")));
    assert_null(message.batch.item[0].parameter[1].p);
    assert_true(str_eq(message.batch.item[0].parameter[2], STR("(0 bytes)")));
}

static void the_beginning_of_a_body_is_shown_only_when_everybody_may_see_it(void **state)
{
    (void)state;
    message.type = MESSAGE_RESPONSE;
    message.headers.n = 0;
    assert_int_equal(redact_body(&message, 10), 10);
    assert_int_equal(redact_body(&message, 1000), 32);
    headers_add(&message.headers, STR("Cache-Control"), STR("max-age=0, Private"));
    assert_int_equal(redact_body(&message, 1000), 0);
    message.headers.item[0] = (struct header){STR("CDN-Cache-Control"), STR("no-store")};
    assert_int_equal(redact_body(&message, 1000), 0);
    message.headers.item[0] = (struct header){STR("set-cookie"), STR("a=b")};
    assert_int_equal(redact_body(&message, 1000), 0);
    message.headers.n = 0;
    message.type = MESSAGE_REQUEST; /* a form */
    assert_int_equal(redact_body(&message, 1000), 0);
    message.type = MESSAGE_RESULT;
    assert_int_equal(redact_body(&message, 1000), 0);
}

/* The largest messages there can be stay small, and can be packed. */
static void what_is_shown_is_bounded(void **state)
{
    static char long_text[LIMIT_HEADER_VALUE + 1];
    struct buffer head = {.limit = 32768};

    (void)state;
    memset(long_text, '?', sizeof(long_text) - 1); /* the worst for hiding */
    for (size_t i = 1; i + 6 < sizeof(long_text) - 1; i += 7) {
        memcpy(long_text + i, "pw=x&k", 6);
    }
    for (unsigned type = MESSAGE_NONE + 1; type < MESSAGE_TYPES; type++) {
        make_request("");
        message.type = (enum message_type)type;
        message.target = (struct str){long_text, LIMIT_TARGET};
        message.stage = message.instance = message.release = message.cause = message.text = STR("x");
        message.status = 200;
        message.oldest = message.newest = message.credit = message.pid = message.held = message.retry_after = 1;
        for (int i = 0; i < LIMIT_HEADERS; i++) {
            headers_add(&message.headers, (struct str){long_text + 1000, 200},
                        (struct str){long_text, LIMIT_HEADER_VALUE});
        }
        if (type == MESSAGE_QUERY) {
            message.batch.n = LIMIT_STATEMENTS;
            for (int i = 0; i < LIMIT_STATEMENTS; i++) {
                message.batch.item[i].name = (struct str){long_text, LIMIT_NAME};
                message.batch.item[i].n = LIMIT_PARAMETERS;
                for (int k = 0; k < LIMIT_PARAMETERS; k++) {
                    message.batch.item[i].parameter[k] = (struct str){long_text, LIMIT_PARAMETER};
                }
            }
        } else {
            message.tags.n = LIMIT_TAGS;
            for (int i = 0; i < LIMIT_TAGS; i++) {
                message.tags.item[i] = (struct str){long_text, LIMIT_TAG};
            }
        }
        arena_reset(arena);
        redact_message(&message, arena);
        buffer_reset(&head);
        assert_true(message_pack(&message, PROTOCOL_NEWEST, &head));
        assert_in_range(head.n, 1, 30000);
        assert_null(message_unpack(head.p, head.n, &message));
    }
    buffer_release(&head);
}

static void a_cut_text_ends_at_a_characters_border(void **state)
{
    char target[REDACT_TARGET + 10];

    (void)state;
    memset(target, 'a', sizeof(target));
    memcpy(target + REDACT_TARGET - 1, "é", 2);
    target[sizeof(target) - 1] = '\0';
    make_request(target);
    arena_reset(arena);
    redact_message(&message, arena);
    assert_int_equal(message.target.n, REDACT_TARGET - 1 + 3);
    assert_memory_equal(message.target.p + REDACT_TARGET - 3, "aa…", 5);
}

static void an_address_in_a_log_is_as_one_in_a_tap(void **state)
{
    (void)state;
    assert_true(str_eq(redact_address(arena, STR("/movies?page=2"), 100), STR("/movies?page=2")));
    assert_true(str_eq(redact_address(arena, STR("/a?token=x&page=2"), 100), STR("/a?token=(hidden)&page=2")));
    assert_true(str_eq(redact_address(arena, STR("/aaaaaaaaa"), 5), STR("/aaaa…")));
}

/* Without memory to change a text it is hidden, not shown. */
static void without_memory_nothing_is_shown(void **state)
{
    struct arena *full = arena_new(64);

    (void)state;
    make_request("/a?token=abcdefghijklmnopqrstuvwxyz");
    redact_message(&message, full);
    assert_true(str_eq(message.target, STR("(hidden)")));
    arena_free(&full);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(262144);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_in_query_strings_are_hidden),
        cmocka_unit_test(an_address_in_a_parameter_hides_nothing),
        cmocka_unit_test(a_very_long_name_of_a_parameter_is_no_hiding_place),
        cmocka_unit_test(headers_with_secrets_are_hidden_by_name),
        cmocka_unit_test(of_a_statement_only_the_lengths_of_parameters_are_shown),
        cmocka_unit_test(the_beginning_of_a_body_is_shown_only_when_everybody_may_see_it),
        cmocka_unit_test(what_is_shown_is_bounded),
        cmocka_unit_test(a_cut_text_ends_at_a_characters_border),
        cmocka_unit_test(an_address_in_a_log_is_as_one_in_a_tap),
        cmocka_unit_test(without_memory_nothing_is_shown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
