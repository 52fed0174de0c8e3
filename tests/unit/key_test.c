/* Names of pages: what means the same is one page, what does not is not (cacher/key.h, cacher/hash.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "key.h"
#include "messages.h"

static struct key key, other;
static const struct hash seed = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};

static const char *text_of(const char *target)
{
    static char text[KEY_BYTES + 1];
    if (!key_make(&key, STR("https"), STR("a.example"), str_of(target)))
        return NULL;
    memcpy(text, key.text, key.n);
    text[key.n] = '\0';
    return text + strlen("https://a.example");
}

static void what_means_the_same_is_one_page(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"/", "/"},
        {"/movie/heat-1995", "/movie/heat-1995"},
        {"/%6dovie/%7Ex", "/movie/~x"},
        {"/a%2fb%c3%a9", "/a%2Fb%C3%A9"},
        {"/caf\xc3\xa9", "/caf%C3%A9"},
        {"/a/./b/../c", "/a/c"},
        {"/a/%2e%2E/b", "/b"},
        {"/..", "/"},
        {"/../../a/..", "/"},
        {"/a/.", "/a/"},
        {"/a/b/..", "/a/"},
        {"/a//b", "/a//b"},
        {"/x?", "/x"},
        {"/x?&&", "/x"},
        {"/x?b=2&a=1", "/x?a=1&b=2"},
        {"/x?a=2&b=3&a=1", "/x?a=2&a=1&b=3"},
        {"/x?utm_source=x&q=heat&fbclid=1&GCLID=7", "/x?q=heat"},
        {"/x?utm_source=x", "/x"},
        {"/x?%75tm_campaign=1&q=1", "/x?q=1"},
        {"/x?a=%7e%2f", "/x?a=~%2F"},
        {"/x?a&a=", "/x?a&a="},
        {"/x?q=a?b", "/x?q=a?b"},
        {"/x?ab=1&a=2", "/x?a=2&ab=1"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_equal(text_of(pairs[i][0]), pairs[i][1]);
}

static void what_is_different_stays_different(void **state)
{
    (void)state;
    static const char *const all[] = {
        "/",           "/a",         "/A",         "/a/",          "/a%2Fb", "/a/b",     "/a?b",     "/a?b=",
        "/a?b=1",      "/a?b=1&b=2", "/a?b=2&b=1", "/a?b=1%26b=2", "/a?b=+", "/a?b=%20", "/a?b=%2B", "/a?utmsource=1",
        "/a?gclids=1", "/a?q=utm_x", "//a",        "/a%3Fb"};
    struct hash hashes[sizeof(all) / sizeof(all[0])];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_non_null(text_of(all[i]));
        hashes[i] = key_hash(&key, &seed);
        for (size_t j = 0; j < i; j++)
            assert_false(hash_eq(hashes[i], hashes[j]));
    }
}

static void what_is_malformed_or_too_long_has_no_key(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "a",    "*",    "/%",    "/%4",    "/%zz",
                                      "/x?a=%g0", "/a b", "/a#b", "/\x01", "/x?a=%4"};
    static char longest[KEY_BYTES + 10] = "/";
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(text_of(bad[i]));
    memset(longest + 1, 'a', sizeof(longest) - 2);
    assert_null(text_of(longest));
    longest[KEY_BYTES - strlen("https://a.example")] = '\0';
    assert_non_null(text_of(longest));
    char many[4 * KEY_PARAMETERS + 10] = "/?";
    for (int i = 0; i <= KEY_PARAMETERS; i++)
        strcat(many, "a=&");
    assert_null(text_of(many));
    many[2 + 3 * KEY_PARAMETERS] = '\0';
    assert_non_null(text_of(many));
}

static bool same(const char *s1, const char *h1, const char *s2, const char *h2)
{
    assert_true(key_make(&key, str_of(s1), str_of(h1), STR("/x")));
    assert_true(key_make(&other, str_of(s2), str_of(h2), STR("/x")));
    return str_eq(key_text(&key), key_text(&other));
}

static void the_host_is_part_of_it(void **state)
{
    (void)state;
    assert_true(same("https", "A.Example", "https", "a.example"));
    assert_true(same("https", "a.example:443", "https", "a.example"));
    assert_true(same("http", "a.example:80", "http", "a.example"));
    assert_true(same("http", "a.example:", "http", "a.example"));
    assert_false(same("http", "a.example:443", "http", "a.example"));
    assert_false(same("http", "a.example", "https", "a.example"));
    assert_false(same("https", "a.example", "https", "b.example"));
    static const char *const bad[] = {"", "a/b", "a?b", "u@a", "a b", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(key_make(&key, STR("https"), str_of(bad[i]), STR("/")));
}

static void a_key_can_be_taken_apart(void **state)
{
    (void)state;
    struct str scheme, host, target;
    assert_true(key_make(&key, STR("https"), STR("[::1]:8443"), STR("/x?b&a")));
    assert_true(key_split(key_text(&key), &scheme, &host, &target));
    assert_true(str_eq(scheme, STR("https")) && str_eq(host, STR("[::1]:8443")) && str_eq(target, STR("/x?a&b")));
    assert_true(str_eq(target, key_target(&key)));
    assert_int_equal(key.query, key.n - 4);
    assert_false(key_split(STR("https:/x"), &scheme, &host, &target));
    assert_false(key_split(STR("https://x"), &scheme, &host, &target));
    assert_false(key_split(STR("://"), &scheme, &host, &target));
}

/* Twice is once; and what a random spelling of the same address is made into is the same. */
static void normal_form_of_anything_is_its_own(void **state)
{
    (void)state;
    static const char alphabet[] = "/.%2eE?&=ab~_-utm+;:@!$'()*,\xc3\xa9"
                                   "41fF";
    srand(1);
    unsigned made = 0;
    for (int round = 0; round < 200000; round++) {
        char target[40] = "/", again[KEY_BYTES + 1];
        size_t n = 1 + (size_t)rand() % 30;
        for (size_t i = 1; i < n; i++)
            target[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        if (!key_make(&key, STR("https"), STR("h"), (struct str){target, (uint32_t)n}))
            continue;
        made++;
        struct str normal = key_target(&key);
        memcpy(again, normal.p, normal.n);
        assert_true(key_make(&other, STR("https"), STR("h"), (struct str){again, normal.n}));
        assert_true(str_eq(key_text(&key), key_text(&other)));
        /* Another spelling: each letter encoded, in either case. */
        char spelled[3 * 40];
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            bool letter = (target[i] >= 'g' && target[i] <= 'z') || target[i] == '_' || target[i] == '~';
            m += letter && rand() % 2 ? (size_t)sprintf(spelled + m, rand() % 2 ? "%%%02x" : "%%%02X", target[i])
                                      : (size_t)(spelled[m] = target[i], 1);
        }
        if (key_make(&other, STR("HTTPS"), STR("H:443"), (struct str){spelled, (uint32_t)m}))
            assert_true(str_eq(key_text(&key), key_text(&other)));
    }
    assert_true(made > 50000);
}

/* The published results of SipHash-2-4-128 for the key 00…0f and the inputs 00, 00 01, … */
static void the_hash_is_siphash(void **state)
{
    (void)state;
    unsigned char bytes[64];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    struct hash none = hash_bytes(&seed, bytes, 0), one = hash_bytes(&seed, bytes, 1);
    assert_true(none.a == 0xe6a825ba047f81a3ull && none.b == 0x930255c71472f66dull);
    assert_true(one.a == 0x44af996bd8c187daull && one.b == 0x45fc229b11597634ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_the_same_is_one_page),
        cmocka_unit_test(what_is_different_stays_different),
        cmocka_unit_test(what_is_malformed_or_too_long_has_no_key),
        cmocka_unit_test(the_host_is_part_of_it),
        cmocka_unit_test(a_key_can_be_taken_apart),
        cmocka_unit_test(normal_form_of_anything_is_its_own),
        cmocka_unit_test(the_hash_is_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
