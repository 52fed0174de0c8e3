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
#include "visit.h"

#define BUFFER     (1 << 20) /* bytes; there are two */
#define WRITE_AT   (BUFFER / 4)
#define WRITE_WAIT (100 * MILLISECOND) /* that a line stays in the buffer at most */
#define LINE       4096
#define TARGET     2048 /* bytes of a line that a part may take */
#define REFERER    768
#define AGENT      512

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

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The name of a parameter in small letters, its %-escapes undone; at most `size` bytes of it. */
static struct str plain_name(struct str name, char *out, size_t size)
{
    size_t n = 0;
    for (uint32_t i = 0; i < name.n && n < size; i++) {
        int c = (unsigned char)name.p[i];
        if (c == '%' && i + 2 < name.n && hex_value(name.p[i + 1]) >= 0 && hex_value(name.p[i + 2]) >= 0) {
            c = hex_value(name.p[i + 1]) * 16 + hex_value(name.p[i + 2]);
            i += 2;
        }
        out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    return (struct str){out, (uint32_t)n};
}

/* Is the parameter named like a secret, by any part of its name? */
static bool is_secret(struct str name)
{
    static const char *const words[] = {"pass", "pwd",  "token", "secret", "key",  "auth", "session",
                                        "sid",  "code", "otp",   "sig",    "cred", "hash", "jwt"};
    char buffer[64];
    struct str plain = plain_name(name, buffer, sizeof(buffer));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (memmem(plain.p, plain.n, words[i], strlen(words[i]))) {
            return true;
        }
    }
    return name.n > sizeof(buffer); /* not seen to its end */
}

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

/* How much of the text, from `at`, is the value of a secret; at: behind '?' or '&'. *name_n: bytes before the value. */
static uint32_t secret_length(struct str text, uint32_t at, uint32_t *name_n)
{
    uint32_t end = at, equals;
    while (end < text.n && text.p[end] != '&' && text.p[end] != ';' && text.p[end] != '#') {
        end++;
    }
    for (equals = at; equals < end && text.p[equals] != '='; equals++) {
    }
    *name_n = equals + 1 - at;
    return equals < end && is_secret((struct str){text.p + at, equals - at}) ? end - equals - 1 : 0;
}

size_t access_log_escape(char *out, size_t size, struct str text, bool secrets)
{
    size_t n = 0, wrote = 1;
    uint32_t cut_from = UINT32_MAX, cut_to = 0, name_n;
    bool query = false;
    for (uint32_t i = 0; i < text.n && wrote > 0; i++) {
        if (i == cut_from) {
            wrote = size - n >= 3 ? 3 : 0;
            memcpy(out + n, "***", wrote);
            n += wrote;
            i = cut_to;
            if (i == text.n) {
                break;
            }
        }
        char c = text.p[i];
        wrote = escape_byte(out + n, size - n, c);
        n += wrote;
        query = query || c == '?';
        uint32_t cut =
            secrets && (c == '?' || (query && (c == '&' || c == ';'))) ? secret_length(text, i + 1, &name_n) : 0;
        if (cut > 0) {
            cut_from = i + 1 + name_n;
            cut_to = cut_from + cut;
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

static struct str str_of_iovec(h2o_iovec_t v)
{
    return (struct str){v.base ? v.base : "", (uint32_t)v.len};
}

static struct str header_of(const h2o_headers_t *headers, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(headers, token, -1);
    return at < 0 ? STR_NONE : str_of_iovec(headers->entries[at].value);
}

static struct str cache_word(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header_by_str(&req->res.headers, H2O_STRLIT("x-cache-status"), -1);
    return at < 0 ? STR("-") : str_of_iovec(req->res.headers.entries[at].value);
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
    add_quoted(&line, header_of(&req->headers, H2O_TOKEN_REFERER), REFERER, true);
    add(&line, STR("\" \""));
    add_quoted(&line, header_of(&req->headers, H2O_TOKEN_USER_AGENT), AGENT, false);
    add(&line, STR("\" cache="));
    add_quoted(&line, cache_word(req), 20, false);
    add(&line, STR(" total="));
    add_seconds(&line, visit ? clock_now() - visit->began : 0);
    add(&line, STR(" wait="));
    add_seconds(&line, visit ? visit->waited : 0);
    add(&line, STR(" id="));
    add(&line, visit ? visit_name(visit) : STR("-"));
    add(&line, STR("\n"));
    append(log, line.text, line.n);
}
