#include "stats.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTERS_END (sizeof(struct counters_head) + COUNTERS_MAX * sizeof(struct counter))
#define FILE_MAX     (COUNTERS_END + PEER_ROWS * sizeof(struct peer_row))

struct stats {
    size_t n; /* counters */
    size_t n_peers;
    struct peer_row *peers;
    struct counters_head head; /* the counters follow it */
};

/* Ends a text within its field, and makes it fit for a terminal. */
static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text; text++) {
        if (!isprint((unsigned char)*text)) {
            *text = '?';
        }
    }
}

static void clean_all(struct stats *stats)
{
    clean(stats->head.release, sizeof(stats->head.release));
    for (size_t i = 0; i < stats->n; i++) {
        struct counter *c = &stats->head.counter[i];
        clean(c->name, sizeof(c->name));
    }
    for (size_t i = 0; i < stats->n_peers; i++) {
        clean(stats->peers[i].from, sizeof(stats->peers[i].from));
        clean(stats->peers[i].to, sizeof(stats->peers[i].to));
        clean(stats->peers[i].release, sizeof(stats->peers[i].release));
    }
}

/* What is wrong with the n bytes behind `stats->head`; NULL: nothing. */
static const char *judge(struct stats *stats, size_t n)
{
    if (n < sizeof(stats->head) || stats->head.magic != COUNTERS_MAGIC) {
        return "is no file of counters";
    }
    if (stats->head.format != COUNTERS_FORMAT) {
        return "has counters in a format of another release";
    }
    if (stats->head.n > COUNTERS_MAX || n < sizeof(stats->head) + stats->head.n * sizeof(struct counter)) {
        return "is cut off";
    }
    stats->n = stats->head.n;
    stats->n_peers = n > COUNTERS_END ? (n - COUNTERS_END) / sizeof(struct peer_row) : 0;
    stats->peers = (struct peer_row *)(void *)((char *)&stats->head + COUNTERS_END);
    return NULL;
}

static ssize_t read_whole(int fd, char *to, size_t size)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = pread(fd, to + n, size - n, (off_t)n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? -1 : (ssize_t)n;
        }
        n += (size_t)got;
    }
    return (ssize_t)n;
}

struct stats *stats_read(int folder, const char *name, const char *path, char *error, size_t error_size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stats *stats = NULL;
    struct stat st;
    const char *wrong = NULL;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        stats = calloc(1, sizeof(*stats) + FILE_MAX);
        n = stats ? read_whole(fd, (char *)&stats->head, FILE_MAX) : -1;
    } else if (fd >= 0) {
        wrong = "is no file of counters";
    }
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (n >= 0) {
        wrong = judge(stats, (size_t)n);
    }
    if (wrong || n < 0) {
        snprintf(error, error_size, "%s %s%s", path, wrong ? wrong : "cannot be read: ", wrong ? "" : strerror(why));
        stats_free(&stats);
        errno = wrong ? EINVAL : why;
        return NULL;
    }
    clean_all(stats);
    return stats;
}

void stats_free(struct stats **stats)
{
    free(*stats);
    *stats = NULL;
}

uint64_t stats_pid(const struct stats *stats)
{
    return stats->head.pid;
}

uint64_t stats_started(const struct stats *stats)
{
    return stats->head.started;
}

const char *stats_release(const struct stats *stats)
{
    return stats->head.release;
}

static const struct counter *find(const struct stats *stats, const char *name)
{
    for (size_t i = 0; i < stats->n; i++) {
        if (strcmp(stats->head.counter[i].name, name) == 0) {
            return &stats->head.counter[i];
        }
    }
    return NULL;
}

uint64_t stats_value(const struct stats *stats, const char *name)
{
    const struct counter *c = find(stats, name);
    return c ? c->value : 0;
}

bool stats_has(const struct stats *stats, const char *name)
{
    return find(stats, name) != NULL;
}

void stats_bins(const struct stats *stats, const char *name, uint64_t bins[HISTOGRAM_BINS])
{
    const struct counter *c = find(stats, name);

    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        bins[i] = c && c->kind == COUNTER_HISTOGRAM ? c->bin[i] : 0;
    }
}

const struct peer_row *stats_peer(const struct stats *stats, size_t number)
{
    return number < stats->n_peers ? &stats->peers[number] : NULL;
}
