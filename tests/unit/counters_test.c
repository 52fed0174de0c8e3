/* Counters: one address before and after the file is there, and a file that explains itself to a stranger. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "counters.h"

static char directory[] = "/tmp/filmyfly-counters-XXXXXX";
static char path[64];

static const struct counters_head *map_file(void)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    const struct counters_head *head;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    head = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(head, MAP_FAILED);
    close(fd);
    return head;
}

static const struct counter *find(const struct counters_head *head, const char *name)
{
    for (uint32_t i = 0; i < head->n; i++) {
        if (strcmp(head->counter[i].name, name) == 0) {
            return &head->counter[i];
        }
    }
    fail_msg("no counter %s in the file", name);
    return NULL;
}

static void what_was_counted_before_the_file_is_in_it(void **state)
{
    struct counter *c = counter("requests", COUNTER_SUM);
    const struct counters_head *head;

    (void)state;
    count(c, 3);
    assert_true(counters_open(path, "renderer", "2"));
    count(c, 4);
    head = map_file();
    assert_int_equal(head->magic, COUNTERS_MAGIC);
    assert_int_equal(head->pid, getpid());
    assert_string_equal(head->stage, "renderer");
    assert_string_equal(head->instance, "2");
    assert_int_equal(find(head, "requests")->value, 7);
    assert_ptr_equal(counter("requests", COUNTER_SUM), c);
}

static void a_new_life_leaves_the_old_mapping_whole(void **state)
{
    const struct counters_head *before = map_file();
    struct counter *c = counter("requests", COUNTER_SUM);

    (void)state;
    assert_true(counters_open(path, "renderer", "2"));
    count(c, 100);
    assert_int_equal(find(before, "requests")->value, 7);
    assert_int_equal(find(map_file(), "requests")->value, 107);
}

static void a_histogram_counts_powers_of_two(void **state)
{
    struct counter *h = counter("wait", COUNTER_HISTOGRAM);

    (void)state;
    histogram(h, 0);
    histogram(h, 1);
    histogram(h, 1000);
    histogram(h, 1023);
    histogram(h, UINT64_MAX / 2 + 1);
    assert_int_equal(h->bin[0], 2);
    assert_int_equal(h->bin[9], 2);
    assert_int_equal(h->bin[63], 1);
}

static void *count_much(void *c)
{
    for (int i = 0; i < 100000; i++) {
        count(c, 1);
    }
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    struct counter *c = counter("threads", COUNTER_SUM);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, c), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c->value, 400000);
}

static void a_path_that_cannot_be_leaves_counters_working(void **state)
{
    struct counter *c = counter("requests", COUNTER_SUM);
    uint64_t before = c->value;

    (void)state;
    assert_false(counters_open("/nowhere/at/all.stats", "renderer", "2"));
    assert_int_equal(errno, ENOENT);
    count(c, 1);
    assert_int_equal(c->value, before + 1);
}

static void each_life_of_a_name_counts(void **state)
{
    struct counter *lives = counter("process.lives", COUNTER_GAUGE);
    const struct counters_head *before;
    int fd;

    (void)state;
    unlink(path);
    assert_true(counters_open(path, "renderer", "2"));
    assert_int_equal(lives->value, 1);
    assert_true(counters_open(path, "renderer", "2"));
    assert_true(counters_open(path, "renderer", "2"));
    before = map_file();
    assert_int_equal(find(before, "process.lives")->value, 3);
    unlink(path); /* what lies there is another's, and too short for what it says */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_int_equal(write(fd, before, sizeof(*before) + 10), sizeof(*before) + 10);
    close(fd);
    assert_true(counters_open(path, "renderer", "2"));
    assert_int_equal(lives->value, 1);
}

static const struct peer_row *rows_of(const struct counters_head *head)
{
    return (const struct peer_row *)(const void *)&head->counter[COUNTERS_MAX];
}

static void a_row_of_a_peer_is_in_the_file_until_it_is_given_back(void **state)
{
    struct peer_row *row = peer_row_take(), *other = peer_row_take();
    const struct peer_row *rows;

    (void)state;
    assert_non_null(row);
    assert_ptr_not_equal(row, other);
    assert_true(counters_open(path, "renderer", "2"));
    rows = rows_of(map_file());
    snprintf(row->to, sizeof(row->to), "dbproxy/7");
    row->standing = PEER_READY;
    assert_string_equal(rows[0].to, "dbproxy/7");
    assert_int_equal(rows[0].standing, PEER_READY);
    row->standing = PEER_UNUSED;
    assert_ptr_equal(peer_row_take(), row);
    for (int i = 0; i < PEER_ROWS - 2; i++) {
        assert_non_null(peer_row_take());
    }
    assert_null(peer_row_take());
}

static void too_many_share_one(void **state)
{
    char name[32];
    struct counter *last = NULL;

    (void)state;
    for (int i = 0; i < COUNTERS_MAX + 10; i++) {
        snprintf(name, sizeof(name), "many.%d", i);
        last = counter(name, COUNTER_SUM);
    }
    assert_string_equal(last->name, "overflow");
    assert_ptr_equal(counter("one more", COUNTER_SUM), last);
}

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/2.stats", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_counted_before_the_file_is_in_it),
        cmocka_unit_test(a_new_life_leaves_the_old_mapping_whole),
        cmocka_unit_test(a_histogram_counts_powers_of_two),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(a_path_that_cannot_be_leaves_counters_working),
        cmocka_unit_test(each_life_of_a_name_counts),
        cmocka_unit_test(a_row_of_a_peer_is_in_the_file_until_it_is_given_back),
        cmocka_unit_test(too_many_share_one),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
