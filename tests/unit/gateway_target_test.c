/* Which paths, names and origins the gateway takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cors.h"
#include "hosts.h"
#include "target.h"

#define PROPER(literal)                                                                                                \
    {                                                                                                                  \
        {literal, sizeof(literal) - 1}, true                                                                           \
    }
#define REFUSED(literal)                                                                                               \
    {                                                                                                                  \
        {literal, sizeof(literal) - 1}, false                                                                          \
    }

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        struct str path;
        bool proper;
    } rows[] = {
        PROPER("/"),
        PROPER("/movie/alien"),
        PROPER("/one%20two//three/"),
        PROPER("/a.b/..c/d../..."),
        PROPER("/./a/."),
        PROPER("/caf%c3%a9/caf\xc3\xa9"),
        PROPER("/%f0%9f%98%80"),
        PROPER("/%F4%8f%bf%bf"),
        PROPER("/%ed%9f%bf"),
        PROPER("/%e0%a0%80"),
        PROPER("/%252e%252e/"), /* decoded once */
        REFUSED(""),
        REFUSED("a"),
        REFUSED("*"),
        REFUSED("/%"),
        REFUSED("/%4"),
        REFUSED("/%zz"),
        REFUSED("/%4g"),
        REFUSED("/%00"),
        REFUSED("/a\0b"),
        REFUSED("/%0a"),
        REFUSED("/%0D%0a"),
        REFUSED("/%7f"),
        REFUSED("/\x1f"),
        REFUSED("/.."),
        REFUSED("/../a"),
        REFUSED("/a/../b"),
        REFUSED("/a/%2e%2E/b"),
        REFUSED("/a/.%2e"),
        REFUSED("/a%2f..%2Fb"),
        REFUSED("/a\\..\\b"),
        REFUSED("/a%5c..%5cb"),
        REFUSED("/%c0%af"),        /* a slash in two bytes */
        REFUSED("/%c1%81"),        /* a letter in two */
        REFUSED("/%c0%ae%c0%ae/"), /* dots in two */
        REFUSED("/%e0%80%af"),     /* a slash in three */
        REFUSED("/%f0%80%80%af"),  /* and in four */
        REFUSED("/%ed%a0%80"),     /* half of a surrogate pair */
        REFUSED("/%f4%90%80%80"),  /* beyond Unicode */
        REFUSED("/%f5%80%80%80"),
        REFUSED("/%80"), /* a continuation of nothing */
        REFUSED("/%c3"), /* one that is cut short */
        REFUSED("/%c3/"),
        REFUSED("/%e2%82"),
        REFUSED("/caf\xe9"), /* Latin-1 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *exact = malloc(rows[i].path.n + 1); /* AddressSanitizer watches its end */
        assert_non_null(exact);
        memcpy(exact, rows[i].path.p, rows[i].path.n);
        exact = realloc(exact, rows[i].path.n ? rows[i].path.n : 1);
        assert_non_null(exact);
        if (target_path_is_proper((struct str){exact, rows[i].path.n}) != rows[i].proper) {
            fail_msg("\"%s\": expected it to be %s", rows[i].path.p, rows[i].proper ? "taken" : "refused");
        }
        free(exact);
    }
}

/* Every character in its shortest form passes, and no other spelling of it. */
static void test_characters(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[8] = "/";
        uint32_t n = 1;
        if (c < 0x80) {
            text[n++] = (char)c;
        } else if (c < 0x800) {
            text[n++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            text[n++] = (char)(0xe0 | c >> 12);
            text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        } else {
            text[n++] = (char)(0xf0 | c >> 18);
            text[n++] = (char)(0x80 | (c >> 12 & 0x3f));
            text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        }
        if (c >= 0x80) {
            text[n++] = (char)(0x80 | (c & 0x3f));
        }
        bool proper = c >= 0x20 && c != 0x7f && c != '%' && (c < 0xd800 || c > 0xdfff);
        assert_int_equal(target_path_is_proper((struct str){text, n}), proper);
        if (n > 2) {
            assert_false(target_path_is_proper((struct str){text, n - 1}));
        }
    }
}

static void test_bodies(void **state)
{
    (void)state;
    assert_int_equal(target_body_limit(STR("/"), 1 << 20), 4096);
    assert_int_equal(target_body_limit(STR("/movies"), 1 << 20), 4096);
    assert_int_equal(target_body_limit(STR("/login"), 1 << 20), 65536);
    assert_int_equal(target_body_limit(STR("/admin/movies"), 1 << 20), 1 << 20);
    assert_int_equal(target_body_limit(STR("/admin/movies"), 1024), 1024);
    assert_int_equal(target_body_limit(STR("/movies"), 1024), 1024);
    assert_int_equal(target_body_limit(STR("/admin"), 1 << 20), 4096);
}

