/* What HTTP's fields say, read one by one: lists, dates, Cache-Control, CDN-Cache-Control, what a request wishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http_date.h"
#include "http_facts.h"
#include "http_list.h"
#include "http_targeted.h"

static struct headers headers;
static struct control control;
static struct request_facts facts;

static void read_control(const char *line)
{
    control = (struct control){0};
    control_add(&control, str_of(line));
}

static void directives_are_read_with_and_without_quotes(void **state)
{
    (void)state;
    read_control("max-age=60, S-MaxAge=\"7\" , , stale-while-revalidate = 5,stale-if-error=9,must-revalidate");
    assert_int_equal(control.flags,
                     CONTROL_MAX_AGE | CONTROL_S_MAXAGE | CONTROL_SWR | CONTROL_SIE | CONTROL_MUST_REVALIDATE);
    assert_true(control.max_age == 60 && control.s_maxage == 7 && control.swr == 5 && control.sie == 9);
    read_control("ext=\"no-store, private\", x-no-cache, privates, unknown=\"\\\", no-store\"");
    assert_int_equal(control.flags, 0);
    read_control("NO-STORE, No-Cache, PRIVATE, public, proxy-revalidate, must-understand, only-if-cached");
    assert_int_equal(control.flags, CONTROL_NO_STORE | CONTROL_NO_CACHE | CONTROL_PRIVATE | CONTROL_PUBLIC |
                                        CONTROL_PROXY_REVALIDATE | CONTROL_MUST_UNDERSTAND | CONTROL_ONLY_IF_CACHED);
}

static void malformed_numbers_are_taken_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"max-age=x",
                                      "max-age=",
                                      "max-age",
                                      "max-age=-1",
                                      "max-age=1.5",
                                      "max-age=1 2",
                                      "max-age=60, max-age=30",
                                      "max-age=\"",
                                      "max-age=60, max-age=x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        read_control(bad[i]);
        assert_true(control.flags & CONTROL_MAX_AGE && control.max_age == 0);
    }
    read_control("max-age=60, max-age=60");
    assert_int_equal(control.max_age, 60);
    read_control("max-age=99999999999999999999999");
    assert_int_equal(control.max_age, SECONDS_MOST);
    read_control("stale-while-revalidate=9, stale-while-revalidate=3");
    assert_int_equal(control.swr, 3);
    read_control("min-fresh=3, min-fresh=9");
    assert_int_equal(control.min_fresh, 9);
    read_control("min-fresh=x");
    assert_int_equal(control.min_fresh, SECONDS_MOST);
    read_control("max-stale");
    assert_true(control.flags & CONTROL_MAX_STALE && control.max_stale == SECONDS_MOST);
    read_control("max-stale=x");
    assert_int_equal(control.max_stale, 0);
}

static void fields_may_be_named(void **state)
{
    (void)state;
    read_control("private=\"X-A, x-b\", no-cache=\"set-cookie\"");
    assert_int_equal(control.flags, 0);
    assert_int_equal(control.fields_n, 3);
    assert_true(str_eq(control.fields[1], STR("x-b")) && str_eq(control.fields[2], STR("set-cookie")));
    read_control("private=\"X-A\", private");
    assert_int_equal(control.flags, CONTROL_PRIVATE);
    read_control("private=\"\"");
    assert_int_equal(control.flags, CONTROL_PRIVATE);
    read_control("no-cache=\"a,b,c,d,e,f,g,h,i\"");
    assert_int_equal(control.flags, CONTROL_NO_CACHE);
    read_control("private=x-a");
    assert_true(control.flags == 0 && control.fields_n == 1);
}

static bool targeted(const char *line, const char *second)
{
    headers.n = 0;
    headers_add(&headers, STR("CDN-Cache-Control"), str_of(line));
    if (second)
        headers_add(&headers, STR("cdn-cache-control"), str_of(second));
    control = (struct control){.max_age = 12345};
    bool read = targeted_read(&control, &headers);
    assert_true(read || control.max_age == 12345);
    return read;
}

static void the_targeted_field_is_a_dictionary(void **state)
{
    (void)state;
    assert_true(targeted("max-age=600;x=1, stale-while-revalidate=60", NULL));
    assert_true(control.max_age == 600 && control.swr == 60);
    assert_true(targeted("max-age=600", "no-store"));
    assert_int_equal(control.flags, CONTROL_MAX_AGE | CONTROL_NO_STORE);
    assert_true(targeted("max-age=600, max-age=5", NULL)); /* the last counts (RFC 8941 section 3.2) */
    assert_int_equal(control.max_age, 5);
    assert_true(targeted("no-store, no-store=?0, max-age=1", NULL));
    assert_int_equal(control.flags, CONTROL_MAX_AGE);
    assert_true(targeted("no-cache=?1, a=(1 \"x\" tok;p=1), b=:aGk=:, c=-1.5, d=*x/y, *e", NULL));
    assert_int_equal(control.flags, CONTROL_NO_CACHE);
    assert_true(targeted("private=\"x-a\"", NULL));
    assert_true(control.flags == 0 && control.fields_n == 1);
    assert_true(targeted("max-age=1.5", NULL));
    assert_true(control.flags & CONTROL_MAX_AGE && control.max_age == 0);
}

