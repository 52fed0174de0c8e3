/* What the inspector makes of the run directory: files of all kinds at its border, and the figures. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "figures.h"
#include "vitals.h"

/* filmyfly.c has the table; here is none. */
#include "command.h"
const struct command commands[] = {{.name = NULL}};

static char directory[] = "/tmp/filmyfly-inspector-XXXXXX";
static char folder[64];

/* A file of counters in the making. */
static _Alignas(8) char file[sizeof(struct counters_head) + COUNTERS_MAX * sizeof(struct counter) +
                             PEER_ROWS * sizeof(struct peer_row)];
static struct counters_head *const head = (void *)file;
static struct peer_row *const rows_of_file =
    (void *)(file + sizeof(struct counters_head) + COUNTERS_MAX * sizeof(struct counter));

static struct counter *put(const char *name, enum counter_kind kind, uint64_t value)
{
    struct counter *c = &head->counter[head->n++];

    snprintf(c->name, sizeof(c->name), "%s", name);
    c->kind = kind;
    c->value = value;
    return c;
}

static void begin(void)
{
    memset(file, 0, sizeof(file));
    head->magic = COUNTERS_MAGIC;
    head->format = COUNTERS_FORMAT;
    head->pid = 4711;
    head->started = 1000;
    snprintf(head->release, sizeof(head->release), "0.1.0");
}

static void vitals(enum vitals_state process_state, uint64_t alive)
{
    put("process.state", COUNTER_GAUGE, process_state);
    put("process.alive", COUNTER_GAUGE, alive);
}

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void write_stats(size_t n)
{
    write_file("1.stats", file, n);
}

