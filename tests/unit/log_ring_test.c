/* The ring of the last lines: what lies in it after many lines, many writers, a crash, and under a hostile hand. The
 * process has one ring, so the tests build on each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "log_ring.h"

#define HEAD_BYTES sizeof(struct log_ring_head)
#define FILE_BYTES (HEAD_BYTES + LOG_RING_SLOTS * sizeof(struct log_slot))

static char folder[] = "/tmp/log-ring-XXXXXX";
static char path[64];
static struct log_ring_line line;

static void write_text(const char *text)
{
    log_ring_write(1, LOG_LEVEL_INFO, text, strlen(text));
}

/* Reads all that is there; the last line stays in `line`. */
static unsigned read_all(struct log_ring *ring)
{
    unsigned n = 0;
    while (log_ring_next(ring, &line)) {
        n++;
    }
    return n;
}

static unsigned read_file(void)
{
    struct log_ring *ring = log_ring_open(path);
    assert_non_null(ring);
    unsigned n = read_all(ring);
    log_ring_close(&ring);
    assert_null(ring);
    return n;
}

static void lines_before_the_file_are_in_it(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        log_warning("early %d", i);
    }
    assert_true(log_ring_keep(path));
    struct log_ring *ring = log_ring_open(path);
    assert_non_null(ring);
    assert_true(log_ring_next(ring, &line));
    assert_string_equal(line.text, "early 4"); /* the last sixteen */
    assert_int_equal(line.level, LOG_LEVEL_WARNING);
    assert_int_equal(line.pid, getpid());
    assert_int_equal(read_all(ring), 15);
    assert_string_equal(line.text, "early 19");
    log_info("with a file");
    assert_true(log_ring_next(ring, &line));
    assert_string_equal(line.text, "with a file");
    assert_int_equal(line.n, strlen(line.text));
    assert_false(log_ring_next(ring, &line));
    log_ring_close(&ring);
}

static void only_owner_and_group_may_read_it(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_size, FILE_BYTES);
}

static void the_last_lines_are_kept_and_what_is_lost_is_told(void **state)
{
    char text[32];
    struct log_ring *ring = log_ring_open(path);

    (void)state;
    assert_non_null(ring);
    read_all(ring);
    for (int i = 0; i < LOG_RING_SLOTS + 100; i++) {
        snprintf(text, sizeof(text), "many %d", i);
        write_text(text);
    }
    assert_true(log_ring_next(ring, &line));
    assert_string_equal(line.text, "many 100");
    assert_int_equal(log_ring_lost(ring), 100);
    assert_int_equal(log_ring_lost(ring), 0);
    assert_int_equal(read_all(ring), LOG_RING_SLOTS - 1);
    log_ring_close(&ring);
    assert_int_equal(read_file(), LOG_RING_SLOTS);
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    static char much[5000];

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    write_text(much);
    read_file();
    assert_int_equal(line.n, LOG_RING_TEXT);
    assert_string_equal(line.text + LOG_RING_TEXT - 5, "xx...");
}

#define THREADS 4
#define LINES   20000

static void *write_much(void *argument)
{
    char text[300];
    char letter = *(const char *)argument;
    for (int i = 0; i < LINES; i++) {
        size_t n = 10 + (size_t)i % 280;
        memset(text, letter, n);
        log_ring_write((uint64_t)n, LOG_LEVEL_DEBUG, text, n);
    }
    return NULL;
}

/* Whoever reads while four write sees whole lines only, each once, in order. */
static void a_reader_never_sees_half_a_line(void **state)
{
    pthread_t threads[THREADS];
    char letters[THREADS] = "abcd";
    struct log_ring *ring = log_ring_open(path);
    uint64_t seen = 0, lost = 0, last = 0;

    (void)state;
    assert_non_null(ring);
    read_all(ring);
    log_ring_lost(ring);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &letters[i]), 0);
    }
    for (int i = 0; i <= THREADS; i++) {
        while (log_ring_next(ring, &line)) {
            assert_true(line.number > last);
            assert_int_equal(line.n, line.time);
            for (int k = 1; k < line.n; k++) {
                assert_int_equal(line.text[k], line.text[0]);
            }
            last = line.number;
            seen++;
        }
        lost += log_ring_lost(ring);
        if (i < THREADS) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
    }
    assert_in_range(seen, LOG_RING_SLOTS / 2, THREADS * LINES);
    assert_in_range(seen + lost, 1, THREADS * LINES); /* a line that was overwritten while it was read is in neither */
    log_ring_close(&ring);
}

/* Another life of the same name: this program anew, which logs a line, opens the ring, logs another, and is killed. */
static void live_and_die(const char *early, const char *last)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "life", path, early, last, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void be_another_life(char **argv)
{
    log_open("test/1");
    log_info("%s", argv[2]);
    if (log_ring_keep(argv[1])) {
        log_info("%s", argv[3]);
        kill(getpid(), SIGKILL);
    }
}

