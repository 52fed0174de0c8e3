#include <assert.h>
#include <stdlib.h>

#include "hop_state.h"

static void list_insert_after(struct list *list, struct request *before, struct request *r)
{
    assert(!r->list);
    r->list = list;
    r->prev = before;
    r->next = before ? before->next : list->first;
    *(r->prev ? &r->prev->next : &list->first) = r;
    *(r->next ? &r->next->prev : &list->last) = r;
    list->n++;
}

/* By id. A new request is the last one; what is sent again is among the first. */
static void list_insert(struct list *list, struct request *r)
{
    struct request *before = list->last;
    if (before && (int64_t)(r->id - before->id) < 0) {
        before = NULL;
        for (struct request *q = list->first; (int64_t)(q->id - r->id) < 0; q = q->next)
            before = q;
    }
    list_insert_after(list, before, r);
}

static void list_remove(struct request *r)
{
    struct list *list = r->list;
    *(r->prev ? &r->prev->next : &list->first) = r->next;
    *(r->next ? &r->next->prev : &list->last) = r->prev;
    list->n--;
    r->list = NULL;
}

struct request *hop_request_find(const struct hop *hop, uint64_t id)
{
    struct request *r = hop->bucket[id & (hop->buckets - 1)];
    while (r && r->id != id)
        r = r->chain;
    return r;
}

/* Ids follow each other, so their low bits spread evenly. When memory is short the chains just get longer. */
static void grow(struct hop *hop)
{
    struct request **bucket = calloc(hop->buckets * 2, sizeof *bucket);
    if (!bucket)
        return;
    free(hop->bucket);
    hop->bucket = bucket;
    hop->buckets *= 2;
    for (struct request *r = hop->newest; r; r = r->older) {
        struct request **b = &bucket[r->id & (hop->buckets - 1)];
        r->chain = *b;
        *b = r;
    }
}

struct request *hop_request_new(struct hop *hop)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->id = hop->next_id++;
    if (hop->next_id == 0)
        hop->next_id = 1;
    if (hop->open >= hop->buckets)
        grow(hop);
    struct request **b = &hop->bucket[r->id & (hop->buckets - 1)];
    r->chain = *b;
    *b = r;
    r->older = hop->newest;
    if (r->older)
        r->older->newer = r;
    hop->newest = r;
    hop->open++;
    return r;
}

void hop_request_free(struct hop *hop, struct request *r)
{
    assert(!r->list);
    struct request **b = &hop->bucket[r->id & (hop->buckets - 1)];
    while (*b != r)
        b = &(*b)->chain;
    *b = r->chain;
    *(r->newer ? &r->newer->older : &hop->newest) = r->older;
    if (r->older)
        r->older->newer = r->newer;
    hop->open--;
    free(r);
}

bool hop_is_held(const struct request *r)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (r->attempt[i].request)
            return true;
    return false;
}

bool hop_is_served(const struct hop *hop, const struct request *r)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (r->attempt[i].request && hop->peer[r->attempt[i].peer].state != HUNG)
            return true;
    return false;
}

unsigned hop_suspicion(const struct hop *hop, const struct request *r)
{
    unsigned deaths = hop_keys_deaths(&hop->keys, r->key);
    return deaths > r->deaths ? deaths : r->deaths;
}

void hop_earn(struct hop *hop, uint64_t hundredths)
{
    uint64_t most = (uint64_t)hop->limits.again_burst * AGAIN_COST;
    hop->budget += hundredths;
    if (hop->budget > most)
        hop->budget = most;
}

/* Leaves the state it is in: lists, counts and budget are right afterwards. */
static void set_state(struct hop *hop, struct request *r, enum request_state state)
{
    if (r->state == SENT)
        hop->sent--;
    if (r->list)
        list_remove(r);
    if (r->charged)
        hop_earn(hop, AGAIN_COST);
    r->charged = false;
    r->state = state;
    if (state == SENT)
        hop->sent++;
}

void hop_set_sent(struct hop *hop, struct request *r)
{
    set_state(hop, r, SENT);
}

void hop_decide(struct hop *hop, struct request *r, enum hop_outcome outcome)
{
    set_state(hop, r, DECIDED);
    r->outcome = outcome;
    list_insert_after(&hop->answers, hop->answers.last, r);
}

/* Puts what is WAITING into the queue where its suspicion wants it. */
static void place(struct hop *hop, struct request *r)
{
    unsigned deaths = hop_suspicion(hop, r);
    struct list *list = deaths >= SUSPECT_DEATHS ? &hop->suspects : &hop->waiting;
    if (deaths >= POISON_DEATHS) {
        hop_decide(hop, r, HOP_POISON);
    } else if (r->list != list) {
        if (r->list)
            list_remove(r);
        list_insert(list, r);
    }
}

void hop_set_waiting(struct hop *hop, struct request *r, bool charged)
{
    set_state(hop, r, WAITING);
    r->charged = charged;
    place(hop, r);
}

void hop_finish(struct hop *hop, struct request *r)
{
    set_state(hop, r, OVER);
    if (!hop_is_held(r))
        hop_request_free(hop, r);
}

void hop_sort_again(struct hop *hop, uint64_t key)
{
    struct list *lists[] = {&hop->waiting, &hop->suspects};
    for (int i = 0; i < 2; i++) {
        for (struct request *r = lists[i]->first, *next; r; r = next) {
            next = r->next;
            if (r->key == key)
                place(hop, r);
        }
    }
}

unsigned hop_room(const struct hop *hop)
{
    unsigned n = 0;
    for (unsigned i = 0; i < HOP_PEERS; i++) {
        const struct peer *p = &hop->peer[i];
        if (p->state == READY && i != hop->alone && !p->exclusive && hop->now >= p->busy_until &&
            p->in_flight < p->credit)
            n += p->credit - p->in_flight;
    }
    return n;
}

void hop_attempt_new(struct hop *hop, struct request *r, unsigned peer, bool alone)
{
    struct attempt *a = r->attempt;
    while (a < r->attempt + ATTEMPTS && a->request)
        a++;
    assert(a < r->attempt + ATTEMPTS);
    struct peer *p = &hop->peer[peer];
    *a = (struct attempt){.request = r, .peer = peer, .alone = alone, .older = p->newest};
    if (a->older)
        a->older->newer = a;
    p->newest = a;
    p->in_flight++;
    if (alone)
        p->exclusive = hop->alone_sent = true;
}

void hop_attempt_end(struct hop *hop, struct attempt *a)
{
    struct peer *p = &hop->peer[a->peer];
    *(a->newer ? &a->newer->older : &p->newest) = a->older;
    if (a->older)
        a->older->newer = a->newer;
    assert(p->in_flight > 0);
    p->in_flight--;
    if (a->alone) {
        p->exclusive = false;
        hop_unreserve(hop, a->peer);
    }
    a->request = NULL;
}

struct attempt *hop_attempt_of(struct request *r, unsigned peer)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (r->attempt[i].request && r->attempt[i].peer == peer)
            return &r->attempt[i];
    return NULL;
}
