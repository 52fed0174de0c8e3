/* Results to the body of a RESULT, and the tags that go with them: on results made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader.h"
#include "rows.h"
#include "statement_file.h"
#include "tags.h"

/* A job of one statement, whose file is `text`, with its result. */
struct fixture {
    struct statement statement;
    struct job *job;
};

static struct fixture fixture_new(const char *text, const char *const *parameter, PGresult *result)
{
    struct fixture f = {.job = calloc(1, sizeof(struct job) + sizeof(struct job_item))};
    char error[256];
    if (!statement_parse(&f.statement, "x.sql", strdup(text), error, sizeof(error)))
        fail_msg("%s", error);
    f.job->n = 1;
    f.job->item[0].parameter = parameter;
    f.job->item[0].result = result;
    return f;
}

static void fixture_free(struct fixture *f)
{
    job_free(&f->job);
    free(f->statement.text);
}

static PGresult *result_new(int columns, const char *const *names, const Oid *types)
{
    PGresAttDesc attributes[16] = {{.name = NULL}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    for (int c = 0; c < columns; c++)
        attributes[c] = (PGresAttDesc){.name = (char *)names[c], .typid = types[c], .typlen = -1};
    assert_true(PQsetResultAttrs(result, columns, attributes));
    return result;
}

static void set(PGresult *result, int row, int column, const char *value)
{
    assert_true(PQsetvalue(result, row, column, (char *)value, value ? (int)strlen(value) : -1));
}

static struct reader_item next(struct reader *r)
{
    struct reader_item item;
    assert_true(reader_item(r, &item));
    return item;
}

static void values_keep_their_types(void **state)
{
    static const char *const names[] = {"i", "n", "b", "t", "list", "none", "big", "f"};
    static const Oid types[] = {23, 1700, 16, 25, 1009, 25, 20, 701};
    (void)state;
    PGresult *result = result_new(8, names, types);
    static const char *const values[] = {
        "-7", "8.5", "t", "caf\xc3\xa9", "{a,NULL,\"b c\"}", NULL, "9223372036854775807", "NaN"};
    for (int c = 0; c < 8; c++)
        set(result, 0, c, values[c]);
    struct fixture f = fixture_new("-- name: a\nselect 1", NULL, result);
    f.job->item[0].statement = &f.statement;
    struct buffer body = {.limit = 4096};
    char error[256];
    assert_true(rows_pack(f.job, &body, error, sizeof(error)));

    struct reader r = reader_of(body.p, body.n);
    assert_int_equal(next(&r).n, 1);
    assert_int_equal(next(&r).n, 3);
    assert_int_equal(next(&r).n, 8);
    for (int c = 0; c < 8; c++)
        assert_true(str_eq(next(&r).as.str, str_of(names[c])));
    assert_int_equal(next(&r).n, 1);
    assert_int_equal(next(&r).n, 8);
    assert_int_equal(next(&r).as.integer, -7);
    assert_true(next(&r).as.number == 8.5);
    assert_true(next(&r).as.boolean);
    assert_true(str_eq(next(&r).as.str, STR("caf\xc3\xa9")));
    assert_int_equal(next(&r).n, 3);
    assert_true(str_eq(next(&r).as.str, STR("a")));
    assert_int_equal(next(&r).kind, READ_NIL);
    assert_true(str_eq(next(&r).as.str, STR("b c")));
    assert_int_equal(next(&r).kind, READ_NIL);
    assert_int_equal(next(&r).as.integer, INT64_MAX);
    struct reader_item nan = next(&r);
    assert_true(nan.kind == READ_FLOAT && nan.as.number != nan.as.number);
    assert_int_equal(next(&r).as.integer, 1);
    assert_true(reader_end(&r));
    buffer_release(&body);
    fixture_free(&f);
}

static void a_body_has_a_limit(void **state)
{
    static const char *const names[] = {"t"};
    static const Oid types[] = {25};
    (void)state;
    PGresult *result = result_new(1, names, types);
    for (int r = 0; r < 100; r++)
        set(result, r, 0, "0123456789");
    struct fixture f = fixture_new("-- name: long-one\nselect 1", NULL, result);
    f.job->item[0].statement = &f.statement;
    char error[256];
    for (size_t limit = 1; limit < 1300; limit += 7) {
        struct buffer body = {.limit = limit};
        bool good = rows_pack(f.job, &body, error, sizeof(error));
        assert_int_equal(good, limit >= 1 + 1 + 1 + 2 + 3 + 100 * 12 + 1);
        assert_true(good || strstr(error, "statement long-one"));
        assert_true(body.n <= limit);
        buffer_release(&body);
    }
    fixture_free(&f);
}

static void an_array_of_arrays_is_refused(void **state)
{
    static const char *const names[] = {"deep"};
    static const Oid types[] = {1009};
    (void)state;
    PGresult *result = result_new(1, names, types);
    set(result, 0, 0, "{{a},{b}}");
    struct fixture f = fixture_new("-- name: a\nselect 1", NULL, result);
    f.job->item[0].statement = &f.statement;
    struct buffer body = {.limit = 4096};
    char error[256];
    assert_false(rows_pack(f.job, &body, error, sizeof(error)));
    assert_non_null(strstr(error, "column deep"));
    buffer_release(&body);
    fixture_free(&f);
}

/* The tags of n rows with the ids 0, 1, … (each twice), asked for with the parameter. */
static bool gather(const char *text, int n, const char *parameter, struct tags *tags, char *error, size_t error_size)
{
    static const char *const names[] = {"id"};
    static const Oid types[] = {25};
    static struct tag_set *set_of_tags; /* its texts are looked at by the caller */
    const char *parameters[] = {parameter};
    PGresult *result = result_new(1, names, types);
    for (int r = 0; r < 2 * n; r++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", r / 2);
        set(result, r, 0, id);
    }
    set(result, 2 * n, 0, NULL);
    struct fixture f = fixture_new(text, parameters, result);
    f.job->item[0].statement = &f.statement;
    tag_set_free(&set_of_tags);
    if (tags) {
        set_of_tags = tag_set_new();
        bool good = tag_set_gather(set_of_tags, f.job, tags, error, error_size);
        fixture_free(&f);
        return good;
    }
    fixture_free(&f);
    return true;
}

static void tags_are_gathered_once_and_cut(void **state)
{
    static const char both[] =
        "-- name: a\n-- params: p text\n-- row-tags: m:{id}\n-- param-tags: p:{p}\n-- tags: all\nselect $1";
    static const char narrow[] = "-- name: a\n-- params: p text\n-- row-tags: m:{id}\nselect $1";
    struct tags tags;
    char error[256], longest[LIMIT_TAG + 1];
    (void)state;
    assert_true(gather(both, 2, "x", &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 4);
    assert_true(str_eq(tags.item[0], STR("all")) && str_eq(tags.item[1], STR("p:x")) &&
                str_eq(tags.item[2], STR("m:0")) && str_eq(tags.item[3], STR("m:1")));
    assert_true(gather(both, 128, "x", &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 130);
    assert_true(gather(both, 129, "x", &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 2);
    assert_true(gather(both, 0, NULL, &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 1);
    assert_true(gather(narrow, 512, NULL, &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 512);
    assert_false(gather(narrow, 513, NULL, &tags, error, sizeof(error)));
    assert_non_null(strstr(error, "statement a: more than 512 tags"));

    memset(longest, 'x', sizeof(longest));
    longest[LIMIT_TAG - 2] = '\0';
    assert_true(gather(both, 0, longest, &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 2);
    assert_int_equal(tags.item[1].n, LIMIT_TAG);
    memset(longest, 'x', LIMIT_TAG);
    longest[LIMIT_TAG - 1] = '\0';
    assert_true(gather(both, 0, longest, &tags, error, sizeof(error)));
    assert_int_equal(tags.n, 1);

    assert_false(gather("-- name: a\n-- row-tags: m:{other}\nselect 1", 1, NULL, &tags, error, sizeof(error)));
    assert_non_null(strstr(error, "{other}"));
    gather(both, 0, NULL, NULL, error, sizeof(error));
}

/* A statement's result with the ids from first on; it is freed with the job. */
static PGresult *ids(int first, int n)
{
    static const char *const names[] = {"id"};
    static const Oid types[] = {25};
    PGresult *result = result_new(1, names, types);
    for (int r = 0; r < n; r++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", first + r);
        set(result, r, 0, id);
    }
    return result;
}

static bool has(const struct tags *tags, const char *tag)
{
    for (uint32_t i = 0; i < tags->n; i++)
        if (str_eq(tags->item[i], str_of(tag)))
            return true;
    return false;
}

/* What a batch of movies, categories and more movies keeps, with so many rows each: the first tag of each statement's
 * rows, as bits, once the sum of the tags is right. */
static unsigned kept(int movies, int categories, int more, uint32_t n)
{
    static const char *const text[] = {"-- name: a\n-- row-tags: movie:{id}\n-- tags: movies\nselect 1",
                                       "-- name: b\n-- row-tags: category:{id}\n-- tags: categories\nselect 1",
                                       "-- name: c\n-- row-tags: movie:{id}\n-- tags: movies\nselect 1"};
    struct statement statement[3] = {{.text = NULL}};
    struct job *job = calloc(1, sizeof(*job) + 3 * sizeof(struct job_item));
    struct tag_set *set_of_tags = tag_set_new();
    struct tags tags;
    char error[256];
    job->n = 3;
    for (int i = 0; i < 3; i++) {
        assert_true(statement_parse(&statement[i], "x.sql", strdup(text[i]), error, sizeof(error)));
        job->item[i].statement = &statement[i];
    }
    job->item[0].result = ids(0, movies);
    job->item[1].result = ids(0, categories);
    job->item[2].result = ids(movies - 1, more); /* its first is the last of the others */
    assert_true(tag_set_gather(set_of_tags, job, &tags, error, sizeof(error)));
    assert_int_equal(tags.n, n);
    assert_true(has(&tags, "movies") && has(&tags, "categories"));
    char last[32];
    snprintf(last, sizeof(last), "movie:%d", movies - 1);
    unsigned found = (has(&tags, "movie:0") ? 1 : 0) + (has(&tags, "category:0") ? 2 : 0) + (has(&tags, last) ? 4 : 0);
    for (int i = 0; i < 3; i++)
        free(statement[i].text);
    job_free(&job);
    tag_set_free(&set_of_tags);
    return found;
}

static void a_statement_with_many_rows_takes_no_others_with_it(void **state)
{
    (void)state;
    assert_int_equal(kept(24, 104, 1, 2 + 128), 1 + 2 + 4);
    assert_int_equal(kept(24, 105, 1, 2 + 24), 1 + 4);
    assert_int_equal(kept(24, 5000, 20, 2 + 24 + 19), 1 + 4);
    /* The largest goes first; a tag that another one brought, too, stays. */
    assert_int_equal(kept(100, 60, 20, 2 + 60 + 20), 2 + 4);
    assert_int_equal(kept(200, 150, 129, 2), 0);
    assert_int_equal(kept(200, 150, 128, 2 + 128), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_their_types),
        cmocka_unit_test(a_body_has_a_limit),
        cmocka_unit_test(an_array_of_arrays_is_refused),
        cmocka_unit_test(tags_are_gathered_once_and_cut),
        cmocka_unit_test(a_statement_with_many_rows_takes_no_others_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
