/*
 * hop_sim [steps] [seed]: the hop's core against a world of peers that crash, freeze, wake, leave, refuse, lose and
 * repeat messages and die of poisonous requests, on a virtual clock. Beside it runs a naive model that knows every
 * request and every attempt and checks each action. A failure names the rule and the step; the same steps and seed fail
 * again in the same way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hop.h"

#define SLOTS           6
#define KEYS            240 /* fewer than the core remembers, so that the model need not know what it forgets */
#define CREDIT_MOST     20
#define POISONS         16 /* the first keys kill (odd) or hang (even) whoever works on them */
#define RING            32768
#define EVENTS          65536
#define HELD            4096
#define DEADLINE_MARGIN (20 * MILLISECOND) /* peers are told a deadline so much earlier */
#define BUSY_PAUSE      (50 * MILLISECOND)
#define PATIENCE        (6 * SECOND) /* of who asks for poison, at most */
#define TICK            (20 * MILLISECOND)

/* ---- chance ---- */

static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = chance_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* 0 … n-1 */
static uint64_t below(uint64_t n)
{
    return chance() % n;
}

static bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* ---- the model ---- */

struct attempt {
    unsigned slot;
    bool open, counted, alone;
};

struct record {
    uint64_t id, deadline, key;
    bool again, open, refused; /* refused: its key was when it came */
    unsigned sends, busies, paid, deaths, attempts_open;
    unsigned waiting_at_submit;
    uint64_t busy; /* slots that refused it */
    struct attempt attempt[SLOTS];
};

struct key {
    unsigned deaths;
    uint64_t at, event;
    uint64_t kill[3]; /* when its last lives were killed */
};

/* One life at a time in each slot: what the world knows, and what the hop has been told. */
struct slot {
    bool alive;
    unsigned life;
    bool leaving;
    uint64_t frozen_until;
    uint32_t credit;

    bool told, told_leaving, hung;
    uint32_t told_credit;
    uint64_t heard, busy_until;
    struct record *held[HELD];
    unsigned holds;
};

enum event_type {
    HELLO,
    PONG,
    REPLY,
    BUSY,
    LEAVE,
    DEATH,
    /* reach the hop */ ARRIVE,
    WORK_DONE,
    THAW /* the world's own */
};

struct event {
    uint64_t at, seq;
    enum event_type type;
    unsigned slot, life;
    uint64_t id;
};

static struct hop *hop;
static struct hop_limits limits;
static struct record ring[RING];
static struct key keys[KEYS];
static struct slot slots[SLOTS];
static struct event heap[EVENTS], inbox[EVENTS];
static unsigned heap_n, inbox_n;
static unsigned n_slots, slowness; /* slowness: of the peers, 1 … 6 */
static uint64_t now, known, ticked, seq, submitted, first_id, death_number;
static uint64_t open_records, kept_records, again_sent, step, seed;
/*
 * Hundredths of a re-send: in a bucket that pays when one is sent (the core pays when it decides to, which is earlier,
 * so that it may save up more meanwhile), and all that were ever earned.
 */
static int64_t bucket, earned;
static bool batched; /* several events come before the actions are taken: what paid for what can no longer be told */
static struct record *open_list[RING];
static unsigned open_n;

static struct {
    uint64_t sends, replies, answers[5], deaths, hangs, suspects, kills, forgotten, most_held;
} stats;

static void fail(const char *rule, const struct record *r)
{
    fprintf(stderr, "hop_sim: seed %" PRIu64 ", step %" PRIu64 ", %.3f s: %s", seed, step, (double)now / 1e9, rule);
    if (r)
        fprintf(stderr, " (request %" PRIu64 ", key %" PRIu64 ", %s, %u sends, %u refusals, %u deaths)", r->id, r->key,
                r->again ? "may be sent again" : "may not be sent again", r->sends, r->busies, r->deaths);
    fputc('\n', stderr);
    exit(1);
}

static void check(bool holds, const char *rule, const struct record *r)
{
    if (!holds)
        fail(rule, r);
}

static struct record *record_of(uint64_t id)
{
    uint64_t n = id - first_id;
    if (id < first_id)
        n--; /* ids wrapped around, leaving out 0 */
    struct record *r = &ring[n % RING];
    return n < submitted && r->id == id ? r : NULL;
}

static unsigned suspicion(const struct record *r)
{
    return keys[r->key].deaths > r->deaths ? keys[r->key].deaths : r->deaths;
}

