/* The catalogue's files: what is read from a right one, and how a wrong one is named; parameters at the border; a query
 * that becomes a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "job.h"
#include "sql_scan.h"
#include "statement_file.h"
#include "text_array.h"

static bool parse(struct statement *s, const char *text, char *error, size_t error_size)
{
    *s = (struct statement){.file = NULL};
    error[0] = '\0';
    return statement_parse(s, "x.sql", strdup(text), error, error_size);
}

static void reads_every_header(void **state)
{
    struct statement s;
    char error[256];
    (void)state;
    assert_true(parse(&s,
                      "-- name: movie-page\n-- A page of it: a comment.\n-- params: slug text, names text[],page  int\n"
                      "-- access: write\n--lane: long\n-- row-tags: movie:{id} of:{dir}:x\n-- param-tags: slug:{slug}\n"
                      "-- tags: movies  all\n\nselect '$4', $1, $2 -- $5\n from x where a$3 = $3;\n",
                      error, sizeof(error)));
    assert_string_equal(s.name, "movie-page");
    assert_int_equal(s.n, 3);
    assert_true(str_eq(s.parameter[2].name, STR("page")));
    assert_int_equal(s.oids[0], 25);
    assert_int_equal(s.oids[1], 1009);
    assert_int_equal(s.oids[2], 23);
    assert_true(s.writes && s.is_long);
    assert_int_equal(s.row_tags.n, 2);
    assert_true(str_eq(s.row_tags.item[1].before, STR("of:")) && str_eq(s.row_tags.item[1].field, STR("dir")) &&
                str_eq(s.row_tags.item[1].after, STR(":x")));
    assert_int_equal(s.param_tags.item[0].parameter, 0);
    assert_int_equal(s.tags.n, 2);
    assert_true(str_eq(s.tags.item[1].before, STR("all")));
    assert_string_equal(s.sql, "select '$4', $1, $2 -- $5\n from x where a$3 = $3");
    free(s.text);
}

static void name_is_enough(void **state)
{
    struct statement s;
    char error[256];
    (void)state;
    assert_true(parse(&s, "-- name: one\r\n\r\nselect 1\r\n", error, sizeof(error)));
    assert_false(s.writes || s.is_long || s.n || s.tags.n);
    free(s.text);
}

static void names_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"select 1", "x.sql:1: no \"-- name"},
        {"-- name: a", "x.sql:1: the header is not followed"},
        {"-- name: a\n-- note\n", "the header is not followed"},
        {"-- name: a\n;", "the header is not followed"},
        {"-- name: A b\nselect 1", "x.sql:1: name \"A b\""},
        {"-- name: a\n-- name: b\nselect 1", "x.sql:2: \"name\" is there twice"},
        {"-- name: a\n\n-- speed: fast\nselect 1", "x.sql:3: unknown header \"speed\""},
        {"-- name: a\n-- access: maybe\nselect 1", "x.sql:2: \"maybe\": expected read or write"},
        {"-- name: a\n-- lane: broad\nselect 1", "x.sql:2: \"broad\": expected short or long"},
        {"-- name: a\n-- params: slug\nselect $1", "x.sql:2: parameter \"slug\" has the type \"\""},
        {"-- name: a\n-- params: a varchar\nselect $1",
         "x.sql:2: parameter \"a\" has the type \"varchar\"; known are text, int"},
        {"-- name: a\n-- params: a int, a int\nselect $1", "x.sql:2: parameter \"a\" is there twice"},
        {"-- name: a\n-- params: a int,,\nselect $1", "x.sql:2: parameter \"\""},
        {"-- name: a\n-- params: a int\n\nselect 1", "x.sql:4: $1 (a) is declared but not used"},
        {"-- name: a\nselect $1", "x.sql:2: $1 is used, but \"params\" declares 0"},
        {"-- name: a\n-- params: a int\nselect $1, $3", "x.sql:3: $3 is used"},
        {"-- name: a\nselect $0", "x.sql:2: $n is used with n below 1"},
        {"-- name: a\nselect $99999999999999999999", "x.sql:2: $n is used with"},
        {"-- name: a\nselect ';';\n\ndrop table x", "x.sql:4: a second statement begins here"},
        {"-- name: a\n-- row-tags: movie\nselect 1", "x.sql:2: tag \"movie\": expected one {name}"},
        {"-- name: a\n-- row-tags: movie:{id\nselect 1", "x.sql:2: tag \"movie:{id\""},
        {"-- name: a\n-- row-tags: movie:{}\nselect 1", "x.sql:2: tag \"movie:{}\""},
        {"-- name: a\n-- row-tags: {a}{b}\nselect 1", "x.sql:2: tag \"{a}{b}\""},
        {"-- name: a\n-- tags: movie:{id}\nselect 1", "x.sql:2: tag \"movie:{id}\": expected a plain word"},
        {"-- name: a\n-- param-tags: x:{slug}\nselect 1", "x.sql:2: param-tags name {slug}, which is no parameter"},
        {"-- name: a\n-- tags: 1 2 3 4 5 6 7 8 9\nselect 1", "x.sql:2: more than 8 tags"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct statement s;
        char error[256];
        bool good = parse(&s, rows[i].text, error, sizeof(error));
        if (good || !strstr(error, rows[i].error))
            fail_msg("%s\ngave \"%s\", expected \"%s\"", rows[i].text, error, rows[i].error);
        free(s.text);
    }
}

static void tells_code_from_strings_and_comments(void **state)
{
    static const struct {
        const char *sql;
        uint64_t used;
        const char *more;
    } rows[] = {
        {"select $1, $2", 3, NULL},
        {"select '$2''$3', \"$4\" , $1", 1, NULL},
        {"select E'\\'$2', e'\\\\', $1", 1, NULL},
        {"select 'e\\', $1", 1, NULL},
        {"select $$ $2; $$, $tag$ $3 $$ $tag$, $1", 1, NULL},
        {"select /* $2 /* $3 */ ; $4 */ $1 -- $5", 1, NULL},
        {"select a$2, $1::int, b[$3]", 5, NULL},
        {"select 1; -- done\n /* yes */ ;", 0, ";"},
        {"select 1; select 2", 0, "select 2"},
        {"select 'open", 0, NULL},
        {"select $x", 0, NULL},
        {"/* open", 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sql_scan scan = sql_scan(rows[i].sql);
        assert_int_equal(scan.used, rows[i].used);
        if (rows[i].more)
            assert_string_equal(scan.more, rows[i].more);
        else
            assert_null(scan.more);
    }
}