static void one_mistake_makes_the_targeted_field_void(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "max-age=600,",
                                      "max-age=",
                                      "Max-Age=600",
                                      "max-age=600 x",
                                      "max-age==1",
                                      ",max-age=1",
                                      "max-age=1,,no-store",
                                      "a=\"x",
                                      "a=\"\\x\"",
                                      "a=(1",
                                      "a=(1\"x\")",
                                      "a=1.",
                                      "a=1.2345",
                                      "a=1234567890123456",
                                      "a=?2",
                                      "a=:x",
                                      "a=-",
                                      "a=1;",
                                      "a=1;=2",
                                      "a=1;b=",
                                      "=1",
                                      "a=\"\x7f\"",
                                      "max-age 600",
                                      "a=@1",
                                      "a=\xc3\xa9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(targeted(bad[i], NULL));
    assert_false(targeted("max-age=600", "%"));
    headers.n = 0;
    assert_false(targeted_read(&control, &headers));
}

/* No text makes a reader leave its bytes; a sanitizer watches. */
static void no_text_harms(void **state)
{
    (void)state;
    static const char alphabet[] = "max-age=0123,no-store;\"\\?:()* \t-.s";
    srand(7);
    for (int round = 0; round < 100000; round++) {
        size_t n = (size_t)rand() % 24;
        char *text = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            text[i] = rand() % 20 ? alphabet[(size_t)rand() % (sizeof(alphabet) - 1)] : (char)rand();
        char *exact = malloc(n ? n : 1);
        memcpy(exact, text, n);
        headers.n = 0;
        headers_add(&headers, STR("cdn-cache-control"), (struct str){exact, (uint32_t)n});
        targeted_read(&control, &headers);
        int64_t seconds;
        date_read((struct str){exact, (uint32_t)n}, 0, &seconds);
        facts_begin(&facts, STR("GET"));
        static const char *const names[] = {"cache-control", "cookie", "accept-encoding", "range", "pragma"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            facts_add(&facts, str_of(names[i]), (struct str){exact, (uint32_t)n});
        facts_end(&facts);
        free(exact);
        free(text);
    }
}

static int64_t date(const char *text)
{
    int64_t seconds;
    return date_read(str_of(text), 1700000000, &seconds) ? seconds : -1;
}

static void dates_in_three_forms(void **state)
{
    (void)state;
    assert_int_equal(date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(date("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(date("Sun Nov 16 08:49:37 1994"), 784111777 + 864000);
    assert_int_equal(date("Monday, 06-Nov-23 08:49:37 GMT"), 1699260577);
    static const char *const bad[] = {"0",
                                      "",
                                      "-1",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 CET",
                                      "Sun, 06 Nuv 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "S, 06-Nov-94 08:49:37 GMT",
                                      "Sun, 06 Nov 19x4 08:49:37 GMT"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(date(bad[i]), -1);
}

static void read_facts(const char *method, const char *const *lines)
{
    facts_begin(&facts, str_of(method));
    for (; *lines; lines += 2)
        facts_add(&facts, str_of(lines[0]), str_of(lines[1]));
    facts_end(&facts);
}

#define FACTS(method, ...) read_facts(method, (const char *const[]){__VA_ARGS__, NULL})
#define TOKEN              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN-_0"

static void only_a_session_of_the_right_form_is_personal(void **state)
{
    (void)state;
    FACTS("GET", "cookie", "a=b; __Host-session=" TOKEN "; c=d");
    assert_false(facts_may_share(&facts));
    assert_true(str_eq(facts.session, STR(TOKEN)));
    static const char *const others[] = {"a=b",
                                         "__Host-session=",
                                         "__Host-session=short",
                                         "__Host-session=" TOKEN "x",
                                         "__host-session=" TOKEN,
                                         "x__Host-session=" TOKEN,
                                         "__Host-session=" TOKEN "x; a=" TOKEN,
                                         "__Host-session=!bcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN-_0",
                                         ";;; ;",
                                         ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        FACTS("GET", "Cookie", others[i]);
        assert_true(facts_may_share(&facts));
    }
    FACTS("GET", "cookie", "a=b", "cookie", "__Host-session=" TOKEN);
    assert_false(facts_may_share(&facts));
    FACTS("GET", "Authorization", "");
    assert_false(facts_may_share(&facts));
}

static void methods_and_content(void **state)
{
    (void)state;
    static struct message request = {.method = {"GET", 3}};
    facts_read(&facts, &request, 0);
    assert_true(facts_may_share(&facts));
    facts_read(&facts, &request, 1);
    assert_false(facts_may_share(&facts));
    FACTS("HEAD", "a", "b");
    assert_true(facts_may_share(&facts) && facts.flags & FACT_HEAD);
    static const char *const others[] = {"POST", "get", "PUT", "DELETE", "GETX", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        FACTS(others[i], "a", "b");
        assert_false(facts_may_share(&facts) || facts.flags & FACT_SAFE);
    }
    FACTS("OPTIONS", "a", "b");
    assert_true(!facts_may_share(&facts) && facts.flags & FACT_SAFE);
}

static uint32_t codings(const char *line)
{
    FACTS("GET", "Accept-Encoding", line);
    return facts.flags & (FACT_GZIP | FACT_BROTLI);
}

static void codings_that_a_client_takes(void **state)
{
    (void)state;
    assert_int_equal(codings("gzip, deflate, br, zstd"), FACT_GZIP | FACT_BROTLI);
    assert_int_equal(codings("br;q=0, GZIP;q=0.001"), FACT_GZIP);
    assert_int_equal(codings("gzip;q=0"), 0);
    assert_int_equal(codings("gzip; q=0.000, br ;q=1"), FACT_BROTLI);
    assert_int_equal(codings("*"), FACT_GZIP);
    assert_int_equal(codings("*, gzip;q=0"), 0);
    assert_int_equal(codings("*;q=0"), 0);
    assert_int_equal(codings("identity"), 0);
    assert_int_equal(codings(""), 0);
}

static void pragma_counts_without_cache_control(void **state)
{
    (void)state;
    FACTS("GET", "pragma", "no-cache");
    assert_true(facts_no_cache(&facts));
    FACTS("GET", "pragma", "no-cache", "cache-control", "max-age=5");
    assert_false(facts_no_cache(&facts));
    FACTS("GET", "cache-control", "max-age=5", "cache-control", "no-cache");
    assert_true(facts_no_cache(&facts) && facts.control.max_age == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directives_are_read_with_and_without_quotes),
        cmocka_unit_test(malformed_numbers_are_taken_strictly),
        cmocka_unit_test(fields_may_be_named),
        cmocka_unit_test(the_targeted_field_is_a_dictionary),
        cmocka_unit_test(one_mistake_makes_the_targeted_field_void),
        cmocka_unit_test(no_text_harms),
        cmocka_unit_test(dates_in_three_forms),
        cmocka_unit_test(only_a_session_of_the_right_form_is_personal),
        cmocka_unit_test(methods_and_content),
        cmocka_unit_test(codings_that_a_client_takes),
        cmocka_unit_test(pragma_counts_without_cache_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