static void close_record(struct record *r)
{
    check(r->open, "it is answered a second time", r);
    r->open = false;
    open_records--;
    if (r->attempts_open == 0)
        kept_records--;
    for (unsigned i = 0; i < open_n; i++)
        if (open_list[i] == r) {
            open_list[i] = open_list[--open_n];
            return;
        }
    fail("the model lost it", r);
}

static struct attempt *attempt_at(struct record *r, unsigned slot)
{
    return r->attempt[slot].open ? &r->attempt[slot] : NULL;
}

static void close_attempt(struct record *r, unsigned slot)
{
    struct slot *s = &slots[slot];
    r->attempt[slot].open = false;
    r->attempts_open--;
    for (unsigned i = 0; i < s->holds; i++)
        if (s->held[i] == r) {
            s->held[i] = s->held[--s->holds];
            break;
        }
    if (!r->open && r->attempts_open == 0)
        kept_records--;
}

static void count_deaths(struct slot *s)
{
    death_number++;
    for (unsigned i = 0; i < s->holds; i++) {
        struct record *r = s->held[i];
        struct attempt *a = &r->attempt[s - slots];
        struct key *k = &keys[r->key];
        if (a->counted)
            continue;
        a->counted = true;
        r->deaths++;
        if (k->deaths == 0 || k->event != death_number) {
            k->deaths++;
            k->at = now;
            k->event = death_number;
        }
    }
}

static bool is_ready(const struct slot *s)
{
    return s->told && !s->told_leaving && !s->hung;
}

static bool has_alone(const struct slot *s)
{
    for (unsigned i = 0; i < s->holds; i++)
        if (s->held[i]->attempt[s - slots].alone)
            return true;
    return false;
}

/* A ready peer that could take an ordinary request. */
static bool has_room(const struct slot *s)
{
    return is_ready(s) && s->holds < s->told_credit && known >= s->busy_until && !has_alone(s);
}

static bool is_waiting(const struct record *r)
{
    return r->open && r->attempts_open == 0;
}

/* A peer that is not hung has it. */
static bool is_served(const struct record *r)
{
    for (unsigned i = 0; i < n_slots; i++)
        if (r->attempt[i].open && !slots[i].hung)
            return true;
    return false;
}

static void on_send(const struct hop_action *action)
{
    struct record *r = record_of(action->id);
    check(r && r->open && action->user == r, "what is sent is not open", r);
    struct slot *s = &slots[action->peer];
    unsigned deaths = suspicion(r);
    check(is_ready(s), "it is sent to a peer that takes no work", r);
    check(s->holds < s->told_credit, "a peer has more in flight than its credit", r);
    check(known >= s->busy_until, "it is sent to a peer that has just said BUSY", r);
    check(!(r->busy >> action->peer & 1), "it is sent to a peer that refused it", r);
    check(known < r->deadline, "it is sent after its deadline", r);
    check(!attempt_at(r, action->peer), "it is sent to a peer that has it", r);
    check(r->again || r->sends == r->busies, "it may not be sent again", r);
    check(deaths < 3, "a refused request is sent", r);
    check(!has_alone(s), "it is sent to a peer that tries a suspect", r);
    check(!is_served(r), "it is sent again while a peer works on it", r);

    bool alone = deaths >= 2, suspects = false;
    for (unsigned i = 0; i < open_n; i++)
        suspects |= suspicion(open_list[i]) >= 2;
    if (alone) {
        stats.suspects++;
        check(s->holds == 0, "a suspect is not alone", r);
        for (unsigned i = 0; i < n_slots; i++)
            for (unsigned j = 0; j < slots[i].holds; j++)
                check(!slots[i].held[j]->attempt[i].alone || slots[i].held[j]->attempt[i].counted,
                      "two suspects are tried at once", r);
    }
    for (unsigned i = 0; i < n_slots && !alone && !suspects; i++)
        check(!has_room(&slots[i]) || r->busy >> i & 1 || slots[i].holds >= s->holds, "another peer has fewer", r);
    for (unsigned i = 0; i < open_n && !alone; i++)
        check(!is_waiting(open_list[i]) || open_list[i]->busy || open_list[i]->deadline <= known ||
                  suspicion(open_list[i]) >= 2 || (int64_t)(open_list[i]->id - r->id) >= 0,
              "an older one waits", r);

    r->sends++;
    if (r->sends > r->busies + r->paid + 1) {
        r->paid++; /* a sending after a refusal is free */
        again_sent++;
        bucket -= 100;
        check(100 * (int64_t)again_sent <= earned, "the budget of re-sends is exceeded", r);
    }
    r->attempt[action->peer] = (struct attempt){.slot = action->peer, .open = true, .alone = alone};
    r->attempts_open++;
    check(s->holds < HELD, "the model is full", r);
    s->held[s->holds++] = r;
    stats.sends++;
}

