#include <assert.h>
#include <stdlib.h>

#include "life_state.h"

struct life *life_new(const struct life_limits *limits, const struct life_store *store, struct changes *changes)
{
    struct life *life = calloc(1, sizeof(*life));
    if (!life)
        return NULL;
    life->limits = *limits;
    life->store = *store;
    life->changes = changes;
    life->buckets_n = limits->fetches * 2 + 1;
    /* One event at most answers every reader, or asks for each, and says a few things of each fetch. */
    life->actions_size = 2 * limits->waiters + 4 * limits->fetches + 16;
    life->fetches = calloc(limits->fetches, sizeof(*life->fetches));
    life->waiters = calloc(limits->waiters, sizeof(*life->waiters));
    life->wishes = calloc(limits->wishes ? limits->wishes : 1, sizeof(*life->wishes));
    life->buckets = calloc(life->buckets_n, sizeof(*life->buckets));
    life->actions = calloc(life->actions_size, sizeof(*life->actions));
    if (!life->fetches || !life->waiters || !life->wishes || !life->buckets || !life->actions) {
        life_free(&life);
        return NULL;
    }
    for (uint32_t i = 0; i < limits->fetches; i++)
        life->fetches[i].next = i + 1 < limits->fetches ? i + 1 : NOBODY;
    for (uint32_t i = 0; i < limits->waiters; i++)
        life->waiters[i].next = i + 1 < limits->waiters ? i + 1 : NOBODY;
    for (uint32_t i = 0; i < life->buckets_n; i++)
        life->buckets[i] = NOBODY;
    life->free_fetch = limits->fetches ? 0 : NOBODY;
    life->free_waiter = limits->waiters ? 0 : NOBODY;
    life->due = UINT64_MAX;
    return life;
}

void life_free(struct life **slot)
{
    struct life *life = *slot;
    if (!life)
        return;
    free(life->fetches);
    free(life->waiters);
    free(life->wishes);
    free(life->buckets);
    free(life->actions);
    free(life);
    *slot = NULL;
}

/* ---- actions ---- */

struct life_action *life_act(struct life *life, enum life_action_type type, struct hash key)
{
    assert(life->actions_n < life->actions_size);
    uint32_t at = (life->action_first + life->actions_n++) % life->actions_size;
    life->actions[at] = (struct life_action){.type = type, .key = key};
    return &life->actions[at];
}

bool life_next(struct life *life, struct life_action *action)
{
    if (life->actions_n == 0)
        return false;
    *action = life->actions[life->action_first];
    life->action_first = (life->action_first + 1) % life->actions_size;
    life->actions_n--;
    return true;
}

struct life_action *life_give(struct life *life, enum life_action_type type, struct hash key, void *user,
                              enum cache_word word, enum verdict_reason why)
{
    struct life_action *action = life_act(life, type, key);
    action->user = user;
    action->word = word;
    action->why = why;
    return action;
}

/* ---- readers ---- */

uint32_t waiter_new(struct life *life, const struct waiter *from)
{
    uint32_t at = life->free_waiter;
    if (at == NOBODY)
        return NOBODY;
    life->free_waiter = life->waiters[at].next;
    life->waiters[at] = *from;
    life->waiting++;
    return at;
}

void waiter_free(struct life *life, uint32_t at)
{
    life->waiters[at].next = life->free_waiter;
    life->free_waiter = at;
    life->waiting--;
}

void fetch_join(struct life *life, struct fetch *fetch, uint32_t at)
{
    life->waiters[at].next = NOBODY;
    if (fetch->n == 0)
        fetch->first = at;
    else
        life->waiters[fetch->last].next = at;
    fetch->last = at;
    fetch->n++;
    if (life->waiters[at].deadline < life->due)
        life->due = life->waiters[at].deadline;
}

/* Takes the readers off the fetch; the caller walks the list by `next`. */
uint32_t fetch_take_waiters(struct fetch *fetch)
{
    uint32_t first = fetch->n ? fetch->first : NOBODY;
    fetch->n = 0;
    return first;
}

/* ---- fetches ---- */

static uint32_t *bucket_of(struct life *life, struct hash key)
{
    return &life->buckets[key.a % life->buckets_n];
}

struct fetch *fetch_lease(struct life *life, struct hash key)
{
    for (uint32_t i = *bucket_of(life, key); i != NOBODY; i = life->fetches[i].next)
        if (hash_eq(life->fetches[i].key, key))
            return &life->fetches[i];
    return NULL;
}

struct fetch *fetch_new(struct life *life, struct hash key, bool canonical)
{
    uint32_t at = life->free_fetch;
    if (at == NOBODY)
        return NULL;
    struct fetch *fetch = &life->fetches[at];
    life->free_fetch = fetch->next;
    *fetch = (struct fetch){.open = true, .canonical = canonical, .key = key, .next = NOBODY};
    if (canonical) {
        fetch->next = *bucket_of(life, key);
        *bucket_of(life, key) = at;
    }
    life->fetching++;
    return fetch;
}

void fetch_set_refresh(struct life *life, struct fetch *fetch, bool refresh, bool ahead)
{
    life->refreshing += (uint32_t)refresh - (uint32_t)fetch->refresh;
    life->ahead += (uint32_t)ahead - (uint32_t)fetch->ahead;
    fetch->refresh = refresh;
    fetch->ahead = ahead;
}

/* It has no readers any more. */
void fetch_end(struct life *life, struct fetch *fetch)
{
    uint32_t at = (uint32_t)(fetch - life->fetches);
    assert(fetch->open && fetch->n == 0);
    if (fetch->canonical) {
        uint32_t *link = bucket_of(life, fetch->key);
        while (*link != at)
            link = &life->fetches[*link].next;
        *link = fetch->next;
    }
    fetch_set_refresh(life, fetch, false, false);
    fetch->open = false;
    fetch->next = life->free_fetch;
    life->free_fetch = at;
    life->fetching--;
}
