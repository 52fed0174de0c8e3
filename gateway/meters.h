/* What the gateway counts. One set for the process, made before any loop runs; every loop adds to it. */
#ifndef FILMYFLY_GATEWAY_METERS_H
#define FILMYFLY_GATEWAY_METERS_H

#include "connection.h"
#include "counters.h"
#include "messages.h"

struct meters {
    struct counter *requests;
    struct counter *status[10];          /* by class: [2] is 2xx; [0] has no answer: the client was gone */
    struct counter *failed[CAUSE_COUNT]; /* FAILED from the right, by cause */
    struct counter *cache[6];            /* pages from the store, by enum cache_word */
    struct counter *busy;
    struct counter *bad_answers;    /* answers that are no HTTP */
    struct counter *abandoned;      /* clients that were gone while their request waited */
    struct counter *refused_frames; /* by the guards */
    struct counter *inflated;       /* answers that a client without gzip got plain */
    struct counter *connections;    /* open now */
    struct counter *accepted;
    struct counter *at_limit;                               /* times that a loop stopped accepting */
    struct counter *limited_connections, *limited_requests; /* refused: more than one client may have */
    struct counter *cut[CUT_COUNT];                         /* connections, by enum cut */
    struct counter *log_dropped;                            /* lines of the access log */
    struct counter *hits[3];  /* gauges: pages given from the store in the last 1, 5 and 60 minutes */
    struct counter *asked[3]; /* gauges: those, and what was asked of the cacher */
    struct counter *wait;     /* from the request's last byte to the first of the answer, through the pipeline */
};

extern struct meters meters;

/* Finds or makes all of them. */
void meters_open(void);

/* Open ones, of all loops. */
uint64_t meters_connections(void);

/* Brings the gauges of the last minutes up to date: to be called once a second, by one thread. now: CLOCK_MONOTONIC,
 * ns. */
void meters_look(uint64_t now);

#endif
