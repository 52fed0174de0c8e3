/* The log: what a line looks like, and that nobody ever waits for it. Standard error is a pipe of the test's own when
 * the log is opened. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static int reading, writing;
static char text[1 << 20];

/* All that was logged since the last call. */
static const char *take(void)
{
    ssize_t n = read(reading, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static size_t count_lines(const char *lines)
{
    size_t n = 0;

    for (; (lines = strchr(lines, '\n')); lines++) {
        n++;
    }
    return n;
}

static int set_up(void **state)
{
    int ends[2];
    int ours = dup(STDERR_FILENO);

    (void)state;
    if (ours < 0 || pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        return -1;
    }
    reading = ends[0];
    writing = ends[1];
    log_open("renderer/1");
    dup2(ours, STDERR_FILENO); /* the log has opened the pipe for itself; failures are to be seen */
    close(ours);
    return 0;
}

static void a_line_says_when_who_how_bad_and_what(void **state)
{
    (void)state;
    log_warning("page %d is %s", 7, "slow");
    assert_non_null(strstr(take(), "Z renderer/1 warning: page 7 is slow\n"));
    assert_int_equal(text[4], '-');
    assert_int_equal(text[10], 'T');
}

static void a_line_cannot_be_forged(void **state)
{
    (void)state;
    log_info("%s", "one\n2026-01-01T00:00:00.000Z gateway error: two\033[2J");
    assert_int_equal(count_lines(take()), 1);
    assert_null(strchr(text, '\033'));
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    static char much[100000];

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    log_info("%s", much);
    assert_int_equal(strlen(take()), 4095);
    assert_int_equal(count_lines(text), 1);
}

static void the_level_decides(void **state)
{
    (void)state;
    assert_false(log_set_level("loud"));
    assert_true(log_set_level("warning"));
    log_info("not seen");
    log_debug("not seen");
    log_error("seen");
    assert_int_equal(count_lines(take()), 1);
    assert_true(log_set_level("info"));
}

static void what_a_peer_can_cause_is_limited(void **state)
{
    struct log_limit limit = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        log_limited(&limit, LOG_LEVEL_WARNING, "bad frame");
    }
    /* The second may turn while we are at it. */
    assert_in_range(count_lines(take()), LOG_BURST, 2 * LOG_BURST);
    assert_true(limit.left_out > 0);
    limit.second--;
    log_limited(&limit, LOG_LEVEL_WARNING, "bad frame");
    assert_non_null(strstr(take(), "lines like this were left out"));
}

static void a_full_pipe_blocks_nobody_and_the_loss_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        log_info("nobody reads this line, number %d, and the pipe holds only so much", i);
    }
    assert_in_range(count_lines(take()), 1, 9999);
    log_info("somebody reads again");
    assert_non_null(strstr(take(), "lines before this could not be written"));
    log_info("all is told");
    assert_null(strstr(take(), "could not be written"));
}

static void others_who_share_standard_error_do_not_find_it_changed(void **state)
{
    (void)state;
    assert_false(fcntl(writing, F_GETFL) & O_NONBLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_when_who_how_bad_and_what),
        cmocka_unit_test(a_line_cannot_be_forged),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
        cmocka_unit_test(the_level_decides),
        cmocka_unit_test(what_a_peer_can_cause_is_limited),
        cmocka_unit_test(a_full_pipe_blocks_nobody_and_the_loss_is_told),
        cmocka_unit_test(others_who_share_standard_error_do_not_find_it_changed),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
