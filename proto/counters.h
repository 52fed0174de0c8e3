/*
 * Counters and histograms of one instance, in a small mapped file in the run directory: written without locks, read by
 * anyone with permission, free when nobody looks. The file describes itself (names are in it), so a reader needs no
 * header of the writer's.
 *
 *     struct counters_head, COUNTERS_MAX × struct counter, of which the first n count, PEER_ROWS × struct peer_row
 *
 * A histogram is 64 counters, one for each power of two of nanoseconds ("name.0" … are not spelled out: kind says it).
 * A file without the rows is whole too.
 */
#ifndef FILMYFLY_COUNTERS_H
#define FILMYFLY_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTERS_MAGIC  0x46696c6d79466c79ull /* "FilmyFly" */
#define COUNTERS_FORMAT 1
#define COUNTERS_MAX    256
#define HISTOGRAM_BINS  64
#define PEER_ROWS       192

enum counter_kind { COUNTER_SUM = 1, COUNTER_GAUGE = 2, COUNTER_HISTOGRAM = 3 };

struct counter {
    char name[40]; /* terminated */
    uint32_t kind;
    uint32_t reserved;
    _Atomic uint64_t value;               /* SUM, GAUGE; of a HISTOGRAM the sum of its nanoseconds */
    _Atomic uint64_t bin[HISTOGRAM_BINS]; /* HISTOGRAM: bin b counts values v with 2^b <= v < 2^(b+1) */
};

struct counters_head {
    uint64_t magic;
    uint32_t format, n;
    uint64_t pid, started; /* started: CLOCK_REALTIME, seconds */
    char stage[32], instance[32], release[32];
    struct counter counter[];
};

enum peer_standing {
    PEER_UNUSED,     /* no row */
    PEER_CONNECTING, /* nobody has listened yet */
    PEER_CONNECTED,  /* it has not said HELLO yet */
    PEER_READY,      /* gets work */
    PEER_HUNG,       /* silent: gets no new work */
    PEER_LEAVING,    /* finishes what it has */
    PEER_FOREIGN,    /* speaks no protocol of ours: gets no work */
};

/* A connection to an instance of the right neighbour, as the one who asks sees it; as of a fifth of a second ago. */
struct peer_row {
    _Atomic uint32_t standing; /* enum peer_standing */
    uint32_t protocol, credit, in_flight;
    uint64_t pid, since;   /* since: CLOCK_MONOTONIC, ns, when it was met */
    char from[40], to[40]; /* "gateway/1.0", "cacher/1"; terminated */
    char release[24];      /* terminated */
};

/*
 * Opens the instance's file anew (another's mapping of the old one stays whole), and counts this life in the gauge
 * process.lives, on top of what the old file says. Before this, and where it fails, counters work in plain memory.
 * Returns false with errno.
 */
bool counters_open(const char *path, const char *stage, const char *instance);

/* The counter of that name, made at its first call; never NULL (beyond COUNTERS_MAX all share one named "overflow").
 * Set-up only: it searches. */
struct counter *counter(const char *name, enum counter_kind kind);

/* The same, named "side.name": both halves together at most 39 bytes. */
struct counter *counter_of(const char *side, const char *name, enum counter_kind kind);

/* A free row, or NULL when there is none: such a peer is not shown. Its taker fills it and gives it back by setting its
 * standing to PEER_UNUSED. */
struct peer_row *peer_row_take(void);

static inline void count(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

static inline void gauge(struct counter *c, uint64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

/* Part of a gauge that several threads or objects share: each moves it by what its own part changed. */
static inline void gauge_part(struct counter *c, uint64_t *part, uint64_t value)
{
    atomic_fetch_add_explicit(&c->value, value - *part, memory_order_relaxed);
    *part = value;
}

static inline void histogram(struct counter *c, uint64_t ns)
{
    atomic_fetch_add_explicit(&c->bin[63 - __builtin_clzll(ns | 1)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->value, ns, memory_order_relaxed);
}

#endif
