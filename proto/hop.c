/*
 * The judgement of a hop's left side; hop.h says what it promises. Nothing is queued for the owner: each call of
 * hop_next looks at the state and takes one decision, so an action is never older than the event before it.
 *
 * A *request* is kept from hop_submit until it is answered and no peer holds it any more. An *attempt* is one sending
 * of it to one life of a peer; it takes one of the peer's credit until the peer replies or dies or the deadline passes
 * (the peer drops it then without a word). A request has several attempts at once only when peers hang: the old ones
 * stay valid, the first reply wins.
 *
 * What counts for the query of death: an attempt counts once, at the hang or the death of the peer that holds it,
 * whichever is first. So a peer that hangs and then dies, or wakes and then dies, is one count for what it held all the
 * while, and what was sent elsewhere at the hang is not counted again. It counts for the request and for its key
 * (hop_keys.h), also when the requester has gone, and also when another peer holds the request too; a request is judged
 * by the worse of the two counts. Since a key is cleared by any reply to it, a page that was in flight at three
 * unrelated deaths with good replies between them is never refused.
 *
 * SUSPECT_DEATHS make a request wait in `suspects`. One suspect at a time, of all, is tried alone: a peer is reserved
 * (the one with the fewest in flight gets no more) until it is empty, and gets nothing else until the suspect's attempt
 * is over. Between two suspects the ordinary requests that wait get one round, as many as there is credit for, so that
 * with a single peer neither kind starves the other.
 *
 * BUSY: the peer gets nothing new for BUSY_PAUSE or until it replies; the request goes to another peer, at no cost,
 * since nothing was done, and to each peer at most once; when every ready peer has refused it, it is answered HOP_BUSY.
 */
#include "hop_state.h"

#include <assert.h>
#include <stdlib.h>

uint64_t hop_submit(struct hop *hop, uint64_t now, uint64_t deadline, uint64_t key, bool again, void *user)
{
    hop_pass_time(hop, now);
    struct request *r = hop_request_new(hop);
    r->deadline = deadline;
    r->key = key;
    r->again = again;
    r->user = user;
    if (deadline < hop->earliest)
        hop->earliest = deadline;

    unsigned waiting = hop->waiting.n + hop->suspects.n;
    if (deadline <= hop->now) {
        hop_decide(hop, r, HOP_DEADLINE);
    } else if (waiting >= hop->limits.queue && waiting - hop->limits.queue >= hop_room(hop)) {
        hop_decide(hop, r, HOP_BUSY);
    } else {
        hop_set_waiting(hop, r, false);
        if (r->state == WAITING)
            hop_earn(hop, hop->limits.again_percent);
    }
    return r->id;
}

/* The peer has no room: it goes to another one. */
static void refuse(struct hop *hop, struct request *r, unsigned peer)
{
    hop->peer[peer].busy_until = hop->now + BUSY_PAUSE;
    r->busy |= UINT64_C(1) << peer;
    if (r->state == SENT && !hop_is_served(hop, r))
        hop_set_waiting(hop, r, false);
}

bool hop_reply(struct hop *hop, uint64_t now, unsigned peer, uint64_t id, bool busy, void **user)
{
    assert(peer < HOP_PEERS);
    struct peer *p = &hop->peer[peer];
    hop_pass_time(hop, now);
    if (p->state == ABSENT)
        return false;
    hop_revive(hop, peer);
    struct request *r = hop_request_find(hop, id);
    struct attempt *a = r ? hop_attempt_of(r, peer) : NULL;
    if (!a)
        return false;
    hop_attempt_end(hop, a);

    if (busy) {
        refuse(hop, r, peer);
        if (r->state == OVER)
            hop_finish(hop, r);
        return false;
    }

    p->busy_until = 0;
    p->answered = hop->now;
    if (hop_keys_clear(&hop->keys, r->key))
        hop_sort_again(hop, r->key);
    if (r->state == DECIDED)
        return false;
    bool open = r->state != OVER;
    if (open)
        *user = r->user;
    hop_finish(hop, r);
    return open;
}

