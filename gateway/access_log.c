#include "access_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "meters.h"
#include "redact.h"
#include "request.h"
#include "visit.h"

#define BUFFER       (1 << 20) /* bytes; there are two */
#define WRITE_AT     (BUFFER / 4)
#define WRITE_WAIT   (100 * MILLISECOND) /* that a line stays in the buffer at most */
#define LINE         4096
#define TARGET       2048 /* bytes of a line that a part may take */
#define REFERER      768
#define AGENT        512
#define STAGES_BYTES 160

struct access_log {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t writer;
    bool ending;
    char *filling, *writing;
    size_t used; /* of filling */
    uint64_t dropped;
};

/* The writer. */

/* False: standard output is gone. Waits where it is a pipe that does not block for whoever else holds it. */
static bool write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDOUT_FILENO, p, n);
        if (written >= 0) {
            p += written;
            n -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void wait_for_lines(struct access_log *log)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)WRITE_WAIT;
    until.tv_sec += until.tv_nsec / (long)SECOND;
    until.tv_nsec %= (long)SECOND;
    while (!log->ending && log->used < WRITE_AT &&
           pthread_cond_timedwait(&log->wake, &log->mutex, &until) != ETIMEDOUT) {
    }
}

static void *write_lines(void *argument)
{
    struct access_log *log = argument;
    bool ending = false;
    while (!ending) {
        pthread_mutex_lock(&log->mutex);
        wait_for_lines(log);
        char *full = log->filling;
        size_t used = log->used;
        uint64_t dropped = log->dropped;
        log->filling = log->writing;
        log->writing = full;
        log->used = 0;
        log->dropped = 0;
        ending = log->ending;
        pthread_mutex_unlock(&log->mutex);
        if (dropped > 0) {
            log_warning("%llu lines of the access log are lost: standard output takes them too slowly",
                        (unsigned long long)dropped);
        }
        if (!write_all(full, used)) {
            static struct log_limit limit;
            log_limited(&limit, LOG_LEVEL_ERROR, "lines of the access log are lost: standard output takes none: %s",
                        strerror(errno));
        }
    }
    return NULL;
}

struct access_log *access_log_open(void)
{
    struct access_log *log = calloc(1, sizeof(*log));
    pthread_condattr_t monotonic;
    sigset_t all, before;
    if (!log || !(log->filling = malloc(BUFFER)) || !(log->writing = malloc(BUFFER))) {
        abort();
    }
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* also SIGPIPE: the error is enough */
    if (pthread_create(&log->writer, NULL, write_lines, log) != 0) {
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return log;
}

void access_log_close(struct access_log **log_)
{
    struct access_log *log = *log_;
    struct timespec until;
    if (!log) {
        return;
    }
    pthread_mutex_lock(&log->mutex);
    log->ending = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->mutex);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    if (pthread_timedjoin_np(log->writer, NULL, &until) == 0) {
        pthread_mutex_destroy(&log->mutex);
        pthread_cond_destroy(&log->wake);
        free(log->filling);
        free(log->writing);
        free(log);
        *log_ = NULL;
    }
}

static void append(struct access_log *log, const char *line, size_t n)
{
    pthread_mutex_lock(&log->mutex);
    bool room = log->used + n <= BUFFER;
    if (room) {
        memcpy(log->filling + log->used, line, n);
        bool enough = log->used < WRITE_AT && log->used + n >= WRITE_AT;
        log->used += n;
        if (enough) {
            pthread_cond_signal(&log->wake);
        }
    } else {
        log->dropped++;
    }
    pthread_mutex_unlock(&log->mutex);
    if (!room) {
        count(meters.log_dropped, 1);
    }
}

/* A line. */

/* One byte as it may stand in a line; 0 when there is no room. */
static size_t escape_byte(char *out, size_t size, char c)
{
    bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
    size_t n = plain ? 1 : 4;
    if (n > size) {
        return 0;
    }
    if (plain) {
        *out = c;
    } else {
        memcpy(out, (char[]){'\\', 'x', "0123456789abcdef"[(unsigned char)c >> 4], "0123456789abcdef"[c & 15]}, 4);
    }
    return n;
}

/* The first from that byte on that is not empty. */
static struct str next_secret(struct str text, uint32_t from)
{
    struct str secret = redact_find(text, from);
    while (secret.p && secret.n == 0) {
        secret = redact_find(text, (uint32_t)(secret.p - text.p));
    }
    return secret;
}

