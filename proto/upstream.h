/*
 * The left side of a hop: sends requests to the instances of the right neighbour and brings back the answers. The
 * judgement (who gets it, when it is sent again, when it is given up) is hop.h, which is pure. Its shell has two parts:
 * this one holds the requests and tells who asked; instances.h holds the sockets.
 *
 * One thread owns it. It shows a single descriptor: when that is readable, and at least every 20 ms, and once after a
 * batch of sends, the owner calls upstream_turn, which receives, calls the `done`s and sends.
 */
#ifndef FILMYFLY_UPSTREAM_H
#define FILMYFLY_UPSTREAM_H

#include <zmq.h>

#include "messages.h"
#include "settings.h"

struct upstream;
struct inspect;

/*
 * The answer: RESPONSE or RESULT, REFUSED, FAILED, or BUSY (here or there: no room; retry_after is set). Called exactly
 * once for each request, from upstream_turn only, at the latest 20 ms after its deadline. message and body live until
 * it returns; the body may be taken with zmq_msg_move.
 */
typedef void upstream_done(void *user, const struct message *answer, zmq_msg_t *body);

struct upstream_options {
    const char *stage;     /* whose instances: "cacher" */
    const char *own_stage; /* who asks: "gateway" */
    const char *own_instance;
    const struct settings *settings;
    const char *side; /* first word of its counters' names; NULL: "right" */
};

/* NULL with one sentence in error. */
struct upstream *upstream_new(const struct upstream_options *options, char *error, size_t error_size);
/* What is in flight is forgotten: no `done` is called. */
void upstream_free(struct upstream **upstream);

int upstream_fd(const struct upstream *upstream);
void upstream_turn(struct upstream *upstream);

/*
 * Sends a REQUEST or QUERY, some time before the next upstream_turn returns. Never calls done itself. The message's id
 * is set here and returned; its deadline must be set.
 *  - body: taken over (left empty); may be NULL.
 *  - key: what makes requests "the same" for the query of death (hash of method and target, or of the batch); see
 *    upstream_key.
 *  - again: it may be sent a second time when its receiver died.
 */
uint64_t upstream_send(struct upstream *upstream, struct message *message, zmq_msg_t *body, uint64_t key, bool again,
                       upstream_done *done, void *user);

/* Nobody waits for it any more: done will not be called. Unknown ids are ignored. */
void upstream_forget(struct upstream *upstream, uint64_t id);

/* Shows what passes here; to be freed before the upstream. */
void upstream_inspect(struct upstream *upstream, struct inspect *inspect);

/* Instances that take work now. */
unsigned upstream_ready(const struct upstream *upstream);

/* A 64-bit hash (FNV-1a, seeded per process) to make keys from; start with seed 0, or continue with the last result. */
uint64_t upstream_key(uint64_t seed, struct str bytes);

#endif
