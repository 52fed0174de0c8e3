/*
 * The judgement of a hop's left side, pure: it is told what happened and when, and says what to do. It reads no clock,
 * owns no socket, sends nothing. Times are nanoseconds of any monotonic clock. The owner feeds events and then takes
 * actions with hop_next until there is none.
 *
 * Peers are small numbers that the owner gives (0 … HOP_PEERS-1). A number is used again only after hop_peer_died /
 * hop_peer_gone.
 *
 * Life of a peer:
 *
 * - ABSENT: no connection
 * - READY: said hello, gets work
 * - HUNG: silent too long: no new work, a late reply still counts
 * - LEAVING: finishes what it has
 *
 * Life of a request:
 *
 * - WAITING: in the queue, nobody has it
 * - SENT: with one peer, maybe also with one given up on
 * - ALONE: suspected: waits for, or is with, a peer that holds nothing else
 * - answered: gone; a later reply finds nothing
 */
#ifndef FILMYFLY_HOP_H
#define FILMYFLY_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messages.h"

#define HOP_PEERS 64

struct hop;

struct hop_limits {
    uint32_t queue;         /* requests WAITING; beyond it: BUSY */
    uint64_t ping_every;    /* ns between pings */
    uint64_t hung_after;    /* ns of silence while our own ticks were on time */
    uint64_t tick_late;     /* a gap between ticks above this is our own freeze: silence is counted anew */
    uint64_t held_down;     /* ns that a poisonous key is refused */
    uint32_t again_percent; /* re-sends earned by each 100 requests */
    uint32_t again_burst;   /* re-sends saved up at most; the start has them all */
};

#define HOP_LIMITS ((struct hop_limits){1024, 200000000ull, 800000000ull, 100000000ull, 60000000000ull, 10, 512})

enum hop_action_type {
    HOP_SEND,   /* send request `id` to `peer` */
    HOP_PING,   /* ping `peer` */
    HOP_ANSWER, /* request `id` is over without a reply: answer `user` with `outcome`, then it is forgotten */
};

enum hop_outcome {
    HOP_BUSY,        /* the queue is full */
    HOP_DEADLINE,    /* its time is over */
    HOP_UNAVAILABLE, /* may be sent again, but the budget of re-sends is used up */
    HOP_UNKNOWN,     /* may not be sent again, and its receiver died */
    HOP_POISON,      /* in flight at three deaths, or its key was within the last minute */
};

struct hop_action {
    enum hop_action_type type;
    enum hop_outcome outcome;
    unsigned peer;
    uint64_t id;
    void *user;      /* SEND, ANSWER: the request's */
    unsigned deaths; /* ANSWER: at how many deaths it was in flight */
};

/* first_id: where ids start; random in each life. NULL when memory is out. */
struct hop *hop_new(const struct hop_limits *limits, uint64_t first_id);
void hop_free(struct hop **hop);

/* Events. */
void hop_peer_ready(struct hop *hop, uint64_t now, unsigned peer, uint32_t credit); /* hello arrived */
void hop_peer_heard(struct hop *hop, uint64_t now, unsigned peer,
                    uint32_t credit); /* pong; any reply also counts as a sign of life */
void hop_peer_leaving(struct hop *hop, uint64_t now, unsigned peer);
/* Its connection is gone. If it was leaving and held nothing, that was its end; otherwise it is a death. */
void hop_peer_died(struct hop *hop, uint64_t now, unsigned peer);

/* A new request; returns its id (never 0). Refusals come as HOP_ANSWER, like everything else. */
uint64_t hop_submit(struct hop *hop, uint64_t now, uint64_t deadline, uint64_t key, bool again, void *user);
/*
 * A reply came. Returns true and the user when the request is still open: it is over now. False: unknown, drop and
 * count. busy: the peer refused it for lack of room: it goes to another peer, or is answered BUSY when there is none.
 * That returns false too.
 */
bool hop_reply(struct hop *hop, uint64_t now, unsigned peer, uint64_t id, bool busy, void **user);
/*
 * A HOP_SEND that could not be done. The peer has said nothing, so this is no sign of its life; otherwise as if it had
 * refused the request for lack of room. A request that was forgotten before only gives the credit back.
 */
void hop_not_sent(struct hop *hop, uint64_t now, unsigned peer, uint64_t id);
/*
 * Nobody waits for it any more: no action of it follows, also none that was due already. Returns its user, or NULL when
 * the id is not open. What was sent still takes its peer's credit until a reply comes, the peer dies or its deadline
 * passes.
 */
void *hop_forget(struct hop *hop, uint64_t id);
/* Time passes; call every 20 ms or so. */
void hop_tick(struct hop *hop, uint64_t now);

/* The next thing to do; false when there is nothing. */
bool hop_next(struct hop *hop, struct hop_action *action);

/* Figures. */
unsigned hop_ready(const struct hop *hop);   /* peers that take work */
unsigned hop_pending(const struct hop *hop); /* requests waiting or sent */
unsigned hop_waiting(const struct hop *hop);
unsigned hop_in_flight(const struct hop *hop, unsigned peer);
unsigned hop_credit(const struct hop *hop, unsigned peer);
bool hop_hung(const struct hop *hop, unsigned peer); /* silent too long */
unsigned hop_held(const struct hop *hop); /* requests remembered: pending, and over but still taking credit */

#endif