size_t access_log_escape(char *out, size_t size, struct str text, bool secrets)
{
    struct str secret = secrets ? next_secret(text, 0) : STR_NONE;
    size_t n = 0, wrote = 1;
    for (uint32_t i = 0; i < text.n && wrote > 0; n += wrote) {
        if (text.p + i == secret.p) {
            wrote = size - n >= 3 ? 3 : 0;
            memcpy(out + n, "***", wrote);
            i += secret.n;
            secret = next_secret(text, i);
        } else {
            wrote = escape_byte(out + n, size - n, text.p[i++]);
        }
    }
    return n;
}

struct line {
    char text[LINE];
    size_t n;
};

static void add(struct line *line, struct str text)
{
    size_t n = text.n < LINE - line->n ? text.n : LINE - line->n;
    memcpy(line->text + line->n, text.p, n);
    line->n += n;
}

/* In quotes; at most `most` bytes. */
static void add_quoted(struct line *line, struct str text, size_t most, bool secrets)
{
    size_t room = LINE - line->n < most ? LINE - line->n : most;
    line->n += text.p && text.n > 0 ? access_log_escape(line->text + line->n, room, text, secrets)
                                    : access_log_escape(line->text + line->n, room, STR("-"), false);
}

static void add_number(struct line *line, uint64_t number)
{
    char text[DECIMAL_BYTES];
    add(line, str_decimal(text, number));
}

/* Seconds with six places. */
static void add_seconds(struct line *line, uint64_t ns)
{
    char text[DECIMAL_BYTES], *p = text + sizeof(text);
    uint64_t us = ns / MICROSECOND;
    add_number(line, us / 1000000);
    us %= 1000000;
    for (int i = 0; i < 6; i++, us /= 10) {
        *--p = (char)('0' + us % 10);
    }
    add(line, STR("."));
    add(line, (struct str){p, 6});
}

static struct str cache_word(const h2o_req_t *req)
{
    struct str word = header_line(&req->res.headers, STR("x-cache-status"));
    return word.p ? word : STR("-");
}

static void add_peer(struct line *line, const h2o_req_t *req, const struct visit *visit)
{
    char text[ADDRESS_TEXT];
    const struct connection *connection = connection_of(req->conn->callbacks->get_socket(req->conn));
    struct str peer = address_print(visit ? &visit->peer : &connection->peer, text);
    add(line, peer.n ? peer : STR("-"));
}

static void add_request(struct line *line, const h2o_req_t *req)
{
    char version[] = " HTTP/1.1\" ";
    add(line, STR("\""));
    add_quoted(line, str_of_iovec(req->input.method), 32, false);
    add(line, STR(" "));
    add_quoted(line, str_of_iovec(req->input.path), TARGET, true);
    version[6] = (char)('0' + (req->version >> 8));
    version[8] = (char)('0' + (req->version & 15));
    add(line, str_of(version));
}

void access_log_add(struct access_log *log, h2o_req_t *req)
{
    struct line line;
    const struct visit *visit = visit_of(req);
    h2o_timestamp_string_t *when = req->processed_at.str;
    line.n = 0;
    add_peer(&line, req, visit);
    add(&line, STR(" - - ["));
    add(&line, when ? str_of(when->log) : STR("-"));
    add(&line, STR("] "));
    add_request(&line, req);
    add_number(&line, (uint64_t)req->res.status);
    add(&line, STR(" "));
    add_number(&line, req->bytes_sent);
    add(&line, STR(" \""));
    add_quoted(&line, header_line(&req->headers, STR("referer")), REFERER, true);
    add(&line, STR("\" \""));
    add_quoted(&line, header_line(&req->headers, STR("user-agent")), AGENT, false);
    add(&line, STR("\" cache="));
    add_quoted(&line, cache_word(req), 20, false);
    add(&line, STR(" total="));
    add_seconds(&line, visit ? clock_now() - visit->began : 0);
    add(&line, STR(" wait="));
    add_seconds(&line, visit ? visit->waited : 0);
    add(&line, STR(" stages=\""));
    add_quoted(&line, visit ? visit->stages : STR_NONE, STAGES_BYTES, false);
    add(&line, STR("\" id="));
    add(&line, visit ? visit_name(visit) : STR("-"));
    add(&line, STR("\n"));
    append(log, line.text, line.n);
}