static void the_next_life_goes_on_after_the_last_words_of_the_one_before(void **state)
{
    (void)state;
    write_text("of this life");
    struct log_ring *ring = log_ring_open(path);
    assert_non_null(ring);
    read_all(ring);
    assert_string_equal(line.text, "of this life");
    live_and_die("second, early", "second, last words");
    live_and_die("third, early", "third, last words");
    const char *expected[] = {"second, early", "second, last words", "third, early", "third, last words"};
    for (int i = 0; i < 4; i++) {
        assert_true(log_ring_next(ring, &line));
        assert_string_equal(line.text, expected[i]);
        assert_int_not_equal(line.pid, getpid());
    }
    assert_false(log_ring_replaced(ring, path));
    log_ring_close(&ring);
}

static void poke(const char *file, off_t at, const void *bytes, size_t n)
{
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static off_t slot_at(uint64_t number)
{
    return (off_t)(HEAD_BYTES + number % LOG_RING_SLOTS * sizeof(struct log_slot));
}

/* A writer that died within its line leaves an odd number. */
static void a_line_that_was_never_finished_stops_no_reader(void **state)
{
    (void)state;
    write_text("whole");
    read_file();
    uint64_t odd = 2 * line.number + 1;
    poke(path, slot_at(line.number), &odd, sizeof(odd));
    read_file();
    assert_string_not_equal(line.text, "whole"); /* the last may still come */
    write_text("after it");
    read_file();
    assert_string_equal(line.text, "after it");
    live_and_die("early", "a next life frees the slot");
    uint64_t freed = 1;
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, &freed, sizeof(freed), slot_at(odd / 2)), sizeof(freed));
    close(fd);
    assert_int_equal(freed, 0);
}

static void what_is_no_ring_is_refused(void **state)
{
    char other[80];

    (void)state;
    snprintf(other, sizeof(other), "%s/other", folder);
    assert_null(log_ring_open(other));
    assert_int_equal(errno, ENOENT);
    int fd = open(other, O_RDWR | O_CREAT, 0640);
    assert_true(fd >= 0);
    assert_null(log_ring_open(other));
    assert_int_equal(errno, EBADMSG);
    assert_int_equal(ftruncate(fd, (off_t)FILE_BYTES), 0);
    assert_null(log_ring_open(other));
    assert_int_equal(errno, EBADMSG);
    close(fd);
    assert_null(log_ring_open(folder));
    assert_int_equal(errno, EBADMSG);
}

/* A copy of the ring, told lies in every word a reader looks at. */
static void a_hostile_file_harms_no_reader(void **state)
{
    static char copy[FILE_BYTES];
    char other[80];
    const uint64_t numbers[] = {0, 1, 600, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX - LOG_RING_SLOTS};

    (void)state;
    snprintf(other, sizeof(other), "%s/other", folder);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, copy, sizeof(copy)), sizeof(copy));
    close(fd);
    unsigned random = 1;
    for (unsigned round = 0; round < 60; round++) {
        fd = open(other, O_RDWR | O_CREAT | O_TRUNC, 0640);
        size_t n = round % 3 == 2 ? HEAD_BYTES + round * 100 : sizeof(copy);
        assert_int_equal(write(fd, copy, n), n);
        close(fd);
        poke(other, offsetof(struct log_ring_head, next), &numbers[round % 6], sizeof(numbers[0]));
        for (int i = 0; i < 200; i++) {
            random = random * 1103515245 + 12345;
            uint32_t word = random ^ (random << 13);
            poke(other, (off_t)(HEAD_BYTES + random % (LOG_RING_SLOTS * 512)), &word, sizeof(word));
        }
        struct log_ring *ring = log_ring_open(other);
        assert_non_null(ring);
        unsigned lines = 0;
        while (log_ring_next(ring, &line) && lines <= LOG_RING_SLOTS) {
            assert_in_range(line.n, 0, LOG_RING_TEXT);
            assert_in_range(line.level, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG);
            lines++;
        }
        assert_in_range(lines, 0, LOG_RING_SLOTS);
        log_ring_close(&ring);
    }
}

static void a_new_file_of_the_same_name_is_noticed(void **state)
{
    char other[80];

    (void)state;
    struct log_ring *ring = log_ring_open(path);
    assert_non_null(ring);
    assert_false(log_ring_replaced(ring, path));
    snprintf(other, sizeof(other), "%s/other", folder);
    assert_true(log_ring_replaced(ring, other));
    unlink(other);
    assert_true(log_ring_replaced(ring, other));
    log_ring_close(&ring);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/1.log", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        be_another_life(argv);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_before_the_file_are_in_it),
        cmocka_unit_test(only_owner_and_group_may_read_it),
        cmocka_unit_test(the_last_lines_are_kept_and_what_is_lost_is_told),
        cmocka_unit_test(a_long_line_is_cut_and_says_so),
        cmocka_unit_test(a_reader_never_sees_half_a_line),
        cmocka_unit_test(the_next_life_goes_on_after_the_last_words_of_the_one_before),
        cmocka_unit_test(a_line_that_was_never_finished_stops_no_reader),
        cmocka_unit_test(what_is_no_ring_is_refused),
        cmocka_unit_test(a_hostile_file_harms_no_reader),
        cmocka_unit_test(a_new_file_of_the_same_name_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
