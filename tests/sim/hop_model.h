/*
 * The naive model of hop_sim.c: every request, every attempt and every key as plain records, searched from end to end,
 * and the rules that each action of the hop is held against. It shares nothing with the core but hop.h.
 */
#ifndef FILMYFLY_HOP_MODEL_H
#define FILMYFLY_HOP_MODEL_H

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
#define PROMPT          (20 * MILLISECOND)
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
    uint64_t heard, busy_until, answered;
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
    bool warm = s->holds == 0 || (s->holds * 2 < s->told_credit && known - s->answered < PROMPT);
    for (unsigned i = 0; i < n_slots && !alone && !suspects && !warm; i++)
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
        /* One more may have come back in the same moment, of a key that this death made poison. */
        check(batched || bucket < 100 * ((int64_t)again_waiting + 1), "UNAVAILABLE although it can be paid for", r);
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

#endif
