/*
 * A connection to the database that only LISTENs, never waited for: it says when something may have changed, and
 * whether it works. What changed is read elsewhere; a lost notification costs time, nothing else.
 *
 * Behind a transaction pooler LISTEN succeeds and means nothing. So it is asked whether the process that announced
 * itself is the one that answers, and where it is not, the listener gives up for a minute.
 */
#ifndef FILMYFLY_LISTENER_H
#define FILMYFLY_LISTENER_H

#include <czmq.h>

#include "endpoints.h"

struct listener;

struct listener_options {
    zloop_t *loop;
    struct endpoints *endpoints; /* kept by the caller, longer than the listener */
    bool trusted;                /* the URL is said to be fit for LISTEN: no pooler is looked for */
    void (*on_wake)(void *user); /* a notification came, or one may have been missed: it listens again */
    void *user;
};

/* NULL when memory is out. It starts with the next tick. */
struct listener *listener_new(const struct listener_options *options);
void listener_free(struct listener **listener);

/* Every 20 ms. */
void listener_tick(struct listener *listener, uint64_t now);
/* Who waits for on_wake would be woken. */
bool listener_works(const struct listener *listener);

#endif
