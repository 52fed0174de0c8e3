/* What one client may take of connections and of the pipeline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clock.h"
#include "quota.h"

#define START (1000 * SECOND)

static struct address client_of(const char *text)
{
    struct address address;
    assert_true(address_parse(str_of(text), &address));
    return address_client(&address);
}

static struct quota *quota_of(struct settings settings)
{
    static struct settings kept;
    kept = settings;
    struct quota *quota = quota_new(&kept);
    assert_non_null(quota);
    return quota;
}

static unsigned asked(struct quota *quota, const struct address *client, uint64_t now)
{
    unsigned retry_after = 0;
    enum quota_grant grant = quota_ask(quota, client, now, &retry_after);
    assert_int_equal(grant == QUOTA_REFUSED, retry_after > 0 && grant != QUOTA_COUNTED);
    quota_answered(quota, client, grant);
    return grant == QUOTA_REFUSED ? retry_after : 0;
}

static void test_connections_at_a_time(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_connections = 3});
    struct address a = client_of("192.0.2.1"), b = client_of("192.0.2.2");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(quota_connect(quota, &a, START), QUOTA_COUNTED);
    }
    assert_int_equal(quota_connect(quota, &a, START), QUOTA_REFUSED);
    quota_disconnect(quota, &a, QUOTA_REFUSED); /* gives nothing back */
    assert_int_equal(quota_connect(quota, &a, START), QUOTA_REFUSED);
    assert_int_equal(quota_connect(quota, &b, START), QUOTA_COUNTED);
    quota_disconnect(quota, &a, QUOTA_COUNTED);
    assert_int_equal(quota_connect(quota, &a, START), QUOTA_COUNTED);
    free(quota);
}

static void test_connections_a_second(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_connects = 5});
    struct address a = client_of("192.0.2.1");
    int allowed = 0;
    for (int ms = 0; ms < 10000; ms++) {
        enum quota_grant grant = quota_connect(quota, &a, START + (uint64_t)ms * MILLISECOND);
        allowed += grant == QUOTA_COUNTED;
        quota_disconnect(quota, &a, grant);
    }
    assert_in_range(allowed, 4 * 5 + 10 * 5 - 1, 4 * 5 + 10 * 5 + 1);
    free(quota);
}

static void test_requests_a_second(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_misses = 2});
    struct address a = client_of("2001:db8::1"), same = client_of("2001:db8::2"), other = client_of("2001:db8:0:1::1");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(asked(quota, i % 2 ? &a : &same, START), 0);
    }
    assert_int_equal(asked(quota, &a, START), 1);
    assert_int_equal(asked(quota, &same, START), 1);
    assert_int_equal(asked(quota, &other, START), 0);
    assert_int_equal(asked(quota, &a, START + SECOND / 2), 0);
    assert_int_equal(asked(quota, &a, START + SECOND / 2), 1);
    assert_int_equal(asked(quota, &a, START + 3600 * SECOND), 0); /* no more than the burst is saved up */
    for (int i = 0; i < 19; i++) {
        assert_int_equal(asked(quota, &a, START + 3600 * SECOND), 0);
    }
    assert_int_equal(asked(quota, &a, START + 3600 * SECOND), 1);
    free(quota);
}

static void test_requests_at_a_time(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_asking = 2});
    struct address a = client_of("192.0.2.1");
    unsigned retry_after = 0;
    assert_int_equal(quota_ask(quota, &a, START, &retry_after), QUOTA_COUNTED);
    assert_int_equal(quota_ask(quota, &a, START, &retry_after), QUOTA_COUNTED);
    assert_int_equal(quota_ask(quota, &a, START, &retry_after), QUOTA_REFUSED);
    assert_int_equal(retry_after, 1);
    quota_answered(quota, &a, QUOTA_COUNTED);
    assert_int_equal(quota_ask(quota, &a, START, &retry_after), QUOTA_COUNTED);
    free(quota);
}

static void test_who_is_exempt(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_connections = 1});
    struct address loopback = client_of("127.0.0.1"), six = client_of("::1"), nobody = {{0}};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(quota_connect(quota, &nobody, START), QUOTA_EXEMPT);
        assert_int_equal(quota_connect(quota, &loopback, START), QUOTA_EXEMPT);
        assert_int_equal(quota_connect(quota, &six, START), QUOTA_EXEMPT);
    }
    free(quota);
    quota = quota_of((struct settings){.client_connections = 1, .limit_loopback = true});
    assert_int_equal(quota_connect(quota, &loopback, START), QUOTA_COUNTED);
    assert_int_equal(quota_connect(quota, &loopback, START), QUOTA_REFUSED);
    assert_int_equal(quota_connect(quota, &nobody, START), QUOTA_EXEMPT);
    free(quota);
}

/* A hundred thousand clients that come and go leave room; as many that stay are not refused for want of it. */
static void test_the_table_is_never_full(void **state)
{
    (void)state;
    struct quota *quota = quota_of((struct settings){.client_connections = 1});
    struct address keeps = client_of("192.0.2.1"), client;
    assert_int_equal(quota_connect(quota, &keeps, START), QUOTA_COUNTED);
    for (unsigned i = 0; i < 100000; i++) {
        client = client_of("198.51.0.0");
        client.byte[13] = (unsigned char)(i >> 16);
        client.byte[14] = (unsigned char)(i >> 8);
        client.byte[15] = (unsigned char)i;
        enum quota_grant grant = quota_connect(quota, &client, START + i);
        assert_int_not_equal(grant, QUOTA_REFUSED);
        if (i < 50000) {
            quota_disconnect(quota, &client, grant);
        }
    }
    assert_int_equal(quota_connect(quota, &keeps, START), QUOTA_REFUSED); /* who has something open is not forgotten */
    quota_disconnect(quota, &keeps, QUOTA_COUNTED);
    assert_int_equal(quota_connect(quota, &keeps, START), QUOTA_COUNTED);
    free(quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_at_a_time), cmocka_unit_test(test_connections_a_second),
        cmocka_unit_test(test_requests_a_second),     cmocka_unit_test(test_requests_at_a_time),
        cmocka_unit_test(test_who_is_exempt),         cmocka_unit_test(test_the_table_is_never_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
