/*
 * What an operator wants to know, made from two looks at the counters: rates over the time between them, and where
 * nothing happened in that time the figures of the instance's whole life. Pure.
 */
#ifndef FILMYFLY_FIGURES_H
#define FILMYFLY_FIGURES_H

#include "pipeline.h"

/* Of one instance. */
struct figures {
    bool known;      /* false: it has no counters, and all is 0 */
    uint64_t uptime; /* seconds */
    uint64_t restarts;
    double cpu;                 /* processors, 0.5: half of one */
    uint64_t memory;            /* bytes, anonymous */
    double requests;            /* a second */
    uint64_t total;             /* requests of its life */
    uint64_t in_flight, credit; /* credit: that each left neighbour has; 0: it has none */
    uint64_t queued;
    double p50, p99; /* seconds from a request to its answer; of the gateway, of what it asked the cacher */
    uint64_t errors; /* answers of its life that were failures */
};

/* before: the same life earlier, or NULL. seconds: between the two looks. wall: CLOCK_REALTIME, seconds. */
struct figures figures_of(const struct instance *now, const struct instance *before, double seconds, uint64_t wall);

#define SPANS 3 /* 1, 5 and 60 minutes */

/* Of all of them together. */
struct totals {
    double requests;                       /* of the gateways, a second */
    uint64_t errors;                       /* of the gateways */
    double wait_p50, wait_p99;             /* of what the gateways asked the cacher just now, seconds; 0: nothing */
    double cpu;                            /* processors, of all stages */
    uint64_t entries, bytes, limit;        /* of the store; limit 0: there is none */
    uint64_t hits[SPANS], asked[SPANS];    /* pages */
    uint64_t connections, waiting;         /* of the database */
    double round_trip_p50, round_trip_p99; /* seconds */
};

struct totals totals_of(const struct pipeline *now, const struct pipeline *before);

/* The value below which the share lies, in seconds; 0 when the bins are empty. */
double bins_quantile(const uint64_t bins[HISTOGRAM_BINS], double share);

#endif
