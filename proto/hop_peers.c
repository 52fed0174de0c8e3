#include <assert.h>

#include "hop_state.h"

static void count_death(struct hop *hop, struct attempt *a)
{
    struct request *r = a->request;
    if (a->counted)
        return;
    a->counted = true;
    r->deaths++;
    if (hop_keys_count(&hop->keys, hop->now, r->key, hop->event) >= SUSPECT_DEATHS)
        hop_sort_again(hop, r->key);
}

/* The peer that had the request hangs or died: what becomes of it. */
static void send_again(struct hop *hop, struct request *r)
{
    if (r->state != SENT || hop_is_served(hop, r))
        return;
    if (!r->again) {
        if (!hop_is_held(r))
            hop_decide(hop, r, HOP_UNKNOWN);
    } else if (hop_suspicion(hop, r) >= POISON_DEATHS) {
        hop_decide(hop, r, HOP_POISON); /* whatever is left in the budget */
    } else if (hop->budget >= AGAIN_COST) {
        hop->budget -= AGAIN_COST;
        hop_set_waiting(hop, r, true);
    } else if (!hop_is_held(r)) {
        hop_decide(hop, r, HOP_UNAVAILABLE);
    }
}

void hop_pass_time(struct hop *hop, uint64_t now)
{
    if (now > hop->now)
        hop->now = now;
}

/* A sign of life. What waited to be sent elsewhere because of this peer's silence is in good hands again. */
void hop_revive(struct hop *hop, unsigned peer)
{
    struct peer *p = &hop->peer[peer];
    p->heard = hop->now;
    if (p->state != HUNG)
        return;
    p->state = p->leaves ? LEAVING : READY;
    for (struct attempt *a = p->newest; a; a = a->older)
        if (a->request->state == WAITING)
            hop_set_sent(hop, a->request);
}

static void set_credit(struct peer *p, uint32_t credit)
{
    p->credit = credit < CREDIT_MAX ? credit : CREDIT_MAX;
}

void hop_unreserve(struct hop *hop, unsigned peer)
{
    if (hop->alone != peer)
        return;
    hop->alone = NO_PEER;
    if (hop->alone_sent) {
        unsigned room = hop_room(hop);
        hop->round = room < hop->waiting.n ? room : hop->waiting.n;
    }
    hop->alone_sent = false;
}

static void hang(struct hop *hop, unsigned peer)
{
    struct peer *p = &hop->peer[peer];
    p->leaves = p->state == LEAVING;
    p->state = HUNG;
    hop_unreserve(hop, peer);
    hop->event++;
    /* From the newest on, so that each goes before the one before it at the front of the queue. */
    for (struct attempt *a = p->newest; a; a = a->older) {
        count_death(hop, a);
        send_again(hop, a->request);
    }
}

void hop_peer_ready(struct hop *hop, uint64_t now, unsigned peer, uint32_t credit)
{
    assert(peer < HOP_PEERS);
    struct peer *p = &hop->peer[peer];
    hop_pass_time(hop, now);
    if (p->state == ABSENT) {
        *p = (struct peer){.state = READY, .ping_at = hop->now};
        for (struct request *r = hop->newest; r; r = r->older)
            r->busy &= ~(UINT64_C(1) << peer);
    }
    hop_revive(hop, peer);
    set_credit(p, credit);
}

void hop_peer_heard(struct hop *hop, uint64_t now, unsigned peer, uint32_t credit)
{
    assert(peer < HOP_PEERS);
    struct peer *p = &hop->peer[peer];
    hop_pass_time(hop, now);
    if (p->state == ABSENT)
        return;
    hop_revive(hop, peer);
    set_credit(p, credit);
}

void hop_peer_leaving(struct hop *hop, uint64_t now, unsigned peer)
{
    assert(peer < HOP_PEERS);
    struct peer *p = &hop->peer[peer];
    hop_pass_time(hop, now);
    if (p->state == HUNG)
        p->leaves = true;
    else if (p->state == READY)
        p->state = LEAVING;
    if (!hop->alone_sent)
        hop_unreserve(hop, peer);
}

void hop_peer_died(struct hop *hop, uint64_t now, unsigned peer)
{
    assert(peer < HOP_PEERS);
    struct peer *p = &hop->peer[peer];
    hop_pass_time(hop, now);
    p->state = ABSENT;
    hop->pings &= ~(UINT64_C(1) << peer);
    hop->event++;
    for (struct attempt *a; (a = p->newest);) {
        struct request *r = a->request;
        count_death(hop, a);
        hop_attempt_end(hop, a);
        send_again(hop, r);
        if (r->state == OVER && !hop_is_held(r))
            hop_request_free(hop, r);
    }
    hop_unreserve(hop, peer);
}

/* Whoever holds a request past its deadline drops it without a word, so its credit comes back too. */
static void expire(struct hop *hop)
{
    hop->earliest = UINT64_MAX;
    for (struct request *r = hop->newest, *older; r; r = older) {
        older = r->older;
        if (r->deadline > hop->now) {
            if (r->deadline < hop->earliest)
                hop->earliest = r->deadline;
            continue;
        }
        for (int i = 0; i < ATTEMPTS; i++)
            if (r->attempt[i].request)
                hop_attempt_end(hop, &r->attempt[i]);
        if (r->state == OVER)
            hop_request_free(hop, r);
        else if (r->state != DECIDED)
            hop_decide(hop, r, HOP_DEADLINE);
    }
}

void hop_tick(struct hop *hop, uint64_t now)
{
    hop_pass_time(hop, now);
    bool late = hop->now - hop->ticked > hop->limits.tick_late;
    hop->ticked = hop->now;
    if (hop->earliest <= hop->now)
        expire(hop);
    for (unsigned i = 0; i < HOP_PEERS; i++) {
        struct peer *p = &hop->peer[i];
        if (p->state == ABSENT)
            continue;
        if (late)
            p->heard = hop->now; /* what it said meanwhile may still lie unread */
        if (p->state != HUNG && hop->now - p->heard > hop->limits.hung_after)
            hang(hop, i);
        if (hop->now >= p->ping_at) {
            hop->pings |= UINT64_C(1) << i;
            p->ping_at = hop->now + hop->limits.ping_every;
        }
    }
    uint64_t key;
    while (hop_keys_expire(&hop->keys, hop->now, hop->limits.held_down, &key))
        hop_sort_again(hop, key);
}
