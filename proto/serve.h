/*
 * The right side of a hop: a ROUTER in the registry. Hands each request to the stage with a ticket, takes the answer
 * back, answers heartbeats from the stage's own loop, announces credit, refuses what is too much, drops what is late,
 * and leaves gracefully.
 */
#ifndef FILMYFLY_SERVE_H
#define FILMYFLY_SERVE_H

#include <zmq.h>

#include "messages.h"
#include "registry.h"
#include "settings.h"

struct serve;
struct ticket; /* the duty to answer one request; ends with serve_answer */
struct inspect;

/*
 * A request arrived (REQUEST or QUERY, as options.takes says). message and its texts live until this returns; body may
 * be taken with zmq_msg_move. Each ticket must be answered exactly once, now or later.
 */
typedef void serve_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body);

struct serve_options {
    const char *stage;       /* "renderer" */
    enum message_type takes; /* MESSAGE_REQUEST or MESSAGE_QUERY */
    const char *side;        /* first word of its counters' names; NULL: "left" */
    const struct settings *settings;
    struct claim *claim; /* kept by the caller, longer than the serve */
    uint32_t credit;     /* announced to each peer; 0: FILMYFLY_CREDIT */
    uint32_t most;       /* tickets open at once, of all peers; beyond it: BUSY; 0: FILMYFLY_QUEUE */
    serve_request *on_request;
    void *user;
};

/* Binds the claim's temporary name. NULL with one sentence in error. */
struct serve *serve_new(const struct serve_options *options, char *error, size_t error_size);
/* Sends the answers that were given; tickets that are still open are dropped. */
void serve_free(struct serve **serve);

/* One descriptor to poll for reading. */
int serve_fd(const struct serve *serve);
/* Receives what is there (a bounded number), calls on_request, and flushes. Call when readable and at least every 20
 * ms. */
void serve_turn(struct serve *serve);
/* Sends the answers that were given since the last flush. To be called after answering outside of on_request, before
 * the loop sleeps. */
void serve_flush(struct serve *serve);

/*
 * Answers with RESPONSE, RESULT, REFUSED, FAILED or BUSY and frees the ticket; the id is filled in. body is taken over
 * (left empty), may be NULL. A peer that is gone is no error: the answer is dropped and counted.
 */
void serve_answer(struct serve *serve, struct ticket **ticket, struct message *message, zmq_msg_t *body);
/* The same with FAILED. */
void serve_fail(struct serve *serve, struct ticket **ticket, enum cause cause, const char *text);

uint64_t ticket_deadline(const struct ticket *ticket); /* CLOCK_MONOTONIC, ns; no more than five minutes away */

/* Tickets open now. */
unsigned serve_held(const struct serve *serve);

/* The claim that it was given. */
const struct claim *serve_claim(const struct serve *serve);
/* Shows what passes here; to be freed before the serve. */
void serve_inspect(struct serve *serve, struct inspect *inspect);

/* Takes no new work: hides the name, tells every peer, keeps answering. The instance may stay so for as long as it
 * likes. */
void serve_drain(struct serve *serve);
/*
 * Graceful leaving: the same, and lets the name go. serve_left turns true when every peer said BYE (or a second passed
 * without it) and no ticket is open; then wait for nothing more, free and exit.
 */
void serve_leave(struct serve *serve);
bool serve_left(const struct serve *serve);

#endif
