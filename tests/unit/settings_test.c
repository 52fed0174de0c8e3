/* Settings: what the environment may say, and what is said about what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "settings.h"

static struct settings settings;
static char error[512];

static bool load_with(const char *variable, const char *value, unsigned stages)
{
    bool loaded;

    setenv(variable, value, 1);
    error[0] = '\0';
    loaded = settings_load(&settings, stages, error, sizeof(error));
    unsetenv(variable);
    return loaded;
}

static void expect_error(const char *variable, const char *value, const char *sentence)
{
    assert_false(load_with(variable, value, FOR_ALL));
    assert_string_equal(error, sentence);
}

static void presets_hold_when_nothing_is_set(void **state)
{
    (void)state;
    assert_true(settings_load(&settings, FOR_ALL, error, sizeof(error)));
    assert_string_equal(settings.http, "127.0.0.1:8080");
    assert_int_equal(settings.body_max, 4 << 20);
    assert_int_equal(settings.deadline, 5000000000);
    assert_false(settings.dev);
}

static void units_are_understood(void **state)
{
    (void)state;
    assert_true(load_with("FILMYFLY_BODY_MAX", "64K", FOR_ALL));
    assert_int_equal(settings.body_max, 65536);
    assert_true(load_with("FILMYFLY_BODY_MAX", "2m", FOR_ALL));
    assert_int_equal(settings.body_max, 2 << 20);
    assert_true(load_with("FILMYFLY_DEADLINE", "250ms", FOR_ALL));
    assert_int_equal(settings.deadline, 250000000);
    assert_true(load_with("FILMYFLY_DEADLINE", "2", FOR_ALL));
    assert_int_equal(settings.deadline, 2000000000);
    assert_true(load_with("FILMYFLY_PAGE_TTL", "2h", FOR_ALL));
    assert_int_equal(settings.page_ttl, 7200000000000);
    assert_true(load_with("FILMYFLY_DEV", "Yes", FOR_ALL));
    assert_true(settings.dev);
}

static void what_is_wrong_is_named_with_what_is_expected(void **state)
{
    (void)state;
    expect_error("FILMYFLY_CREDIT", "many", "FILMYFLY_CREDIT is \"many\"; expected a number from 1 to 10000.");
    expect_error("FILMYFLY_CREDIT", "0", "FILMYFLY_CREDIT is \"0\"; expected a number from 1 to 10000.");
    expect_error("FILMYFLY_CREDIT", "-1", "FILMYFLY_CREDIT is \"-1\"; expected a number from 1 to 10000.");
    expect_error("FILMYFLY_CREDIT", " 7", "FILMYFLY_CREDIT is \" 7\"; expected a number from 1 to 10000.");
    expect_error("FILMYFLY_CREDIT", "99999999999999999999999",
                 "FILMYFLY_CREDIT is \"99999999999999999999999\"; expected a number from 1 to 10000.");
    expect_error("FILMYFLY_BODY_MAX", "18446744073709551615K",
                 "FILMYFLY_BODY_MAX is \"18446744073709551615K\"; expected bytes (K, M, G) from 1K to 64M.");
    expect_error("FILMYFLY_DEADLINE", "5x",
                 "FILMYFLY_DEADLINE is \"5x\"; expected a time (ms, s, m, h, d) from 100ms to 5m.");
    expect_error("FILMYFLY_DEV", "\033[31m", "FILMYFLY_DEV is \"?[31m\"; expected on or off.");
}

static void the_site_is_scheme_and_authority(void **state)
{
    static const char *const good[][2] = {
        {"https://films.example", "https://films.example"},
        {"https://films.example/", "https://films.example"},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080"},
        {"https://[::1]:8443/", "https://[::1]:8443"},
        {"https://[::1]", "https://[::1]"},
        {"https://my_host.example.:443", "https://my_host.example.:443"},
    };
    static const char *const bad[] = {
        "films.example:8443",
        "ftp://films.example",
        "https://",
        "https:///",
        "https://films.example//",
        "https://films.example/movies",
        "https://films.example?",
        "https://films.example#",
        "https://user@films.example",
        "https://films.example:",
        "https://:8443",
        "https://films.example:84 43",
        "https://films.example:x",
        "https://films.example:123456",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://fi lms.example",
        "https://films.example\"x",
        " https://films.example",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(load_with("FILMYFLY_SITE", good[i][0], FOR_RENDERER));
        assert_string_equal(settings.site, good[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (load_with("FILMYFLY_SITE", bad[i], FOR_GATEWAY)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    expect_error("FILMYFLY_SITE", "https://films.example/x",
                 "FILMYFLY_SITE is \"https://films.example/x\"; expected an address such as https://films.example.");
}

static void a_secret_is_never_repeated(void **state)
{
    char url[4200];

    (void)state;
    memset(url, 's', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    assert_false(load_with("DATABASE_URL", url, FOR_DBPROXY));
    assert_null(strstr(error, "sss"));
    assert_non_null(strstr(error, "DATABASE_URL"));
}

static void a_stage_does_not_see_what_is_not_for_it(void **state)
{
    (void)state;
    assert_true(load_with("DATABASE_URL", "postgresql:///secret", FOR_RENDERER));
    assert_string_equal(settings.database_url, "");
    assert_true(load_with("FILMYFLY_LOOPS", "nonsense", FOR_RENDERER));
}

static void empty_means_none_only_where_a_text_may_be_empty(void **state)
{
    (void)state;
    assert_true(load_with("FILMYFLY_HTTP", "", FOR_ALL));
    assert_string_equal(settings.http, "");
    assert_true(load_with("FILMYFLY_CREDIT", "", FOR_ALL));
    assert_int_equal(settings.credit, 64);
    assert_true(load_with("FILMYFLY_SITE", "", FOR_ALL));
    assert_string_equal(settings.site, "https://localhost:8443");
}

static void help_lists_the_settings_of_the_stage(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    settings_help(out, FOR_RENDERER);
    fclose(out);
    assert_non_null(strstr(text, "  FILMYFLY_PAGE_TTL=30m\n"));
    assert_null(strstr(text, "DATABASE_URL"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_hold_when_nothing_is_set),
        cmocka_unit_test(units_are_understood),
        cmocka_unit_test(what_is_wrong_is_named_with_what_is_expected),
        cmocka_unit_test(the_site_is_scheme_and_authority),
        cmocka_unit_test(a_secret_is_never_repeated),
        cmocka_unit_test(a_stage_does_not_see_what_is_not_for_it),
        cmocka_unit_test(empty_means_none_only_where_a_text_may_be_empty),
        cmocka_unit_test(help_lists_the_settings_of_the_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
