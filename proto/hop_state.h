/*
 * What the files of the hop's core share, and nobody else includes: hop.c judges requests, hop_peers.c judges peers and
 * tells what their hangs and deaths mean, hop_requests.c keeps the books (lists, the table of ids, attempts),
 * hop_keys.c remembers keys. hop.c begins with how it all works.
 */
#ifndef FILMYFLY_HOP_STATE_H
#define FILMYFLY_HOP_STATE_H

#include "clock.h"
#include "hop.h"
#include "hop_keys.h"

#define BUSY_PAUSE (50 * MILLISECOND)
#define TURN       (100 * MILLISECOND) /* of a favourite: a new instance has work within a few of these */
#define PROMPT     (20 * MILLISECOND)  /* a favourite that has work has answered something since */
#define ATTEMPTS                                                                                                       \
    POISON_DEATHS        /* all but the newest have been counted, and at POISON_DEATHS there is no further one         \
                          */
#define CREDIT_MAX 4096u /* what is believed of a peer's credit: it bounds what can be in flight */
#define NO_PEER    HOP_PEERS
#define AGAIN_COST 100 /* the budget is kept in hundredths of a re-send */

_Static_assert(HOP_PEERS <= 64, "a peer is a bit of a uint64_t");

enum request_state {
    WAITING, /* in `waiting` or `suspects`; its attempts, if any, are with hung peers */
    SENT,    /* at least one attempt; in no list */
    DECIDED, /* in `answers`: over, its answer not yet taken; may have attempts */
    OVER,    /* answered or forgotten; at least one attempt still takes credit */
};

enum peer_state { ABSENT, READY, HUNG, LEAVING };

struct attempt {
    struct request *request; /* NULL: a free place */
    unsigned peer;
    bool counted; /* a hang or the death of its peer has been counted */
    bool alone;
    struct attempt *older, *newer; /* of the same peer */
};

struct request {
    uint64_t id, deadline, key;
    void *user;
    enum request_state state;
    enum hop_outcome outcome; /* DECIDED */
    bool again;
    bool charged;    /* WAITING: a re-send is paid for and comes back when it is not sent */
    unsigned deaths; /* attempts of it that were counted */
    uint64_t busy;   /* a bit for each peer that refused it */
    struct attempt attempt[ATTEMPTS];
    struct list *list; /* which list it is in, or NULL */
    struct request *prev, *next;
    struct request *chain;         /* of its hash bucket */
    struct request *older, *newer; /* of all requests */
};

struct list {
    struct request *first, *last;
    unsigned n;
};

struct peer {
    enum peer_state state;
    bool leaves;    /* HUNG: it was leaving */
    bool exclusive; /* holds a suspect alone: nothing else goes there */
    unsigned credit, in_flight;
    uint64_t heard, ping_at;
    uint64_t busy_until;
    uint64_t answered; /* its last reply */
    struct attempt *newest;
};

struct hop {
    struct hop_limits limits;
    uint64_t now, ticked; /* latest event; latest tick */
    uint64_t next_id;
    uint64_t budget;    /* in 1/AGAIN_COST */
    uint64_t event;     /* number of the latest hang or death */
    uint64_t pings;     /* a bit for each peer to be pinged */
    uint64_t earliest;  /* no deadline is before this */
    unsigned favourite; /* peer that gets the work while there is little of it */
    uint64_t turn_ends; /* when the next one becomes it */
    unsigned alone;     /* peer that is reserved for, or has, a suspect; or NO_PEER */
    bool alone_sent;    /* it has it */
    unsigned round;     /* ordinary requests to send before the next suspect */

    struct list waiting, suspects; /* in the order of ids, which is the order of arrival */
    struct list answers;
    struct request *newest;
    struct request **bucket;
    size_t buckets, open; /* buckets: a power of two */
    unsigned sent;        /* requests SENT */

    struct peer peer[HOP_PEERS];
    struct hop_keys keys;
};

/* hop_requests.c */

/* Known by its id from now on; aborts when memory is out, as there is no request yet that could be refused. */
struct request *hop_request_new(struct hop *hop);
void hop_request_free(struct hop *hop, struct request *r);
struct request *hop_request_find(const struct hop *hop, uint64_t id);

/* A peer, or a peer that is working, has it. */
bool hop_is_held(const struct request *r);
bool hop_is_served(const struct hop *hop, const struct request *r);
/* Deaths to judge it by: its own or its key's. */
unsigned hop_suspicion(const struct hop *hop, const struct request *r);

/* To the queue where its suspicion puts it; a refused one is decided instead. charged: a re-send was paid for. */
void hop_set_waiting(struct hop *hop, struct request *r, bool charged);
void hop_set_sent(struct hop *hop, struct request *r);
void hop_decide(struct hop *hop, struct request *r, enum hop_outcome outcome);
/* It needs no answer any more: OVER, or freed when no peer holds it. */
void hop_finish(struct hop *hop, struct request *r);
/* The suspicion of this key changed: what waits goes to the queue where it belongs now. */
void hop_sort_again(struct hop *hop, uint64_t key);

void hop_earn(struct hop *hop, uint64_t hundredths);
/* Credit that the ready peers have left for ordinary requests. */
unsigned hop_room(const struct hop *hop);
void hop_attempt_new(struct hop *hop, struct request *r, unsigned peer, bool alone);
void hop_attempt_end(struct hop *hop, struct attempt *a);
struct attempt *hop_attempt_of(struct request *r, unsigned peer);

/* hop_peers.c */

void hop_pass_time(struct hop *hop, uint64_t now);
/* A sign of life. */
void hop_revive(struct hop *hop, unsigned peer);
/* No suspect is, or will be, tried there. */
void hop_unreserve(struct hop *hop, unsigned peer);

#endif
