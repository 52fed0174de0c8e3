/* The rules of HTTP fields that the gateway applies at the border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fields.h"
#include "http_list.h"
#include "http_store.h"

static void test_tokens(void **state)
{
    (void)state;
    assert_true(field_is_token(STR("x-forwarded-for")));
    assert_true(field_is_token(STR("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(field_is_token(STR("")));
    assert_false(field_is_token(STR("a b")));
    assert_false(field_is_token(STR("a:b")));
    assert_false(field_is_token(STR("caf\xe9")));
    assert_false(field_is_token(STR("a\0b")));
    for (int c = 0; c < 256; c++) { /* against the words of RFC 9110 section 5.6.2 */
        char byte = (char)c;
        bool token = c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
        assert_int_equal(field_is_token((struct str){&byte, 1}), token);
    }
}

static void test_values_that_would_end_their_line(void **state)
{
    (void)state;
    assert_true(field_value_is_safe(STR("")));
    assert_true(field_value_is_safe(STR("caf\xe9\t\"a, b\"")));
    assert_false(field_value_is_safe(STR("a\r\nset-cookie: b")));
    assert_false(field_value_is_safe(STR("a\n")));
    assert_false(field_value_is_safe(STR("a\rb")));
    assert_false(field_value_is_safe(STR("a\0b")));
}

static void test_fields_of_one_connection(void **state)
{
    (void)state;
    assert_true(name_is_hop_by_hop(STR("connection")));
    assert_true(name_is_hop_by_hop(STR("Transfer-Encoding")));
    assert_true(name_is_hop_by_hop(STR("TE")));
    assert_true(name_is_hop_by_hop(STR("Proxy-Connection")));
    assert_false(name_is_hop_by_hop(STR("content-encoding")));
    assert_false(name_is_hop_by_hop(STR("t")));
    assert_false(name_is_hop_by_hop(STR("")));
}

static void test_lists(void **state)
{
    (void)state;
    struct str list = STR(" ,\ta b ,, c;q=1\t, d"), item;
    assert_true(list_next(&list, &item));
    assert_true(str_eq(item, STR("a b")));
    assert_true(list_next(&list, &item));
    assert_true(str_eq(item, STR("c;q=1")));
    assert_true(list_next(&list, &item));
    assert_true(str_eq(item, STR("d")));
    assert_false(list_next(&list, &item));

    assert_true(list_has(STR("close, X-Secret"), STR("x-secret")));
    assert_false(list_has(STR("close, X-Secret"), STR("x")));
    assert_false(list_has(STR(""), STR("x")));
    assert_false(list_has(STR_NONE, STR("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_values_that_would_end_their_line),
        cmocka_unit_test(test_fields_of_one_connection),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