void hop_not_sent(struct hop *hop, uint64_t now, unsigned peer, uint64_t id)
{
    assert(peer < HOP_PEERS);
    hop_pass_time(hop, now);
    struct request *r = hop_request_find(hop, id);
    struct attempt *a = r ? hop_attempt_of(r, peer) : NULL;
    if (!a)
        return;
    hop_attempt_end(hop, a);
    if (r->state == OVER)
        hop_finish(hop, r);
    else
        refuse(hop, r, peer);
}

void *hop_forget(struct hop *hop, uint64_t id)
{
    struct request *r = hop_request_find(hop, id);
    if (!r || r->state == OVER)
        return NULL;
    void *user = r->user;
    hop_finish(hop, r);
    return user;
}

static bool may_take(const struct hop *hop, unsigned peer, const struct request *r)
{
    const struct peer *p = &hop->peer[peer];
    return p->state == READY && p->credit > 0 && !p->exclusive && hop->now >= p->busy_until && !(r->busy >> peer & 1);
}

/*
 * The peer with the fewest in flight; of equals the one after the favourite. With room: it has credit left and is not
 * reserved. NO_PEER if there is none.
 */
static unsigned fewest(const struct hop *hop, const struct request *r, bool with_room)
{
    unsigned best = NO_PEER;
    for (unsigned i = 1; i <= HOP_PEERS; i++) {
        unsigned k = (hop->favourite + i) % HOP_PEERS;
        const struct peer *p = &hop->peer[k];
        if (!may_take(hop, k, r) || (with_room && (p->in_flight >= p->credit || k == hop->alone)))
            continue;
        if (best == NO_PEER || p->in_flight < hop->peer[best].in_flight)
            best = k;
    }
    return best;
}

/*
 * Work keeps together while it is little: a peer that worked a moment ago has its code and data in the processor's
 * cache, and several requests at once cost it fewer wake-ups than the same requests spread thin. So one peer is the
 * favourite, each in its turn, and gets what comes as long as it is half empty and answers promptly. Else, and when it
 * gets full or slow, whoever has the fewest in flight.
 */
static unsigned choose(struct hop *hop, const struct request *r)
{
    if (hop->now >= hop->turn_ends) {
        unsigned next = hop->favourite;
        do
            next = (next + 1) % HOP_PEERS;
        while (next != hop->favourite && hop->peer[next].state != READY);
        hop->favourite = next;
        hop->turn_ends = hop->now + TURN;
    }
    const struct peer *p = &hop->peer[hop->favourite];
    bool is_prompt = p->in_flight == 0 || hop->now - p->answered < PROMPT;
    if (may_take(hop, hop->favourite, r) && hop->favourite != hop->alone && p->in_flight < (p->credit + 1) / 2 &&
        is_prompt)
        return hop->favourite;
    return fewest(hop, r, true);
}

static bool is_refused_by_all(const struct hop *hop, const struct request *r)
{
    bool any = false;
    for (unsigned i = 0; i < HOP_PEERS; i++) {
        if (hop->peer[i].state != READY)
            continue;
        if (!(r->busy >> i & 1))
            return false;
        any = true;
    }
    return any;
}

/* Answers a waiting request that need not be sent any more. */
static bool drop(struct hop *hop, struct request *r)
{
    if (r->deadline <= hop->now)
        hop_decide(hop, r, HOP_DEADLINE);
    else if (r->busy && is_refused_by_all(hop, r))
        hop_decide(hop, r, HOP_BUSY);
    return r->state == DECIDED;
}

static void send_to(struct hop *hop, struct request *r, unsigned peer, bool alone, struct hop_action *action)
{
    r->charged = false; /* spent */
    hop_set_sent(hop, r);
    hop_attempt_new(hop, r, peer, alone);
    *action = (struct hop_action){.type = HOP_SEND, .peer = peer, .id = r->id, .user = r->user, .deaths = r->deaths};
}