static void parameters_fit_their_types(void **state)
{
    static const struct {
        const char *kind, *value;
        bool fits;
    } rows[] = {
        {"text", "", true},
        {"text", "caf\xc3\xa9 \xf0\x9f\x8e\xac", true},
        {"text", "\xff", false},
        {"text", "\xc3", false},
        {"text", "\xc0\xaf", false},
        {"text", "\xed\xa0\x80", false},
        {"text", "\xf4\x90\x80\x80", false},
        {"text", "\xe0\x80\x80", false},
        {"int", "0", true},
        {"int", "-2147483648", true},
        {"int", "2147483647", true},
        {"int", "2147483648", false},
        {"int", "", false},
        {"int", "-", false},
        {"int", "+1", false},
        {"int", " 1", false},
        {"int", "1 ", false},
        {"int", "1e3", false},
        {"int", "0x10", false},
        {"bigint", "-9223372036854775808", true},
        {"bigint", "9223372036854775808", false},
        {"bigint", "99999999999999999999999999", false},
        {"bool", "true", true},
        {"bool", "f", true},
        {"bool", "yes", false},
        {"float", "-2.5e3", true},
        {"float", ".5", true},
        {"float", "1e999", false},
        {"float", "1e-999", false},
        {"float", "nan", false},
        {"float", "0x1p3", false},
        {"float", "1,5", false},
        {"date", "2024-02-29", true},
        {"date", "2023-02-29", false},
        {"date", "1900-02-29", false},
        {"date", "0000-01-01", false},
        {"date", "2024-13-01", false},
        {"date", "2024-1-01", false},
        {"date", "now", false},
        {"text[]", "{}", true},
        {"text[]", "{a,\"b,\\\"c\\\"\",NULL}", true},
        {"text[]", "{a,}", false},
        {"text[]", "{{a}}", false},
        {"text[]", "[0:0]={a}", false},
        {"text[]", "{a}b", false},
        {"text[]", "{\"a}", false},
        {"text[]", "{\"a\"b}", false},
        {"text[]", "{a\"b\"}", false},
        {"text[]", "{\\}", false},
        {"text[]", "{ a}", false},
        {"text[]", "", false},
        {"text[]", "{", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* At its exact size, so that a sanitizer sees a read behind its end. */
        size_t n = strlen(rows[i].value);
        char *copy = malloc(n ? n : 1);
        memcpy(copy, rows[i].value, n);
        if (parameter_kind_find(str_of(rows[i].kind))->fits((struct str){copy, (uint32_t)n}) != rows[i].fits)
            fail_msg("%s \"%s\": expected %d", rows[i].kind, rows[i].value, rows[i].fits);
        free(copy);
    }
    assert_false(parameter_kind_find(STR("text"))->fits(STR("a\0b")));
    assert_false(parameter_kind_find(STR("float"))->fits(STR("1\0")));
    assert_null(parameter_kind_find(STR("money")));
}

static void array_items_are_unescaped(void **state)
{
    struct text_array array = text_array_of(STR("{a,\"b \\\"c\\\\\",NULL,\"NULL\",\"\",n\\ull,nUlL}"));
    static const char *const expected[] = {"a", "b \"c\\", NULL, "NULL", "", "null", NULL};
    char space[64];
    struct str item;
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        assert_true(text_array_next(&array, space, &item));
        if (expected[i])
            assert_true(item.p && str_eq(item, str_of(expected[i])));
        else
            assert_null(item.p);
    }
    assert_false(text_array_next(&array, space, &item));
    assert_false(array.failed);
    assert_int_equal(text_array_count(STR("{}")), 0);
}