static void on_answer(const struct hop_action *action)
{
    struct record *r = record_of(action->id);
    check(r && action->user == r, "what is answered was never asked", r);
    bool all_refused = r->busy != 0;
    unsigned again_waiting = 0;
    for (unsigned i = 0; i < n_slots; i++)
        all_refused &= !is_ready(&slots[i]) || r->busy >> i & 1;
    for (unsigned i = 0; i < open_n; i++)
        again_waiting += open_list[i]->sends > open_list[i]->busies && !is_served(open_list[i]);
    switch (action->outcome) {
    case HOP_BUSY:
        check(all_refused || (r->sends == 0 && r->waiting_at_submit >= limits.queue), "BUSY without need", r);
        break;
    case HOP_DEADLINE:
        check(now >= r->deadline, "DEADLINE too early", r);
        break;
    case HOP_UNAVAILABLE:
        /* Those that were sent and are with nobody have been paid for, or are answered like this one just now. */
        check(r->again && r->sends > r->busies && r->attempts_open == 0, "UNAVAILABLE without a death", r);
        check(batched || bucket < 100 * (int64_t)again_waiting, "UNAVAILABLE although it can be paid for", r);
        break;
    case HOP_UNKNOWN:
        check(!r->again && r->sends == r->busies + 1 && r->attempts_open == 0, "UNKNOWN without a death", r);
        break;
    case HOP_POISON:
        check(suspicion(r) >= 3 || r->refused, "an innocent is called poison", r);
        check(r->again || r->sends == r->busies, "POISON, though it is not known whether it was done", r);
        break;
    }
    stats.answers[action->outcome]++;
    close_record(r);
}

/* ---- the world ---- */

static void push(uint64_t at, enum event_type type, unsigned slot, uint64_t id)
{
    struct event e = {at, seq++, type, slot, slots[slot].life, id};
    unsigned i = heap_n++;
    check(heap_n < EVENTS, "the world has too many events", NULL);
    for (; i > 0; i = (i - 1) / 2) {
        struct event *up = &heap[(i - 1) / 2];
        if (up->at < e.at || (up->at == e.at && up->seq < e.seq))
            break;
        heap[i] = *up;
    }
    heap[i] = e;
}

static bool earlier(unsigned a, unsigned b)
{
    return heap[a].at < heap[b].at || (heap[a].at == heap[b].at && heap[a].seq < heap[b].seq);
}

static struct event pop(void)
{
    struct event top = heap[0];
    heap[0] = heap[--heap_n];
    for (unsigned i = 0, c; (c = 2 * i + 1) < heap_n; i = c) {
        if (c + 1 < heap_n && earlier(c + 1, c))
            c++;
        if (earlier(i, c))
            break;
        struct event e = heap[i];
        heap[i] = heap[c];
        heap[c] = e;
    }
    return top;
}

static void start(unsigned slot)
{
    struct slot *s = &slots[slot];
    if (s->alive || s->told)
        return;
    *s = (struct slot){.alive = true, .life = s->life + 1, .credit = (uint32_t)(1 + below(16))};
    push(now + below(MILLISECOND), HELLO, slot, 0);
}

static void crash(unsigned slot)
{
    struct slot *s = &slots[slot];
    if (!s->alive)
        return;
    s->alive = false;
    push(now + MILLISECOND, DEATH, slot, 0);
}

static void killed_by(uint64_t key)
{
    struct key *k = &keys[key];
    stats.kills++;
    /* A life that was given up on may wake and die of it as late as the request's deadline. */
    check(k->kill[0] == 0 || now - k->kill[0] >= limits.held_down - PATIENCE, "one key killed four lives in its time",
          NULL);
    memmove(k->kill, k->kill + 1, 2 * sizeof k->kill[0]);
    k->kill[2] = now;
}

