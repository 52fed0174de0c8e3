/* The settings in force, as an instance shows them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_file.h"

static char directory[] = "/tmp/filmyfly-config-XXXXXX";
static char path[64];

static const char *read_back(void)
{
    static char text[16384];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static struct settings load(unsigned stages)
{
    struct settings settings;
    char error[512];

    assert_true(settings_load(&settings, stages, error, sizeof(error)));
    return settings;
}

static void values_are_those_in_force_in_the_units_of_the_table(void **state)
{
    struct settings settings;
    struct stat st;

    (void)state;
    setenv("FILMYFLY_PAGE_TTL", "90", 1);
    setenv("FILMYFLY_DEV", "yes", 1);
    setenv("FILMYFLY_SITE", "https://example.org", 1);
    settings = load(FOR_RENDERER);
    assert_true(config_file_write(path, &settings, FOR_RENDERER));
    assert_non_null(strstr(read_back(), "\nFILMYFLY_PAGE_TTL=90s\n"));
    assert_non_null(strstr(read_back(), "\nFILMYFLY_DEV=on\n"));
    assert_non_null(strstr(read_back(), "\nFILMYFLY_SITE=https://example.org\n"));
    assert_non_null(strstr(read_back(), "\nFILMYFLY_API_TTL=5m\n"));
    assert_null(strstr(read_back(), "FILMYFLY_CACHE_SIZE")); /* not its own */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0);
}

static void secrets_are_hidden(void **state)
{
    struct settings settings;

    (void)state;
    setenv("DATABASE_URL", "postgresql://me:pa55word@db/filmyfly", 1);
    settings = load(FOR_DBPROXY);
    assert_true(config_file_write(path, &settings, FOR_DBPROXY));
    assert_non_null(strstr(read_back(), "\nDATABASE_URL=(hidden)\n"));
    assert_non_null(strstr(read_back(), "\nDATABASE_LISTEN_URL=\n"));
    assert_null(strstr(read_back(), "pa55word"));
}

static void a_line_stays_a_line(void **state)
{
    struct settings settings;

    (void)state;
    setenv("FILMYFLY_VIEWS_DIR", "/views\nDATABASE_URL=x\033[2J", 1);
    settings = load(FOR_RENDERER);
    assert_true(config_file_write(path, &settings, FOR_RENDERER));
    assert_non_null(strstr(read_back(), "\nFILMYFLY_VIEWS_DIR=/views?DATABASE_URL=x?[2J\n"));
    unsetenv("FILMYFLY_VIEWS_DIR");
}

static void what_cannot_be_written_leaves_nothing_behind(void **state)
{
    struct settings settings = load(FOR_RENDERER);

    (void)state;
    assert_false(config_file_write("/nowhere/at/all.config", &settings, FOR_RENDERER));
    assert_int_equal(errno, ENOENT);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/1.config", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory); /* fails when a temporary file was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_in_force_in_the_units_of_the_table),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(a_line_stays_a_line),
        cmocka_unit_test(what_cannot_be_written_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
