/*
 * The stage on which the tests of the hop play: one hop, its clock, and peers that answer pings while they are awake.
 * Each of the short verbs is an event or the expectation of the next action.
 */
#ifndef FILMYFLY_HOP_PLAY_H
#define FILMYFLY_HOP_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "hop.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define MS         MILLISECOND

/* A hop and its clock. Each test lets time pass with `later`, which ticks every 20 ms and lets the peers that are awake
 * answer the pings. */
static struct hop *hop;
static uint64_t now;
static uint64_t awake; /* a bit for each peer that answers pings */
static uint32_t credits[HOP_PEERS];
static struct hop_limits limits;

static inline int set_up(void **state)
{
    (void)state;
    limits = HOP_LIMITS;
    now = 1000 * SECOND;
    awake = 0;
    hop = hop_new(&limits, 100);
    hop_tick(hop, now);
    return hop ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    hop_free(&hop);
    return hop ? -1 : 0;
}

static inline void limits_are(struct hop_limits l)
{
    hop_free(&hop);
    limits = l;
    hop = hop_new(&limits, 100);
    hop_tick(hop, now);
}

static inline void ready(unsigned peer, uint32_t credit)
{
    hop_peer_ready(hop, now, peer, credit);
    awake |= 1ull << peer;
    credits[peer] = credit;
}

static inline void died(unsigned peer)
{
    hop_peer_died(hop, now, peer);
    awake &= ~(1ull << peer);
}

/* The next action that is no ping. */
static inline bool next(struct hop_action *action)
{
    while (hop_next(hop, action))
        if (action->type != HOP_PING)
            return true;
        else if (awake >> action->peer & 1)
            hop_peer_heard(hop, now, action->peer, credits[action->peer]);
    return false;
}

static inline void nothing(void)
{
    struct hop_action action;
    assert_false(next(&action));
}

static inline unsigned sent(uint64_t id)
{
    struct hop_action action;
    assert_true(next(&action));
    assert_int_equal(action.type, HOP_SEND);
    assert_int_equal(action.id, id);
    return action.peer;
}

static inline unsigned answered(uint64_t id, enum hop_outcome outcome)
{
    struct hop_action action;
    assert_true(next(&action));
    assert_int_equal(action.type, HOP_ANSWER);
    assert_int_equal(action.id, id);
    assert_int_equal(action.outcome, outcome);
    return action.deaths;
}

static inline uint64_t ask(uint64_t key, uint64_t patience, bool again)
{
    return hop_submit(hop, now, now + patience, key, again, NULL);
}

static inline bool reply(unsigned peer, uint64_t id)
{
    void *user;
    return hop_reply(hop, now, peer, id, false, &user);
}

static inline void busy(unsigned peer, uint64_t id)
{
    void *user;
    assert_false(hop_reply(hop, now, peer, id, true, &user));
}

/* Ticks. */
static inline void later(uint64_t ns)
{
    for (uint64_t end = now + ns; now < end;) {
        now += 20 * MS;
        hop_tick(hop, now);
        for (unsigned i = 0; i < HOP_PEERS; i++)
            if (awake >> i & 1)
                hop_peer_heard(hop, now, i, credits[i]);
    }
}

#endif