/* A life works on a request that reached it. */
static void arrive(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r = record_of(e->id);
    if (now < s->frozen_until) {
        push(s->frozen_until, ARRIVE, e->slot, e->id);
        return;
    }
    if (!r || now > r->deadline - DEADLINE_MARGIN)
        return;
    if (one_in(60)) {
        push(now + MILLISECOND / 5, BUSY, e->slot, e->id);
        if (one_in(10))
            push(now + MILLISECOND, BUSY, e->slot, e->id);
    } else if (r->key < POISONS && r->key % 2) {
        killed_by(r->key);
        crash(e->slot);
    } else if (r->key < POISONS) {
        s->frozen_until = now + SECOND + below(8 * SECOND);
        push(s->frozen_until, THAW, e->slot, 1);
    } else {
        push(now + MILLISECOND / 2 + below(slowness * 10 * MILLISECOND), WORK_DONE, e->slot, e->id);
    }
}

static void world(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r;
    if (s->life != e->life || !s->alive)
        return;
    switch ((int)e->type) {
    case ARRIVE:
        arrive(e);
        break;
    case WORK_DONE:
        if (now < s->frozen_until) {
            push(s->frozen_until + below(MILLISECOND), WORK_DONE, e->slot, e->id);
            break;
        }
        r = record_of(e->id);
        if (!r || now > r->deadline - DEADLINE_MARGIN || one_in(200))
            break; /* dropped by its holder, or lost */
        push(now + MILLISECOND / 5, REPLY, e->slot, e->id);
        if (one_in(100))
            push(now + below(20 * MILLISECOND), REPLY, e->slot, e->id);
        break;
    case THAW:
        if (e->id)
            crash(e->slot);
        break;
    }
}

/* What the hop is told. */
static void deliver(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r = record_of(e->id);
    void *user = NULL;
    if (s->life != e->life || (e->type != HELLO && !s->told))
        return;
    known = now;
    if (e->type != LEAVE && e->type != DEATH) {
        s->heard = now;
        s->hung = false;
    }
    switch ((int)e->type) {
    case HELLO:
        s->told = true;
        s->told_credit = s->credit;
        for (unsigned i = 0; i < open_n; i++)
            open_list[i]->busy &= ~(UINT64_C(1) << e->slot);
        hop_peer_ready(hop, now, e->slot, s->credit);
        break;
    case PONG:
        s->told_credit = s->credit;
        hop_peer_heard(hop, now, e->slot, s->credit);
        break;
    case LEAVE:
        s->told_leaving = true;
        hop_peer_leaving(hop, now, e->slot);
        break;
    case DEATH:
        stats.deaths += s->holds > 0;
        count_deaths(s);
        while (s->holds > 0)
            close_attempt(s->held[0], e->slot);
        s->told = s->told_leaving = s->hung = false;
        hop_peer_died(hop, now, e->slot);
        break;
    case REPLY:
    case BUSY: {
        bool held = r && attempt_at(r, e->slot);
        bool expected = held && r->open && e->type == REPLY;
        bool over = hop_reply(hop, now, e->slot, e->id, e->type == BUSY, &user);
        check(over == expected, expected ? "a good reply is dropped" : "a stray reply is taken", r);
        check(!over || user == r, "a reply is given to another", r);
        if (!held)
            break;
        close_attempt(r, e->slot);
        if (e->type == BUSY) {
            s->busy_until = now + BUSY_PAUSE;
            r->busies++;
            r->busy |= UINT64_C(1) << e->slot;
            break;
        }
        s->busy_until = 0;
        if (keys[r->key].deaths < 3)
            keys[r->key].deaths = 0;
        if (over) {
            stats.replies++;
            close_record(r);
        }
        break;
    }
    }
}

static void tick(void)
{
    bool late = now - ticked > limits.tick_late;
    ticked = now;
    for (unsigned i = 0; i < n_slots; i++)
        for (unsigned j = slots[i].holds; j-- > 0;)
            if (slots[i].held[j]->deadline <= now)
                close_attempt(slots[i].held[j], i);
    for (unsigned i = 0; i < n_slots; i++) {
        struct slot *s = &slots[i];
        if (!s->told)
            continue;
        if (late)
            s->heard = now;
        if (!s->hung && now - s->heard > limits.hung_after) {
            s->hung = true;
            stats.hangs++;
            count_deaths(s);
        }
    }
    known = now;
    hop_tick(hop, now);
    for (unsigned i = 0; i < KEYS; i++)
        if (keys[i].deaths && now - keys[i].at >= limits.held_down)
            keys[i].deaths = 0;
}