static void test_pages_of_editors(void **state)
{
    (void)state;
    static const char *const theirs[] = {"/admin", "/admin/", "/admin/movies?x=/", "/login", "/login?to=/movies"};
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
        assert_true(target_is_of_editors(str_of(theirs[i])));
    }
    static const char *const public[] = {"/", "", "/movies?q=/admin/", "/movie/admin", "/adm", "admin/"};
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
        assert_false(target_is_of_editors(str_of(public[i])));
    }
}

static struct hosts *hosts_of(const char *names, const char *site)
{
    char error[512] = "";
    struct hosts *hosts = hosts_new(names, site, error, sizeof(error));
    assert_int_equal(hosts != NULL, !*error);
    return hosts;
}

static void test_names_of_the_site(void **state)
{
    (void)state;
    static const struct {
        const char *names, *authority;
        bool known;
    } rows[] = {
        {"", "films.example", true},
        {"", "FILMS.Example:8443", true},
        {"", "films.example.", true},
        {"", "films.example:", true},
        {"", "localhost", true},
        {"", "LocalHost:1234", true},
        {"", "127.0.0.1:80", true},
        {"", "127.255.0.9", true},
        {"", "[::1]:443", true},
        {"", "", false},
        {"", ":443", false},
        {"", "www.films.example", false},
        {"", "xfilms.example", false},
        {"", "films.example.evil.example", false},
        {"", "films.example:80:80", false},
        {"", "films.example:80x", false},
        {"", "127.0.0.1.evil.example", false},
        {"", "localhost.evil.example", false},
        {"", "128.0.0.1", false},
        {"", "[::2]", false},
        {"", "[::1", false},
        {"", "[::1]x", false},
        {"", "*", false},
        {"a.example, *.b.example  [2001:db8::1]", "a.example", true},
        {"a.example, *.b.example  [2001:db8::1]", "x.y.B.example:1", true},
        {"a.example, *.b.example  [2001:db8::1]", "[2001:DB8::1]:443", true},
        {"a.example, *.b.example  [2001:db8::1]", "b.example", false},
        {"a.example, *.b.example  [2001:db8::1]", "xb.example", false},
        {"a.example, *.b.example  [2001:db8::1]", "films.example", false},
        {"*", "whatever.example:1", true},
        {"*", "", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hosts *hosts = hosts_of(rows[i].names, "https://films.example:8443/");
        char *exact = malloc(strlen(rows[i].authority) + 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].authority, strlen(rows[i].authority));
        exact = realloc(exact, *rows[i].authority ? strlen(rows[i].authority) : 1);
        if (hosts_know(hosts, (struct str){exact, (uint32_t)strlen(rows[i].authority)}) != rows[i].known) {
            fail_msg("\"%s\" with \"%s\": expected %s", rows[i].authority, rows[i].names, rows[i].known ? "yes" : "no");
        }
        free(exact);
        hosts_free(&hosts);
        assert_null(hosts);
    }
}

static void test_names_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "https://films.example", "films.example:443", "films.example/", "a.example b@c", "*.", "a*", "[::1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(hosts_of(bad[i], "https://films.example"));
    }
    assert_null(hosts_of("", "https://"));
}

static bool make(const char *origins)
{
    char error[512] = "";
    bool good = cors_make(origins, error, sizeof(error));
    assert_int_equal(good, !*error);
    return good;
}

static void test_origins(void **state)
{
    (void)state;
    assert_true(make("*"));
    assert_true(str_eq(cors_allowed(STR("https://a.example")), STR("*")));
    assert_true(make("https://a.example, http://b.example:8080"));
    assert_true(str_eq(cors_allowed(STR("https://a.example")), STR("https://a.example")));
    assert_true(str_eq(cors_allowed(STR("http://b.example:8080")), STR("http://b.example:8080")));
    assert_null(cors_allowed(STR("http://a.example")).p);
    assert_null(cors_allowed(STR("https://a.example.evil.example")).p);
    assert_null(cors_allowed(STR("null")).p);
    assert_null(cors_allowed(STR_NONE).p);
    assert_true(make(""));
    assert_null(cors_allowed(STR("https://a.example")).p);
    assert_false(make("a.example"));
    assert_false(make("https://"));
    assert_false(make("https://A.example"));
    assert_false(make("https://a.example/"));
    assert_false(make("https://a.example null"));
    assert_true(cors_covers(STR("/api/v1/movies")));
    assert_false(cors_covers(STR("/apis")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_pages_of_editors),
        cmocka_unit_test(test_names_of_the_site),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
