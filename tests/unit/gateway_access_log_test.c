/* What of a request may stand in the access log, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access_log.h"

static void assert_escaped(const char *text, bool secrets, const char *expected)
{
    char out[4096];
    size_t n = access_log_escape(out, sizeof(out) - 1, str_of(text), secrets);
    out[n] = '\0';
    assert_string_equal(out, expected);
}

static void test_nothing_ends_a_line_or_a_word(void **state)
{
    (void)state;
    assert_escaped("a\"b\\c\r\n\t\x7f\x1b[31m caf\xc3\xa9", false,
                   "a\\x22b\\x5cc\\x0d\\x0a\\x09\\x7f\\x1b[31m caf\\xc3\\xa9");
    char out[64];
    size_t n = access_log_escape(out, sizeof(out), (struct str){"a\0b", 3}, false);
    assert_memory_equal(out, "a\\x00b", 6);
    assert_int_equal(n, 6);
}

static void test_secrets_are_cut(void **state)
{
    (void)state;
    assert_escaped("/reset?token=abc&x=1", true, "/reset?token=***&x=1");
    assert_escaped("/a?x=1&API_KEY=secret", true, "/a?x=1&API_KEY=***");
    assert_escaped("/a?password=a%20b;y=2", true, "/a?password=***;y=2");
    assert_escaped("/a?%70ass%77ord=a&y=2", true, "/a?%70ass%77ord=***&y=2");
    assert_escaped("/a?user[PassWord]=a&code=b", true, "/a?user[PassWord]=***&code=***");
    assert_escaped("https://x/?next=1?token=abc#top", true, "https://x/?next=1?token=***#top");
    assert_escaped("/search?q=the+secret+garden&page=2", true, "/search?q=the+secret+garden&page=2");
    assert_escaped("/token=abc/path", true, "/token=abc/path");
    assert_escaped("/a?token", true, "/a?token");
    assert_escaped("/a?token=", true, "/a?token=");
    assert_escaped("/a?token=&x=1", true, "/a?token=&x=1");
    assert_escaped("/a?token=a", false, "/a?token=a");
    assert_escaped("/a?token=&key=b&x=1", true, "/a?token=&key=***&x=1");
    assert_escaped("/a?csrf=b&state=c;pin=d", true, "/a?csrf=***&state=***;pin=***");
    assert_escaped("/a?next=%2Freset%3Ftoken%3Dabc&x=1", true, "/a?next=***&x=1");
    assert_escaped("https://user:word@host/a?x=1", true, "https://***@host/a?x=1");
    assert_escaped("/a?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxtoken=a", true,
                   "/a?xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxtoken=***");
}

static void test_no_more_is_written_than_there_is_room(void **state)
{
    (void)state;
    const struct str text = STR("/a\n?token=abc&y=\n&key=1");
    for (size_t size = 0; size < 40; size++) {
        char out[64];
        memset(out, '#', sizeof(out));
        size_t n = access_log_escape(out, size, text, true);
        assert_true(n <= size);
        for (size_t i = n; i < sizeof(out); i++) {
            assert_int_equal(out[i], '#');
        }
        assert_null(memmem(out, n, "abc", 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_ends_a_line_or_a_word),
        cmocka_unit_test(test_secrets_are_cut),
        cmocka_unit_test(test_no_more_is_written_than_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
