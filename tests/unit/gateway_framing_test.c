/* Heads of HTTP/1.1 that could be read in two ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "framing.h"
#include "messages.h"

#define LINES 8

/* Lines "name:value", in memory of just their size, for AddressSanitizer to watch. */
static enum page check(int minor, const char *const *texts)
{
    struct phr_header lines[LINES];
    char *copies[LINES];
    size_t n = 0;
    for (; texts[n]; n++) {
        const char *colon = strchr(texts[n], ':');
        size_t length = strlen(texts[n]);
        copies[n] = malloc(length);
        assert_non_null(copies[n]);
        memcpy(copies[n], texts[n], length);
        lines[n] = (struct phr_header){copies[n], (size_t)(colon - texts[n]), copies[n] + (colon - texts[n]) + 1,
                                       length - (size_t)(colon - texts[n]) - 1};
    }
    enum page page = framing_check(lines, n, minor);
    for (size_t i = 0; i < n; i++) {
        free(copies[i]);
    }
    return page;
}

#define CHECK(minor, ...) check(minor, (const char *const[]){__VA_ARGS__, NULL})

static void test_what_means_one_thing(void **state)
{
    (void)state;
    assert_int_equal(CHECK(1, "Host:a"), PAGE_NONE);
    assert_int_equal(CHECK(1, "host:", "Accept:x"), PAGE_NONE);
    assert_int_equal(CHECK(0, "Accept:x"), PAGE_NONE);
    assert_int_equal(CHECK(1, "Host:a", "Content-Length:0"), PAGE_NONE);
    assert_int_equal(CHECK(1, "Host:a", "CONTENT-LENGTH:12 \t"), PAGE_NONE);
    assert_int_equal(CHECK(1, "Host:a", "Transfer-Encoding:Chunked "), PAGE_NONE);
    assert_int_equal(CHECK(0, "Host:a", "Content-Length:3"), PAGE_NONE);
}

static void test_what_means_two(void **state)
{
    (void)state;
    assert_int_equal(CHECK(1, "Accept:x"), PAGE_BAD_REQUEST); /* no Host */
    assert_int_equal(CHECK(1, "Host:a", "Host:a"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(0, "Host:a", "hOST:b"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(1, "Host:a", "Content-Length:3", "Transfer-Encoding:chunked"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(1, "Host:a", "Content-Length:3", "Content-Length:3"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(1, "Host:a", "Content-Length:3", "content-length:4"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(1, "Host:a", "Transfer-Encoding:chunked", "Transfer-Encoding:chunked"), PAGE_BAD_REQUEST);
    assert_int_equal(CHECK(0, "Host:a", "Transfer-Encoding:chunked"), PAGE_BAD_REQUEST);
    static const char *const odd[] = {
        "Content-Length:",
        "Content-Length:+3",
        "Content-Length:-3",
        "Content-Length:3, 3",
        "Content-Length:3 3",
        "Content-Length:0x3",
        "Content-Length:3.0",
        "Content-Length:3\v",
        "Transfer-Encoding:",
        "Transfer-Encoding:chunked, identity",
        "Transfer-Encoding:gzip, chunked",
        "Transfer-Encoding:identity",
        "Transfer-Encoding:xchunked",
        "Transfer-Encoding:chunke",
        "Transfer-Encoding:\"chunked\"",
        "Transfer-Encoding:chunked\v",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (CHECK(1, "Host:a", odd[i]) != PAGE_BAD_REQUEST) {
            fail_msg("\"%s\" was taken", odd[i]);
        }
    }
    struct phr_header folded[] = {{"Host", 4, "a", 1}, {NULL, 0, "b", 1}};
    assert_int_equal(framing_check(folded, 2, 1), PAGE_BAD_REQUEST);
}

static void test_heads_that_do_not_end(void **state)
{
    (void)state;
    static char bytes[FRAMING_HEAD_MAX + 2];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(framing_check_unfinished(bytes, 0), PAGE_NONE);
    assert_int_equal(framing_check_unfinished(bytes, LIMIT_TARGET), PAGE_NONE);
    assert_int_equal(framing_check_unfinished(bytes, LIMIT_TARGET + 200), PAGE_TARGET_TOO_LONG);
    bytes[100] = '\n';
    assert_int_equal(framing_check_unfinished(bytes, LIMIT_TARGET + 200), PAGE_NONE);
    assert_int_equal(framing_check_unfinished(bytes, FRAMING_HEAD_MAX), PAGE_NONE);
    assert_int_equal(framing_check_unfinished(bytes, FRAMING_HEAD_MAX + 1), PAGE_FIELDS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_means_one_thing),
        cmocka_unit_test(test_what_means_two),
        cmocka_unit_test(test_heads_that_do_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
