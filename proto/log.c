/*
 * The log of a process: standard error, and the ring of its last lines (log_ring.h). Standard error is opened anew, not
 * blocking, where it is a pipe or a terminal, because the flag O_NONBLOCK on the descriptor itself would be shared with
 * whoever else holds it (the shell, the other stages).
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log_ring.h"

/* A line up to PIPE_BUF bytes goes into a pipe whole or not at all. */
#define LINE_MAX_BYTES PIPE_BUF

static const char *const level_words[] = {"error", "warning", "info", "debug"};

static char log_name[96] = "filmyfly";
static atomic_int log_level_now = LOG_LEVEL_INFO;
static atomic_ullong log_dropped;
static int log_fd = STDERR_FILENO;
static bool log_fd_is_socket;
static bool log_fd_chosen;

static void log_choose_fd(void)
{
    struct stat st;

    if (log_fd_chosen || fstat(STDERR_FILENO, &st) != 0) {
        return;
    }
    log_fd_chosen = true;
    log_fd_is_socket = S_ISSOCK(st.st_mode);
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0) {
            log_fd = fd;
        }
    }
}

void log_open(const char *name)
{
    snprintf(log_name, sizeof(log_name), "%s", name);
    log_choose_fd();
}

bool log_set_level(const char *word)
{
    for (int level = 0; level <= LOG_LEVEL_DEBUG; level++) {
        if (strcmp(word, level_words[level]) == 0) {
            atomic_store_explicit(&log_level_now, level, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

const char *log_level_word(enum log_level level)
{
    return level_words[level];
}

static bool log_send(const char *line, size_t n)
{
    ssize_t sent;

    do {
        sent = log_fd_is_socket ? send(log_fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(log_fd, line, n);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)n;
}

/* snprintf's result, held within the room there was. */
static size_t log_advance(size_t n, int printed)
{
    if (printed < 0) {
        return n;
    }
    n += (size_t)printed;
    return n < LINE_MAX_BYTES - 1 ? n : LINE_MAX_BYTES - 2;
}

__attribute__((format(printf, 3, 0))) static void log_line(enum log_level level, uint32_t left_out, const char *format,
                                                           va_list arguments)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm utc;
    size_t n = 0, text;
    int saved = errno;
    unsigned long long lost = atomic_exchange_explicit(&log_dropped, 0, memory_order_relaxed);

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
    n = log_advance(n, snprintf(line + n, sizeof(line) - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000, log_name,
                                level_words[level]));
    text = n;
    n = log_advance(n, vsnprintf(line + n, sizeof(line) - n, format, arguments));
    if (left_out > 0) {
        n = log_advance(n, snprintf(line + n, sizeof(line) - n, " (%u lines like this were left out)", left_out));
    }
    if (lost > 0) {
        n = log_advance(n,
                        snprintf(line + n, sizeof(line) - n, " (%llu lines before this could not be written)", lost));
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 127) {
            line[i] = '?';
        }
    }
    log_ring_write((uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec, level, line + text, n - text);
    line[n++] = '\n';
    if (!log_send(line, n)) {
        atomic_fetch_add_explicit(&log_dropped, lost + 1, memory_order_relaxed);
    }
    errno = saved;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (!log_enabled(level)) {
        return;
    }
    va_start(arguments, format);
    log_line(level, 0, format, arguments);
    va_end(arguments);
}

/* True when this line may be written; then *left_out says how many were not. */
static bool log_admit(struct log_limit *limit, uint32_t *left_out)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    bool admitted;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    pthread_mutex_lock(&mutex);
    if (limit->second != (uint64_t)now.tv_sec) {
        limit->second = (uint64_t)now.tv_sec;
        limit->written = 0;
    }
    admitted = limit->written < LOG_BURST;
    if (admitted) {
        limit->written++;
        *left_out = limit->left_out;
        limit->left_out = 0;
    } else {
        limit->left_out++;
    }
    pthread_mutex_unlock(&mutex);
    return admitted;
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    va_list arguments;
    uint32_t left_out = 0;

    if (!log_enabled(level) || !log_admit(limit, &left_out)) {
        return;
    }
    va_start(arguments, format);
    log_line(level, left_out, format, arguments);
    va_end(arguments);
}
