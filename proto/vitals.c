#include "vitals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "log.h"
#include "stage.h"

#define LOOK_EVERY SECOND
#define FEEDS      4 /* in the time after which the watchdog bites */
#define MEGABYTE   (UINT64_C(1) << 20)

static struct {
    uint64_t memory_max;
    int statm;      /* /proc/self/statm, or -1 */
    int supervisor; /* a socket that never blocks, or -1: nobody asks */
    enum vitals_state state;
    bool told; /* the supervisor knows the state */
    uint64_t next_look;
    uint64_t feed_every; /* ns; 0: nobody asks */
    uint64_t next_feed, fed;
    struct counter *alive, *cpu, *anonymous, *shown_state;
} vitals = {.statm = -1, .supervisor = -1};

static const char *const sentences[] = {
    [VITALS_STARTING] = "STATUS=starting",
    [VITALS_SERVING] = "READY=1\nSTATUS=serving",
    [VITALS_LEAVING] = "STOPPING=1\nSTATUS=finishes what it holds, then ends",
    [VITALS_DRAINED] = "STATUS=drained: takes no work until it is restarted",
};

/* The protocol of sd_notify(3), whose own function waits when the supervisor does not listen: a loop may not. */
static void open_supervisor(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;

    if (n < 2 || n >= sizeof(address.sun_path) || !strchr("/@", *path))
        return;
    memcpy(address.sun_path, path, n);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/'));
    vitals.supervisor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (vitals.supervisor >= 0 && connect(vitals.supervisor, (struct sockaddr *)&address, size) < 0) {
        log_warning("the supervisor at %s cannot be told anything: %s", path, strerror(errno));
        close(vitals.supervisor);
        vitals.supervisor = -1;
    }
}

/* False when it has to be said again: the supervisor has not read what it was told before. */
static bool tell(const char *text)
{
    return vitals.supervisor < 0 || send(vitals.supervisor, text, strlen(text), MSG_NOSIGNAL) >= 0 ||
           (errno != EAGAIN && errno != ENOBUFS);
}

/* Nanoseconds after which a silent process is ended; 0: nobody watches. */
static uint64_t watchdog_time(void)
{
    const char *time = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    return time && (!pid || strtol(pid, NULL, 10) == (long)getpid()) ? strtoull(time, NULL, 10) * MICROSECOND : 0;
}

void vitals_open(uint64_t memory_max)
{
    vitals.memory_max = memory_max;
    vitals.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    vitals.feed_every = watchdog_time() / FEEDS;
    vitals.alive = counter("process.alive", COUNTER_GAUGE);
    vitals.cpu = counter("process.cpu", COUNTER_GAUGE);
    vitals.anonymous = counter("process.anonymous", COUNTER_GAUGE);
    vitals.shown_state = counter("process.state", COUNTER_GAUGE);
    gauge(vitals.alive, clock_now());
    open_supervisor();
    vitals.told = tell(sentences[VITALS_STARTING]);
}

void vitals_status(const char *sentence)
{
    char text[600];

    snprintf(text, sizeof(text), "STATUS=%s", sentence);
    for (char *c = text; *c; c++) {
        if (*c == '\n')
            *c = ' '; /* the next line would be another message */
    }
    tell(text);
}

void vitals_set_state(enum vitals_state state)
{
    if (state == vitals.state)
        return;
    vitals.state = state;
    gauge(vitals.shown_state, state);
    vitals.told = tell(sentences[state]);
}

static uint64_t cpu_used(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* Resident memory that is nobody's file, so without the store's pages (proc(5), statm); 0 when it cannot be known. */
static uint64_t anonymous_memory(void)
{
    char text[128];
    uint64_t resident, shared;
    ssize_t n = vitals.statm < 0 ? -1 : pread(vitals.statm, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || resident < shared)
        return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_memory(uint64_t anonymous)
{
    if (anonymous <= vitals.memory_max || stage_leaving)
        return;
    log_warning("uses %" PRIu64 " MiB of anonymous memory, more than the %" PRIu64
                " MiB of FILMYFLY_MEMORY_MAX; it leaves, so that a fresh one takes its place",
                anonymous / MEGABYTE, vitals.memory_max / MEGABYTE);
    stage_exit_status = EXIT_RESTART;
    stage_leaving = 1;
}

static void feed_watchdog(uint64_t now, uint64_t progressed)
{
    if (!vitals.feed_every || now < vitals.next_feed || progressed <= vitals.fed)
        return;
    vitals.next_feed = now + vitals.feed_every;
    if (tell("WATCHDOG=1"))
        vitals.fed = progressed;
}

void vitals_tick(uint64_t now, uint64_t progressed)
{
    feed_watchdog(now, progressed);
    if (now < vitals.next_look)
        return;
    vitals.next_look = now + LOOK_EVERY;
    uint64_t anonymous = anonymous_memory();
    vitals.told = vitals.told || tell(sentences[vitals.state]);
    gauge(vitals.alive, progressed);
    gauge(vitals.cpu, cpu_used());
    gauge(vitals.anonymous, anonymous);
    limit_memory(anonymous);
}
