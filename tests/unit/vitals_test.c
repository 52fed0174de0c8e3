/* The signs of life: what a supervisor hears, on a socket of the test's own, and what the counters show. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "counters.h"
#include "stage.h"
#include "vitals.h"

#define MEMORY_MAX (UINT64_C(1) << 40)

static int supervisor;

/* The next message, or "" when there is none. */
static const char *heard(void)
{
    static char text[1024];
    ssize_t n = recv(supervisor, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static uint64_t shown(const char *name)
{
    return counter(name, COUNTER_GAUGE)->value;
}

static int listen_as_supervisor(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/ffvitals-XXXXXX", pid[32];
    if (!mkdtemp(directory))
        return -1;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
    supervisor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(supervisor, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "20000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    vitals_open(MEMORY_MAX);
    return 0;
}

static int stop_listening(void **state)
{
    (void)state;
    char directory[64];
    snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(getenv("NOTIFY_SOCKET") + 5, "/") + 5,
             getenv("NOTIFY_SOCKET"));
    close(supervisor);
    unlink(getenv("NOTIFY_SOCKET"));
    return rmdir(directory);
}

static void each_state_is_told_once(void **state)
{
    (void)state;
    assert_string_equal(heard(), "STATUS=starting");
    assert_int_equal(shown("process.state"), VITALS_STARTING);
    vitals_set_state(VITALS_SERVING);
    vitals_set_state(VITALS_SERVING);
    assert_string_equal(heard(), "READY=1\nSTATUS=serving");
    assert_string_equal(heard(), "");
    assert_int_equal(shown("process.state"), VITALS_SERVING);
}

static void a_status_is_one_line(void **state)
{
    (void)state;
    vitals_status("no route to host\nREADY=1");
    assert_string_equal(heard(), "STATUS=no route to host READY=1");
}

static void the_watchdog_is_fed_by_progress_alone(void **state)
{
    (void)state;
    uint64_t now = clock_now();
    vitals_tick(now, now);
    assert_string_equal(heard(), "WATCHDOG=1");
    for (uint64_t later = now; later < now + 60 * SECOND; later += 20 * MILLISECOND)
        vitals_tick(later, now); /* the clock goes on, the work does not */
    assert_string_equal(heard(), "");

    unsigned fed = 0;
    for (uint64_t later = now + 60 * SECOND; later < now + 120 * SECOND; later += 20 * MILLISECOND) {
        vitals_tick(later, later);
        fed += *heard() != '\0';
    }
    assert_int_equal(fed, 12); /* every quarter of its 20 s */
}

/* The kernel holds a few messages; nobody reads them here. */
static void a_deaf_supervisor_is_not_waited_for_and_told_later(void **state)
{
    (void)state;
    uint64_t now = clock_now() + 200 * SECOND;
    for (int i = 0; i < 2000; i++)
        vitals_status("still here");
    vitals_set_state(VITALS_DRAINED);
    while (*heard()) {
    }
    vitals_tick(now, now);
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_non_null(strstr(heard(), "STATUS=drained"));
}

static void the_gauges_tell_of_this_process(void **state)
{
    (void)state;
    uint64_t now = clock_now() + 1000 * SECOND;
    size_t size = 64 << 20;
    vitals_tick(now, now - 5);
    uint64_t before = shown("process.anonymous");
    assert_int_equal(shown("process.alive"), now - 5);
    assert_in_range(shown("process.cpu"), 1, 3600 * SECOND);

    char *memory = malloc(size);
    assert_non_null(memory);
    for (size_t i = 0; i < size; i += 1024)
        ((volatile char *)memory)[i] = 1; /* a memset that nobody reads would be left out */
    vitals_tick(now + SECOND / 2, now);
    assert_int_equal(shown("process.anonymous"), before); /* once a second only */
    vitals_tick(now + SECOND, now);
    assert_in_range(shown("process.anonymous"), before + size - (4 << 20), before + size + (64 << 20));
    free(memory);
}

static void too_much_memory_asks_for_a_restart(void **state)
{
    (void)state;
    uint64_t now = clock_now() + 2000 * SECOND;
    vitals_tick(now, now);
    assert_false(stage_leaving);
    vitals_open(1 << 20);
    vitals_tick(now + SECOND, now + SECOND);
    assert_true(stage_leaving);
    assert_int_equal(stage_exit_status, EXIT_RESTART);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_told_once),
        cmocka_unit_test(a_status_is_one_line),
        cmocka_unit_test(the_watchdog_is_fed_by_progress_alone),
        cmocka_unit_test(a_deaf_supervisor_is_not_waited_for_and_told_later),
        cmocka_unit_test(the_gauges_tell_of_this_process),
        cmocka_unit_test(too_much_memory_asks_for_a_restart),
    };
    return cmocka_run_group_tests(tests, listen_as_supervisor, stop_listening);
}