static void submit(uint64_t key, uint64_t patience, bool again)
{
    struct record *r = &ring[submitted % RING];
    check(!r->open && r->attempts_open == 0, "the model is full, or a request is kept for ever", r);
    submitted++;
    *r = (struct record){.deadline = now + patience, .key = key, .again = again, .open = true};
    r->waiting_at_submit = hop_waiting(hop);
    r->refused = keys[key].deaths >= 3;
    unsigned pending = hop_pending(hop);
    known = now;
    r->id = hop_submit(hop, now, r->deadline, key, again, r);
    if (hop_pending(hop) > pending) {
        int64_t most = 100 * (int64_t)limits.again_burst;
        earned += limits.again_percent;
        bucket += limits.again_percent;
        bucket = bucket < most ? bucket : most;
    }
    check(r->id != 0 && record_of(r->id) == r, "ids do not follow each other", r);
    open_list[open_n++] = r;
    open_records++;
    kept_records++;
}

static bool is_key_in_use(uint64_t key)
{
    for (unsigned i = 0; i < open_n; i++)
        if (open_list[i]->key == key)
            return true;
    for (unsigned i = 0; i < n_slots; i++)
        for (unsigned j = 0; j < slots[i].holds; j++)
            if (slots[i].held[j]->key == key)
                return true;
    return false;
}

/* The actions, and what must hold when there is none left. */
static void drain(bool ticked_now)
{
    struct hop_action action;
    unsigned ready = 0, fresh = 0, actions = 0;
    while (hop_next(hop, &action)) {
        struct slot *s = &slots[action.peer];
        check(++actions < 10 * RING, "the actions do not end", NULL);
        if (action.type == HOP_PING) {
            check(s->told, "a peer that is not there is pinged", NULL);
            if (s->alive)
                push((now < s->frozen_until ? s->frozen_until : now) + MILLISECOND / 2, PONG, action.peer, 0);
        } else if (action.type == HOP_SEND) {
            on_send(&action);
            if (!one_in(300))
                push(now + MILLISECOND / 10, ARRIVE, action.peer, action.id);
        } else {
            on_answer(&action);
        }
    }

    bool suspects = false, room = false;
    for (unsigned i = 0; i < n_slots; i++) {
        ready += is_ready(&slots[i]);
        room |= has_room(&slots[i]);
        check(hop_in_flight(hop, i) == slots[i].holds, "a peer's requests in flight are miscounted", NULL);
    }
    for (unsigned i = 0; i < open_n; i++)
        suspects |= suspicion(open_list[i]) >= 2;
    for (unsigned i = 0; i < open_n; i++) {
        struct record *r = open_list[i];
        fresh += r->sends == 0;
        check(!ticked_now || r->deadline > now, "it is not answered at its deadline", r);
        if (r->attempts_open)
            continue;
        check(suspicion(r) < 3, "a refused one waits", r);
        check(r->again || r->sends == r->busies, "its peer died and it waits", r);
        check(suspects || !room || r->busy, "it waits though there is room", r);
    }
    check(fresh <= limits.queue + n_slots * CREDIT_MOST, "more wait than the queue may hold", NULL);
    check(hop_ready(hop) == ready, "the ready peers are miscounted", NULL);
    check(hop_pending(hop) == open_records, "the open requests are miscounted", NULL);
    check(hop_held(hop) == kept_records, "the remembered requests are miscounted", NULL);
    if (kept_records > stats.most_held)
        stats.most_held = kept_records;
}

/* ---- the story ---- */

static void mishap(void)
{
    unsigned slot = (unsigned)below(n_slots);
    struct slot *s = &slots[slot];
    if (one_in(40))
        start(slot);
    if (one_in(3000))
        crash(slot);
    if (one_in(3000) && s->alive) {
        s->frozen_until = now + 10 * MILLISECOND + below(3 * SECOND);
        push(s->frozen_until, THAW, slot, one_in(4));
    }
    if (one_in(5000) && s->alive && s->told && !s->leaving) {
        s->leaving = true;
        push(now, LEAVE, slot, 0);
    }
    if (s->leaving && s->alive && s->holds == 0 && one_in(20))
        crash(slot); /* its end, holding nothing */
    if (one_in(1000))
        s->credit = (uint32_t)below(CREDIT_MOST);
    if (one_in(100) && s->alive && now >= s->frozen_until && submitted)
        push(now, REPLY, slot, first_id + below(submitted)); /* somebody else's, or long over */
}

