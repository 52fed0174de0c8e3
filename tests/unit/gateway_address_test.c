/* Addresses of clients, and whose word about them counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "address.h"

static struct address parse(const char *text)
{
    struct address address;
    assert_true(address_parse(str_of(text), &address));
    return address;
}

static void assert_prints(const char *text, const char *expected)
{
    char buffer[ADDRESS_TEXT];
    struct address address = parse(text);
    struct str printed = address_print(&address, buffer);
    assert_string_equal(printed.p, expected);
}

static void test_forms(void **state)
{
    (void)state;
    assert_prints("192.0.2.1", "192.0.2.1");
    assert_prints("192.0.2.1:443", "192.0.2.1");
    assert_prints("2001:DB8::1", "2001:db8::1");
    assert_prints("[2001:db8::1]", "2001:db8::1");
    assert_prints("[2001:db8::1]:443", "2001:db8::1");
    assert_prints("::ffff:192.0.2.1", "192.0.2.1");
    static const char *const bad[] = {"",
                                      "unknown",
                                      "_hidden",
                                      "192.0.2",
                                      "192.0.2.256",
                                      "[2001:db8::1",
                                      "[]",
                                      ":",
                                      "1:2",
                                      "2001:db8::1::2",
                                      " 192.0.2.1",
                                      "192.0.2.1 x",
                                      "1111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address address;
        assert_false(address_parse(str_of(bad[i]), &address));
    }
}

static void test_a_client_is_an_address_or_64_bits(void **state)
{
    (void)state;
    struct address a = parse("2001:db8:1:2:3::1"), b = parse("2001:db8:1:2:ffff::"), c = parse("2001:db8:1:3::1");
    struct address four = parse("192.0.2.1"), other = parse("192.0.2.2");
    a = address_client(&a);
    b = address_client(&b);
    c = address_client(&c);
    assert_true(address_same(&a, &b));
    assert_false(address_same(&a, &c));
    four = address_client(&four);
    other = address_client(&other);
    assert_false(address_same(&four, &other));
}

static void test_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {{"127.0.0.1", true},  {"127.9.9.9", true}, {"::1", true},  {"::ffff:127.0.0.1", true},
                 {"128.0.0.1", false}, {"::2", false},      {"1::1", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address = parse(cases[i].text);
        assert_int_equal(address_is_loopback(&address), cases[i].loopback);
    }
}

static struct proxies proxies_of(const char *list)
{
    struct proxies proxies;
    char error[300];
    assert_true(proxies_parse(&proxies, list, error, sizeof(error)));
    return proxies;
}

static void test_ranges(void **state)
{
    (void)state;
    struct proxies proxies = proxies_of("10.0.0.0/8, 192.0.2.7  ,172.16.0.0/12\t2001:db8::/33");
    static const char *const in[] = {"10.1.2.3", "192.0.2.7", "172.31.255.255", "2001:db8:7fff::1"};
    static const char *const out[] = {"11.0.0.0", "192.0.2.6", "172.32.0.0", "2001:db8:8000::1", "::a01:203"};
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
        struct address address = parse(in[i]);
        assert_true(proxies_trust(&proxies, &address));
    }
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        struct address address = parse(out[i]);
        assert_false(proxies_trust(&proxies, &address));
    }
    proxies = proxies_of("0.0.0.0/0");
    struct address four = parse("8.8.8.8"), six = parse("2001::1");
    assert_true(proxies_trust(&proxies, &four));
    assert_false(proxies_trust(&proxies, &six));
    proxies = proxies_of("");
    assert_false(proxies_trust(&proxies, &four));
}

static void test_wrong_lists_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"10.0.0.0/33", "::/129",      "10.0.0.0/",    "10.0.0.0/x",
                                      "localhost",   "10.0.0.1,,x", "10.0.0.0/1234"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct proxies proxies;
        char error[300] = "";
        assert_false(proxies_parse(&proxies, bad[i], error, sizeof(error)));
        assert_non_null(strstr(error, "FILMYFLY_TRUSTED_PROXIES"));
    }
}

static void assert_client(const char *peer, const char *forwarded, const char *cloudflare, const char *expected)
{
    struct proxies proxies = proxies_of("10.0.0.0/8");
    struct address from = parse(peer);
    struct address client = proxies_client(&proxies, &from, str_of(forwarded), str_of(cloudflare));
    char buffer[ADDRESS_TEXT];
    assert_string_equal(address_print(&client, buffer).p, expected);
}

static void test_the_client_is_the_last_whom_nobody_trusts(void **state)
{
    (void)state;
    assert_client("10.0.0.1", "192.0.2.1", NULL, "192.0.2.1");
    assert_client("10.0.0.1", "6.6.6.6, 192.0.2.1", NULL, "192.0.2.1"); /* the client wrote the first itself */
    assert_client("10.0.0.1", "192.0.2.1,10.0.0.2 , 10.0.0.3", NULL, "192.0.2.1");
    assert_client("10.0.0.1", "10.0.0.2", NULL, "10.0.0.2");
    assert_client("10.0.0.1", "6.6.6.6, nonsense", NULL, "10.0.0.1");
    assert_client("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", NULL, "10.0.0.2");
    assert_client("10.0.0.1", "", NULL, "10.0.0.1");
    assert_client("10.0.0.1", ",,", NULL, "10.0.0.1");
    assert_client("10.0.0.1", NULL, NULL, "10.0.0.1");
    assert_client("10.0.0.1", NULL, " 192.0.2.9 ", "192.0.2.9");
    assert_client("10.0.0.1", NULL, "nonsense", "10.0.0.1");
    assert_client("10.0.0.1", "192.0.2.1", "6.6.6.6", "192.0.2.1");
    assert_client("10.0.0.1", "2001:db8::5", NULL, "2001:db8::5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_a_client_is_an_address_or_64_bits),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_wrong_lists_are_named),
        cmocka_unit_test(test_the_client_is_the_last_whom_nobody_trusts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