static bool send_suspect(struct hop *hop, struct hop_action *action)
{
    while (hop->suspects.first && drop(hop, hop->suspects.first))
        ;
    if (hop->alone_sent)
        return false;
    struct request *r = hop->suspects.first;
    if (!r || (hop->alone != NO_PEER && !may_take(hop, hop->alone, r)))
        hop->alone = NO_PEER;
    if (!r)
        return false;
    if (hop->alone == NO_PEER && (hop->round == 0 || hop->waiting.n == 0))
        hop->alone = fewest(hop, r, false);
    if (hop->alone == NO_PEER || hop->peer[hop->alone].in_flight > 0)
        return false;
    send_to(hop, r, hop->alone, true, action);
    return true;
}

static bool send_waiting(struct hop *hop, struct hop_action *action)
{
    for (struct request *r = hop->waiting.first, *next; r; r = next) {
        next = r->next;
        if (drop(hop, r))
            continue;
        unsigned peer = choose(hop, r);
        if (peer != NO_PEER) {
            if (hop->round > 0)
                hop->round--;
            send_to(hop, r, peer, false, action);
            return true;
        }
        if (!r->busy)
            break; /* there is no room at all; else only none for this one */
    }
    return false;
}

static bool ping(struct hop *hop, struct hop_action *action)
{
    if (!hop->pings)
        return false;
    *action = (struct hop_action){.type = HOP_PING, .peer = (unsigned)__builtin_ctzll(hop->pings)};
    hop->pings &= hop->pings - 1;
    return true;
}

static bool answer(struct hop *hop, struct hop_action *action)
{
    struct request *r = hop->answers.first;
    if (!r)
        return false;
    /* A request that was refused because of its key alone was at no death itself. */
    unsigned deaths = r->deaths ? hop_suspicion(hop, r) : 0;
    *action =
        (struct hop_action){.type = HOP_ANSWER, .outcome = r->outcome, .id = r->id, .user = r->user, .deaths = deaths};
    hop_finish(hop, r);
    return true;
}

bool hop_next(struct hop *hop, struct hop_action *action)
{
    if (answer(hop, action) || ping(hop, action) || send_suspect(hop, action) || send_waiting(hop, action))
        return true;
    return answer(hop, action); /* what the last two found to be over */
}

#define FIRST_BUCKETS 64 /* of the table of ids */

struct hop *hop_new(const struct hop_limits *limits, uint64_t first_id)
{
    struct hop *hop = calloc(1, sizeof *hop);
    struct request **bucket = calloc(FIRST_BUCKETS, sizeof *bucket);
    if (!hop || !bucket) {
        free(hop);
        free(bucket);
        return NULL;
    }
    hop->limits = *limits;
    hop->bucket = bucket;
    hop->buckets = FIRST_BUCKETS;
    hop->next_id = first_id ? first_id : 1;
    hop->budget = (uint64_t)limits->again_burst * AGAIN_COST;
    hop->earliest = UINT64_MAX;
    hop->alone = NO_PEER;
    return hop;
}

void hop_free(struct hop **hop)
{
    if (!*hop)
        return;
    for (struct request *r = (*hop)->newest, *older; r; r = older) {
        older = r->older;
        free(r);
    }
    free((*hop)->bucket);
    free(*hop);
    *hop = NULL;
}

unsigned hop_ready(const struct hop *hop)
{
    unsigned n = 0;
    for (unsigned i = 0; i < HOP_PEERS; i++)
        n += hop->peer[i].state == READY;
    return n;
}

unsigned hop_pending(const struct hop *hop)
{
    return hop->waiting.n + hop->suspects.n + hop->sent;
}

unsigned hop_waiting(const struct hop *hop)
{
    return hop->waiting.n + hop->suspects.n;
}

unsigned hop_in_flight(const struct hop *hop, unsigned peer)
{
    return hop->peer[peer].in_flight;
}

unsigned hop_credit(const struct hop *hop, unsigned peer)
{
    return hop->peer[peer].credit;
}

bool hop_hung(const struct hop *hop, unsigned peer)
{
    return hop->peer[peer].state == HUNG;
}

unsigned hop_held(const struct hop *hop)
{
    return (unsigned)hop->open;
}
