/*
 * The loop of the stages behind the gateway, on czmq's zloop: takes requests, asks the right neighbour, and leaves
 * gracefully when it is told to. It owns nothing; what it is given must outlive its run.
 *
 * Whoever answers a request must see to serve_flush before the loop sleeps. After requests, upstream's answers and
 * ticks the loop does; pollers of the stage's own do it at the end of their handlers.
 */
#ifndef FILMYFLY_STAGE_LOOP_H
#define FILMYFLY_STAGE_LOOP_H

#include <czmq.h>

#include "serve.h"
#include "upstream.h"

struct stage_loop {
    struct serve *serve;
    struct upstream *upstream;   /* NULL: the stage asks nobody */
    struct serve *serve_2;       /* a second of each, for another folder of the registry; NULL: there is none */
    struct upstream *upstream_2; /* NULL: none */
    zloop_t *zloop;              /* with the stage's own pollers; NULL: it has none */
    void (*on_tick)(void *user); /* every 20 ms; may be NULL */
    void (*on_turn)(void *user); /* before answers are sent and the loop sleeps; may be NULL */
    void *user;
    struct inspect *inspect; /* of the loop itself: NULL before and after */
};

/* Runs until SIGTERM or SIGINT came (stage_leaving) and every request is answered: serve_left. Aborts when memory is
 * out. */
void stage_loop_run(struct stage_loop *loop);

#endif