static int hold_lock(const char *name)
{
    int fd = open(in_folder(name), O_RDWR | O_CREAT, 0640);

    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

static struct pipeline *look(void)
{
    char error[4400];
    struct pipeline *pipeline = pipeline_look(directory, error, sizeof(error));

    assert_non_null(pipeline);
    return pipeline;
}

/* The one instance's standing, and what is said of its file. */
static enum standing standing(char problem[512])
{
    struct pipeline *pipeline = look();

    assert_int_equal(pipeline->n, 1);
    enum standing found = pipeline->instance[0].standing;
    if (problem) {
        memcpy(problem, pipeline->instance[0].problem, 512);
    }
    pipeline_free(&pipeline);
    return found;
}

static int clear_folder(void **state)
{
    static const char *const names[] = {"1.stats", "1.lock", "1.sock", "1.x.stats", "..stats", "no\033name.stats"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unlink(in_folder(names[i]));
    }
    return 0;
}

static void files_that_are_no_counters_are_named(void **state)
{
    char problem[512], path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s", in_folder("1.stats"));
    write_file("1.stats", "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(standing(problem), STANDING_DEAD);
    assert_non_null(strstr(problem, path));
    assert_non_null(strstr(problem, "is no file of counters"));
    write_file("1.stats", "", 0);
    standing(problem);
    assert_non_null(strstr(problem, "is no file of counters"));

    begin();
    head->n = COUNTERS_MAX + 1;
    write_stats(sizeof(file));
    standing(problem);
    assert_non_null(strstr(problem, "is cut off"));
    head->n = UINT32_MAX;
    write_stats(sizeof(file));
    standing(problem);
    assert_non_null(strstr(problem, "is cut off"));
    head->n = 3;
    write_stats(sizeof(*head) + 2 * sizeof(struct counter));
    standing(problem);
    assert_non_null(strstr(problem, "is cut off"));
    head->format = 99;
    write_stats(sizeof(file));
    standing(problem);
    assert_non_null(strstr(problem, "another release"));
}

static void special_files_are_not_read(void **state)
{
    char problem[512];

    (void)state;
    assert_int_equal(symlink("/dev/zero", in_folder("1.stats")), 0);
    standing(problem);
    assert_non_null(strstr(problem, "cannot be read"));
    unlink(in_folder("1.stats"));
    assert_int_equal(mkfifo(in_folder("1.stats"), 0600), 0); /* opening it must not wait for a writer */
    standing(problem);
    assert_non_null(strstr(problem, "is no file of counters"));
}

static void names_are_those_of_instances_only(void **state)
{
    struct pipeline *pipeline;

    (void)state;
    begin();
    write_file("1.x.stats", file, sizeof(file));
    write_file("..stats", file, sizeof(file));
    write_file("no\033name.stats", file, sizeof(file));
    pipeline = look();
    assert_int_equal(pipeline->n, 0);
    pipeline_free(&pipeline);
}

static void texts_are_fit_for_a_terminal(void **state)
{
    struct pipeline *pipeline;
    const struct peer_row *row;

    (void)state;
    begin();
    memset(head->release, 'x', sizeof(head->release)); /* without an end */
    head->release[3] = '\033';
    memset(rows_of_file[0].to, 'y', sizeof(rows_of_file[0].to));
    memset(put("", COUNTER_SUM, 7)->name, 'n', 40);
    write_stats(sizeof(file));
    pipeline = look();
    assert_int_equal(strlen(stats_release(pipeline->instance[0].stats)), sizeof(head->release) - 1);
    assert_int_equal(stats_release(pipeline->instance[0].stats)[3], '?');
    row = stats_peer(pipeline->instance[0].stats, 0);
    assert_non_null(row);
    assert_int_equal(strlen(row->to), sizeof(row->to) - 1);
    assert_null(stats_peer(pipeline->instance[0].stats, PEER_ROWS));
    assert_int_equal(stats_value(pipeline->instance[0].stats, "nothing"), 0);
    pipeline_free(&pipeline);
}

static void a_file_without_rows_is_whole(void **state)
{
    struct pipeline *pipeline;

    (void)state;
    begin();
    put("requests", COUNTER_SUM, 5);
    write_stats(sizeof(*head) + sizeof(struct counter));
    pipeline = look();
    assert_string_equal(pipeline->instance[0].problem, "");
    assert_int_equal(stats_value(pipeline->instance[0].stats, "requests"), 5);
    assert_null(stats_peer(pipeline->instance[0].stats, 0));
    pipeline_free(&pipeline);
}

/* What the lock, the state and the last sign of life mean together. */
static void standings(void **state)
{
    static const struct {
        bool held;
        enum vitals_state state;
        bool recent;
        enum standing expected;
    } rows[] = {
        {true, VITALS_SERVING, true, STANDING_SERVING},   {true, VITALS_SERVING, false, STANDING_HUNG},
        {true, VITALS_STARTING, true, STANDING_STARTING}, {true, VITALS_STARTING, false, STANDING_STARTING},
        {true, VITALS_LEAVING, true, STANDING_LEAVING},   {true, VITALS_LEAVING, false, STANDING_HUNG},
        {true, VITALS_DRAINED, true, STANDING_DRAINED},   {false, VITALS_SERVING, true, STANDING_DEAD},
        {false, VITALS_SERVING, false, STANDING_DEAD},    {false, VITALS_STARTING, true, STANDING_DEAD},
        {false, VITALS_LEAVING, true, STANDING_LEAVING},  {false, VITALS_LEAVING, false, STANDING_LEFT},
        {false, VITALS_DRAINED, true, STANDING_DEAD},     {false, VITALS_DRAINED, false, STANDING_DEAD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        vitals(rows[i].state, rows[i].recent ? clock_now() : 1);
        write_stats(sizeof(file));
        int fd = hold_lock("1.lock");
        if (!rows[i].held) {
            close(fd);
        }
        assert_string_equal(standing_name(standing(NULL)), standing_name(rows[i].expected));
        if (rows[i].held) {
            close(fd);
        }
    }
}

static void a_stage_of_other_making_lives_by_its_lock(void **state)
{
    struct pipeline *pipeline;
    int fd = hold_lock("1.lock");

    (void)state;
    assert_int_equal(write(fd, "815\n", 4), 4);
    assert_int_equal(standing(NULL), STANDING_STARTING);
    pipeline = look();
    assert_int_equal(pipeline->instance[0].pid, 815);
    assert_null(pipeline->instance[0].stats);
    assert_string_equal(pipeline->instance[0].problem, "");
    assert_false(figures_of(&pipeline->instance[0], NULL, 1, 0).known);
    pipeline_free(&pipeline);
    close(fd);
    assert_int_equal(standing(NULL), STANDING_DEAD);
}

static void quantiles_lie_within_their_bin(void **state)
{
    uint64_t bins[HISTOGRAM_BINS] = {0};

    (void)state;
    assert_true(bins_quantile(bins, 0.5) == 0);
    bins[20] = 100; /* 1,048,576 to 2,097,151 ns */
    assert_true(bins_quantile(bins, 0.5) > 0.00157 && bins_quantile(bins, 0.5) < 0.00158);
    assert_true(bins_quantile(bins, 1) < 0.0020972);
    bins[30] = 1;
    assert_true(bins_quantile(bins, 0.99) < 0.0020972);
    assert_true(bins_quantile(bins, 0.995) > 1.07);
    bins[63] = UINT64_MAX / 2; /* whatever stands there, it is a number */
    assert_true(bins_quantile(bins, 0.99) > 1e9);
}

static struct pipeline *look_at(uint64_t requests, uint64_t cpu, uint64_t alive, uint64_t quick, uint64_t slow)
{
    begin();
    vitals(VITALS_SERVING, alive);
    put("process.lives", COUNTER_GAUGE, 3);
    put("process.cpu", COUNTER_GAUGE, cpu);
    put("process.anonymous", COUNTER_GAUGE, 9 << 20);
    put("requests", COUNTER_SUM, requests);
    put("status.5xx", COUNTER_SUM, 2);
    put("hits.1m", COUNTER_GAUGE, 90);
    put("asked.1m", COUNTER_GAUGE, 100);
    struct counter *wait = put("wait", COUNTER_HISTOGRAM, 0);
    wait->bin[20] = quick;
    wait->bin[28] = slow;
    write_stats(sizeof(file));
    return look();
}

static void figures_are_of_the_time_between_two_looks(void **state)
{
    int fd = hold_lock("1.lock");
    uint64_t now = clock_now();
    struct pipeline *before = look_at(100, 0, now - SECOND, 1000, 0), *after = look_at(160, SECOND / 2, now, 1000, 10);
    const struct instance *instance = &after->instance[0];
    struct figures f = figures_of(instance, pipeline_same(before, instance), 2, 1060);

    (void)state;
    assert_true(f.requests > 29.9 && f.requests < 30.1);
    assert_true(f.cpu > 0.499 && f.cpu < 0.501); /* of the second between the signs of life, not of our two */
    assert_int_equal(f.restarts, 2);
    assert_int_equal(f.uptime, 60);
    assert_int_equal(f.memory, 9 << 20);
    assert_int_equal(f.errors, 2);
    assert_true(f.p50 > 0.26 && f.p50 < 0.54); /* the slow ones are recent, the thousand quick ones are not */
    struct totals t = totals_of(after, before);
    assert_int_equal(t.hits[0], 90);
    assert_int_equal(t.asked[0], 100);
    assert_true(t.wait_p99 > 0.26);
    pipeline_free(&before);
    pipeline_free(&after);
    close(fd);
}

static void where_nothing_happened_they_are_of_the_whole_life(void **state)
{
    int fd = hold_lock("1.lock");
    uint64_t now = clock_now();
    struct pipeline *before = look_at(100, 5, now, 1000, 0), *after = look_at(100, 5, now, 1000, 0);
    const struct instance *instance = &after->instance[0];
    struct figures f = figures_of(instance, pipeline_same(before, instance), 2, 1060);

    (void)state;
    assert_true(f.requests == 0 && f.cpu == 0);
    assert_true(f.p50 > 0.001 && f.p50 < 0.0021);
    assert_true(totals_of(after, before).wait_p99 == 0);
    pipeline_free(&before);
    pipeline_free(&after);
    close(fd);
}

static void another_life_is_not_compared_with(void **state)
{
    int fd = hold_lock("1.lock");
    uint64_t now = clock_now();
    struct pipeline *before = look_at(1000000, 0, now, 0, 0), *after = look_at(5, 0, now, 0, 0);

    (void)state;
    assert_non_null(pipeline_same(before, &after->instance[0]));
    head->pid++;
    write_stats(sizeof(file));
    pipeline_free(&after);
    after = look();
    assert_null(pipeline_same(before, &after->instance[0]));
    assert_int_equal(figures_of(&after->instance[0], NULL, 2, 1005).total, 5);
    pipeline_free(&before);
    pipeline_free(&after);
    close(fd);
}

static void targets(void **state)
{
    struct target target;

    (void)state;
    assert_true(target_read(&target, NULL));
    assert_true(target_has(&target, 3, "x"));
    assert_true(target_read(&target, "renderer"));
    assert_true(target_has(&target, 2, "x") && !target_has(&target, 1, "x"));
    assert_true(target_read(&target, "renderer/12"));
    assert_true(target_has(&target, 2, "12") && !target_has(&target, 2, "1"));
    assert_false(target_read(&target, "render"));
    assert_false(target_read(&target, "renderer/"));
    assert_false(target_read(&target, "renderer/../x"));
    assert_false(target_read(&target, ""));
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(folder, sizeof(folder), "%s/gateway", directory);
    return mkdir(folder, 0750);
}

static int remove_directory(void **state)
{
    clear_folder(state);
    return rmdir(folder) < 0 ? -1 : rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(files_that_are_no_counters_are_named, clear_folder),
        cmocka_unit_test_setup(special_files_are_not_read, clear_folder),
        cmocka_unit_test_setup(names_are_those_of_instances_only, clear_folder),
        cmocka_unit_test_setup(texts_are_fit_for_a_terminal, clear_folder),
        cmocka_unit_test_setup(a_file_without_rows_is_whole, clear_folder),
        cmocka_unit_test_setup(standings, clear_folder),
        cmocka_unit_test_setup(a_stage_of_other_making_lives_by_its_lock, clear_folder),
        cmocka_unit_test(quantiles_lie_within_their_bin),
        cmocka_unit_test_setup(figures_are_of_the_time_between_two_looks, clear_folder),
        cmocka_unit_test_setup(where_nothing_happened_they_are_of_the_whole_life, clear_folder),
        cmocka_unit_test_setup(another_life_is_not_compared_with, clear_folder),
        cmocka_unit_test(targets),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
