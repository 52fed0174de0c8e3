/* The stage of life_test.c: one life, a store with one page, readers, and what each event made it do. */
#ifndef FILMYFLY_LIFE_PLAY_H
#define FILMYFLY_LIFE_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "life.h"

static struct changes changes;
static struct life *life;
static struct life_limits limits;
static struct life_action action;
static uint64_t now;
static struct request_facts plain, personal, no_cache, only_if_cached;

static const struct hash page = {1, 101}, another = {2, 102};
static struct meta record; /* of `page` */
static bool there;

/* Readers are bytes; what each got is counted by the kind of answer. */
static char reader[2000];
static unsigned asked, own, stored, forgotten, got_reply, got_stored, got_failure, got_error, got_busy, got_timeout;
static struct life_action last, last_ask, last_store, last_got;

static bool find(void *user, struct hash key, struct meta *meta)
{
    (void)user;
    *meta = record;
    return there && hash_eq(key, page);
}

static void drain(void)
{
    asked = own = stored = forgotten = got_reply = got_stored = got_failure = got_error = got_busy = got_timeout = 0;
    while (life_next(life, &action)) {
        last = action;
        unsigned *const counts[] = {&asked,     &own,         &stored,    &forgotten, &got_stored,
                                    &got_reply, &got_failure, &got_error, &got_busy,  &got_timeout};
        (*counts[action.type])++;
        if (action.type == LIFE_ASK || action.type == LIFE_ASK_OWN)
            last_ask = action;
        else if (action.type == LIFE_STORE)
            last_store = action;
        else if (action.type >= LIFE_GIVE_STORED)
            last_got = action;
    }
}

static int set_up(void **state)
{
    (void)state;
    now = 10000000;
    changes = (struct changes){0};
    limits = LIFE_LIMITS;
    limits.fetches = 8;
    limits.waiters = 1100;
    limits.crowd = 1000;
    there = false;
    /* Fresh for 100 s, then 100 s more while it is refreshed. */
    record = (struct meta){.status = 200, .born = (int64_t)now, .arrived = now, .lifetime = 100, .swr = 100};
    facts_begin(&plain, STR("GET"));
    personal = no_cache = only_if_cached = plain;
    facts_add(&personal, STR("authorization"), STR("x"));
    facts_add(&no_cache, STR("cache-control"), STR("no-cache"));
    facts_add(&only_if_cached, STR("cache-control"), STR("only-if-cached"));
    life = life_new(&limits, &(struct life_store){find, NULL}, &changes);
    return life == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    life_free(&life);
    return life != NULL;
}

static void visit_as(const struct request_facts *facts, struct hash key, unsigned who, uint64_t ms)
{
    life_request(life, now,
                 &(struct life_request){.key = key, .facts = facts, .deadline = now + ms, .user = &reader[who]});
    drain();
}

static void visit(unsigned who)
{
    visit_as(&plain, page, who, 5000);
}

static void answer(enum reply_kind kind)
{
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = kind}));
    drain();
}

static void tick(uint64_t ms)
{
    now += ms;
    life_tick(life, now);
    drain();
}

#endif
