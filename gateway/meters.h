/* What the gateway counts. One set for the process, made before any loop runs; every loop adds to it. */
#ifndef FILMYFLY_GATEWAY_METERS_H
#define FILMYFLY_GATEWAY_METERS_H

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
    struct counter *at_limit; /* times that a loop stopped accepting */
    struct counter *wait;     /* from the request's last byte to the first of the answer, through the pipeline */
};

extern struct meters meters;

/* Finds or makes all of them. */
void meters_open(void);

#endif