/* A directory of statements. */

static char directory[64];

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/statements-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"a.sql", "b.sql", "c.sql", "note.txt", ".hidden.sql"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

static void finds_by_name(void **state)
{
    char error[512];
    (void)state;
    put("a.sql", "-- name: movies\n-- access: write\n-- params: a text, b text\nselect $1, $2");
    put("b.sql", "-- name: movie\nselect 1");
    put("c.sql", "-- name: zebra\n-- lane: long\nselect 1");
    put("note.txt", "nothing");
    put(".hidden.sql", "nothing");
    struct catalogue *catalogue = catalogue_load(directory, error, sizeof(error));
    assert_non_null(catalogue);
    assert_int_equal(catalogue->n, 3);
    assert_string_equal(catalogue_find(catalogue, STR("movie"))->file, "b.sql");
    assert_string_equal(catalogue_find(catalogue, STR("movies"))->file, "a.sql");
    assert_string_equal(catalogue_find(catalogue, STR("zebra"))->file, "c.sql");
    assert_null(catalogue_find(catalogue, STR("mov")));
    assert_null(catalogue_find(catalogue, STR("zebras")));
    assert_null(catalogue_find(catalogue, STR("")));

    /* A query becomes a job: in the lane of its slowest statement, with copies of its parameters. */
    struct message *query = calloc(1, sizeof(*query));
    char text[] = "value";
    query->type = MESSAGE_QUERY;
    query->trace = STR("r1\n");
    query->batch.n = 2;
    query->batch.item[0] = (struct statement_call){.name = STR("movie")};
    query->batch.item[1] = (struct statement_call){.name = STR("zebra")};
    struct job *job = job_new(catalogue, query, error, sizeof(error));
    assert_int_equal(job->lane, LANE_LONG);
    assert_string_equal(job->trace, "r1?");
    job_free(&job);
    query->batch.item[0] = (struct statement_call){.name = STR("movies"), .n = 2, .parameter = {{text, 5}, STR_NONE}};
    job = job_new(catalogue, query, error, sizeof(error));
    memset(text, 'x', 5);
    assert_int_equal(job->lane, LANE_WRITE);
    assert_string_equal(job->item[0].parameter[0], "value");
    assert_null(job->item[0].parameter[1]);
    job_free(&job);
    query->batch.item[1].name = STR("lion");
    assert_null(job_new(catalogue, query, error, sizeof(error)));
    assert_string_equal(error, "there is no statement \"lion\"");
    free(query);
    catalogue_free(&catalogue);
    assert_null(catalogue);
}

static void a_double_name_is_refused(void **state)
{
    char error[512];
    (void)state;
    assert_null(catalogue_load(directory, error, sizeof(error)));
    assert_non_null(strstr(error, "holds 0 statements"));
    put("a.sql", "-- name: movie\nselect 1");
    put("b.sql", "-- name: movie\nselect 2");
    assert_null(catalogue_load(directory, error, sizeof(error)));
    assert_non_null(strstr(error, "the name \"movie\" is also that of"));
    assert_null(catalogue_load("/nowhere", error, sizeof(error)));
    assert_non_null(strstr(error, "FILMYFLY_SHARE_DIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_header),
        cmocka_unit_test(name_is_enough),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(tells_code_from_strings_and_comments),
        cmocka_unit_test(parameters_fit_their_types),
        cmocka_unit_test(array_items_are_unescaped),
        cmocka_unit_test_setup_teardown(finds_by_name, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_double_name_is_refused, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
