/* What the gateway makes of bytes and words from outside before anything else looks at them: HPACK blocks, listening
 * addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guards.h"
#include "listener.h"

#define FIELDS(literal) guards_count_fields((const uint8_t *)(literal), sizeof(literal) - 1)

static void test_fields_of_a_block_are_counted(void **state)
{
    (void)state;
    assert_int_equal(FIELDS(""), 0);
    assert_int_equal(FIELDS("\x82\x84\x87"), 3); /* indexed */
    assert_int_equal(FIELDS("\xff\x80\x01"), 1); /* indexed, a long integer */
    assert_int_equal(FIELDS("\x40\x01"
                            "a"
                            "\x01"
                            "b"),
                     1); /* literal, with a new name */
    assert_int_equal(FIELDS("\x41\x01"
                            "b"),
                     1); /* literal, with a known name */
    assert_int_equal(FIELDS("\x00\x01"
                            "a"
                            "\x00\x10\x01"
                            "a"
                            "\x00"),
                     2);                             /* without indexing, never indexed */
    assert_int_equal(FIELDS("\x3f\xe1\x1f\x82"), 1); /* a new size of the table is no field */
    assert_int_equal(FIELDS("\x20\x20\x20"), 0);
    static uint8_t many[9000];
    memset(many, 0xbe, sizeof(many));
    assert_int_equal(guards_count_fields(many, sizeof(many)), sizeof(many));
}

static void test_malformed_blocks_end_the_count(void **state)
{
    (void)state;
    assert_int_equal(FIELDS("\x82\xff"), 1);                     /* an integer cut short */
    assert_int_equal(FIELDS("\x82\xff\xff\xff\xff\xff\xff"), 1); /* one without end */
    assert_int_equal(FIELDS("\x82\x40\x05"
                            "ab"),
                     1);                                         /* a name cut short */
    assert_int_equal(FIELDS("\x82\x41\x7f\xff\xff\xff\x7f"), 1); /* a value of 256 MB */
    assert_int_equal(FIELDS("\x82\x41"), 1);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)(rand() % 40);
        uint8_t *block = malloc(n + 1); /* AddressSanitizer watches its end */
        assert_non_null(block);
        for (size_t i = 0; i < n; i++) {
            block[i] = (uint8_t)rand();
        }
        uint8_t *exact = malloc(n ? n : 1);
        assert_non_null(exact);
        memcpy(exact, block, n);
        assert_true(guards_count_fields(exact, n) <= n);
        free(exact);
        free(block);
    }
}

static void test_listening_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port; /* host NULL: refused */
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080"},
        {"[::1]:443", "::1", "443"},
        {"[::]:443", "::", "443"},
        {"*:80", "", "80"},
        {":80", "", "80"},
        {"localhost:0", "localhost", "0"},
        {"8080", NULL, NULL},
        {"::1:443", NULL, NULL},
        {"localhost:", NULL, NULL},
        {"localhost:http", NULL, NULL},
        {"a:123456789", NULL, NULL},
        {"", NULL, NULL},
    };
    char host[32], port[8];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool good = listener_split_address(rows[i].text, host, sizeof(host), port, sizeof(port));
        if (good != (rows[i].host != NULL)) {
            fail_msg("\"%s\": expected it to be %s", rows[i].text, rows[i].host ? "taken" : "refused");
        }
        if (good) {
            assert_string_equal(host, rows[i].host);
            assert_string_equal(port, rows[i].port);
        }
    }
    assert_false(listener_split_address("a-name-that-is-longer-than-thirty-one-bytes:80", host, sizeof(host), port,
                                        sizeof(port)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_a_block_are_counted),
        cmocka_unit_test(test_malformed_blocks_end_the_count),
        cmocka_unit_test(test_listening_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
