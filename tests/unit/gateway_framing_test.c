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
    struct framing_body body;
    enum page page = framing_check(lines, n, minor, &body);
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
    struct framing_body body;
    assert_int_equal(framing_check(folded, 2, 1, &body), PAGE_BAD_REQUEST);
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

static void test_what_follows_is_known(void **state)
{
    (void)state;
    struct framing_body body;
    static const struct {
        const char *value;
        size_t length;
    } cases[] = {{"0", 0}, {"007", 7}, {"18446744073709551615", SIZE_MAX}, {"18446744073709551616", SIZE_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phr_header line = {"content-length", 14, cases[i].value, strlen(cases[i].value)};
        assert_int_equal(framing_check(&line, 1, 0, &body), PAGE_NONE);
        assert_true(body.length == cases[i].length && !body.chunked);
    }
    assert_int_equal(framing_check(NULL, 0, 0, &body), PAGE_NONE);
    assert_true(body.length == 0 && !body.chunked);
    struct phr_header lines[] = {{"host", 4, "a", 1}, {"transfer-encoding", 17, "chunked", 7}};
    assert_int_equal(framing_check(lines, 2, 1, &body), PAGE_NONE);
    assert_true(body.length == 0 && body.chunked);
}

#define ALL SIZE_MAX

/* The body, in pieces of so many bytes. Returns what came of the last, with what was decoded in out. */
static ssize_t decode(const char *body, size_t n, size_t piece, size_t room, char *out, size_t *out_n)
{
    struct phr_chunked_decoder decoder = {0};
    ssize_t result = -2;
    *out_n = 0;
    for (size_t at = 0; at < n && result == -2; at += piece) {
        size_t given = n - at < piece ? n - at : piece, some = given;
        char *copy = malloc(some); /* of just its size, for AddressSanitizer to watch */
        assert_non_null(copy);
        memcpy(copy, body + at, some);
        result = framing_decode(&decoder, copy, &some, &room);
        memcpy(out + *out_n, copy, some);
        *out_n += some;
        if (result > 0) {
            assert_memory_equal(copy + some, body + at + given - (size_t)result, (size_t)result);
        }
        free(copy);
    }
    return result;
}

static void assert_decodes(const char *body, size_t room, const char *expected, ssize_t expected_result)
{
    char out[256];
    size_t n;
    for (size_t piece = 1; piece <= strlen(body); piece++) {
        ssize_t result = decode(body, strlen(body), piece, room, out, &n);
        assert_int_equal(n, strlen(expected));
        assert_memory_equal(out, expected, n);
        if (expected_result <= 0 || piece == strlen(body)) /* otherwise what follows comes in other pieces */
            assert_int_equal(result, expected_result);
    }
}

static void test_chunks(void **state)
{
    (void)state;
    assert_decodes("0\r\n\r\n", ALL, "", 0);
    assert_decodes("5\r\nhello\r\n0\r\n\r\n", ALL, "hello", 0);
    assert_decodes("5\r\nhello\r\n0\r\n\r\nGET /", ALL, "hello", 5);
    assert_decodes("5;a=b\r\nhello\r\n00A \t;x=\"y\"\r\n, my world\r\n0;z\r\nA: b\r\nC: d\r\n\r\n", ALL,
                   "hello, my world", 0);
    assert_decodes("5\r\nhe\r\no\r\n0\r\n\r\n", ALL, "he\r\no", 0); /* the data may be anything */
    assert_decodes("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\nx", 7, "hellowo", 1);
    assert_decodes("5\r\nhel", ALL, "hel", -2);
    assert_decodes("5\r\nhello\r\n0\r\nA: b\r\n", ALL, "hello", -2);
}

static void test_chunks_that_could_be_read_in_two_ways(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",        "x\r\n",       "0x5\r\n",       "-5\r\n",        "+5\r\n",      " 5\r\n",
        "5 \r\n",      "5 5\r\n",     "5\n",           "5\rx",          "5;a\n",       "5;a\rb",
        "5;\x01\r\n",  "0\r\n\n",     "0\n\r\n",       "1\r\na\n",      "1\r\nab\r\n", "1\r\na\r\r\n",
        "1\r\na0\r\n", "0\r\nA: b\n", "0\r\nA\rb\r\n", "0\r\n\x01\r\n", "0\r\n\rx",    "00000000000000005"};
    char out[64];
    size_t n;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t piece = 1; piece <= strlen(bad[i]); piece++)
            if (decode(bad[i], strlen(bad[i]), piece, ALL, out, &n) != -1)
                fail_msg("case %zu in pieces of %zu", i, piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows_is_known),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunks_that_could_be_read_in_two_ways),
        cmocka_unit_test(test_what_means_one_thing),
        cmocka_unit_test(test_what_means_two),
        cmocka_unit_test(test_heads_that_do_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