static void visitors(unsigned load)
{
    for (uint64_t n = one_in(load) ? (one_in(60) ? 40 : 1) : 0; n > 0; n--)
        submit(POISONS + below(KEYS - POISONS), below(one_in(3) ? 8 * SECOND : 300 * MILLISECOND), !one_in(5));
    if (one_in(300)) {
        uint64_t key = below(POISONS);
        if (!is_key_in_use(key))
            submit(key, PATIENCE - below(4 * SECOND), !one_in(6));
    }
    if (one_in(100) && open_n) {
        struct record *r = open_list[below(open_n)];
        check(hop_forget(hop, r->id) == r, "it cannot be forgotten", r);
        stats.forgotten++;
        close_record(r);
    }
}

static void pass(uint64_t to)
{
    while (heap_n && heap[0].at <= to) {
        struct event e = pop();
        now = e.at > now ? e.at : now;
        if (e.type >= ARRIVE)
            world(&e);
        else if (inbox_n < EVENTS)
            inbox[inbox_n++] = e;
    }
    now = to;
}

static void turn(void)
{
    bool due = now - ticked >= TICK - 2 * MILLISECOND;
    batched = one_in(3);
    for (unsigned i = 0; i < inbox_n; i++) {
        deliver(&inbox[i]);
        if (!batched)
            drain(false);
    }
    inbox_n = 0;
    if (due)
        tick();
    drain(due);
}

int main(int argc, char **argv)
{
    uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    chance_state = seed * 7919;
    now = SECOND;
    n_slots = (unsigned)(1 + below(SLOTS));
    limits = HOP_LIMITS;
    limits.queue = (uint32_t)(8 + below(100));
    limits.again_percent = (uint32_t)below(50);
    limits.again_burst = (uint32_t)(1 + below(60));
    limits.held_down = (10 + below(51)) * SECOND;
    bucket = earned = 100 * (int64_t)limits.again_burst;
    first_id = one_in(2) ? chance() : UINT64_MAX - below(1000);
    hop = hop_new(&limits, first_id);
    unsigned load = 3;

    for (step = 0; step < steps; step++) {
        if (step % 5000 == 0) {
            slowness = (unsigned)(1 + below(6));
            load = (unsigned)(1 + below(12));
        }
        pass(now + below(one_in(20000) ? 3 * SECOND : 2 * MILLISECOND)); /* now and then we freeze ourselves */
        mishap();
        visitors(load);
        turn();
    }

    /* Rest: nobody asks any more, and everything is forgotten by its deadline. */
    for (unsigned i = 0; i < 10000; i++, step++) {
        pass(now + MILLISECOND);
        turn();
    }
    check(hop_pending(hop) == 0 && hop_held(hop) == 0 && hop_waiting(hop) == 0, "at rest something is left", NULL);
    /* And it still works: with good peers each request gets its reply, but for what the world loses. */
    for (unsigned i = 0; i < n_slots; i++)
        crash(i);
    slowness = 1;
    for (unsigned i = 0; i < 200000; i++, step++) {
        pass(now + MILLISECOND);
        if (i > 65 * 1000 && i % 20 == 0)
            submit(POISONS + below(KEYS - POISONS), SECOND, true);
        for (unsigned j = 0; j < n_slots; j++)
            if (!slots[j].alive)
                start(j);
            else
                slots[j].credit = 16;
        if (i == 65 * 1000)
            stats.replies = 0;
        turn();
    }
    check(stats.replies > 6000, "after the storm requests are not answered", NULL);
    hop_free(&hop);
    check(hop == NULL, "hop_free leaves its caller's pointer", NULL);
    printf("hop_sim: seed %" PRIu64 ": %" PRIu64 " steps, %.0f s of virtual time, %u peers: %" PRIu64
           " requests, %" PRIu64 " sends (%" PRIu64 " again, %" PRIu64 " alone), %" PRIu64 " deaths, %" PRIu64
           " hangs, %" PRIu64 " lives killed by poison; busy %" PRIu64 ", deadline %" PRIu64 ", unavailable %" PRIu64
           ", unknown %" PRIu64 ", poison %" PRIu64 ", forgotten %" PRIu64 "; at most %" PRIu64 " remembered\n",
           seed, steps, (double)now / 1e9, n_slots, submitted, stats.sends, again_sent, stats.suspects, stats.deaths,
           stats.hangs, stats.kills, stats.answers[HOP_BUSY], stats.answers[HOP_DEADLINE],
           stats.answers[HOP_UNAVAILABLE], stats.answers[HOP_UNKNOWN], stats.answers[HOP_POISON], stats.forgotten,
           stats.most_held);
    return 0;
}
