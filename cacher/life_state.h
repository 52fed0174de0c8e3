/* What life.c, life_fetch.c and life_memory.c share: the memory of a life. Nobody else includes it. */
#ifndef FILMYFLY_LIFE_STATE_H
#define FILMYFLY_LIFE_STATE_H

#include "life.h"

#define NOBODY UINT32_MAX
#define PLACES 4096 /* keys remembered as held down, and as uncacheable: by hash, a newer takes an older's place */

/* A reader who waits. */
struct waiter {
    void *user;
    uint64_t deadline;
    uint64_t seq; /* the change sequence when it came */
    uint32_t next;
    bool rescue; /* may be given the stored page when all fails: it is nobody's own request */
    bool asker;  /* the fetch is made of its request */
    enum cache_word word;
    enum verdict_reason why;
};

/* A request with the renderers. Those that are canonical are the key's lease and linked into its bucket. */
struct fetch {
    bool open, canonical, refresh, ahead, validate;
    struct hash key;
    uint64_t id, seq, asked, deadline;
    uint64_t validated;      /* arrival of the record whose validators were sent */
    uint32_t turns;          /* times it was rendered again because of changes, without a reader */
    uint32_t first, last, n; /* waiters */
    uint32_t next;           /* in the bucket, or in the list of free ones */
};

struct hold {
    struct hash key;
    uint64_t until, floor; /* floor: before it not even a success of others helps */
    uint64_t generation;   /* of the upstream's failures */
    uint32_t failures;
    bool upstream, answered;
};

struct singly {
    struct hash key;
    uint64_t until;
};

struct wish {
    struct hash key;
    uint64_t heat;
};

struct life {
    struct life_limits limits;
    struct life_store store;
    struct changes *changes;
    struct fetch *fetches;
    struct waiter *waiters;
    struct wish *wishes;
    uint32_t *buckets, buckets_n;
    struct life_action *actions; /* a ring */
    uint32_t actions_size, action_first, actions_n;
    uint32_t free_fetch, free_waiter, fetching, waiting, refreshing, ahead, wishes_n;
    uint64_t lives; /* ids given so far */
    uint64_t due;   /* nothing ends before this */
    struct hold holds[PLACES];
    struct singly singly[PLACES];
    uint64_t generation;
    bool upstream_failed; /* since the generation began */
};

/* Appends an action, to be filled in. */
struct life_action *life_act(struct life *life, enum life_action_type type, struct hash key);
struct life_action *life_give(struct life *life, enum life_action_type type, struct hash key, void *user,
                              enum cache_word word, enum verdict_reason why);

/* Readers: a copy in a place of the pool, or NOBODY when there is none left. */
uint32_t waiter_new(struct life *life, const struct waiter *from);
void waiter_free(struct life *life, uint32_t at);

/* Fetches: NULL when there is no room. A canonical one is the key's lease at once. */
struct fetch *fetch_new(struct life *life, struct hash key, bool canonical);
struct fetch *fetch_lease(struct life *life, struct hash key);
/* Its readers must have been taken off. */
void fetch_end(struct life *life, struct fetch *fetch);
void fetch_join(struct life *life, struct fetch *fetch, uint32_t waiter);
/* Takes the readers off; they are a list by `next`, from the returned one on. */
uint32_t fetch_take_waiters(struct fetch *fetch);
/* Whether it counts as a refresh that nobody waits for, and as one ahead. */
void fetch_set_refresh(struct life *life, struct fetch *fetch, bool refresh, bool ahead);

/* Hold-downs. */
void memory_failed(struct life *life, uint64_t now, struct hash key, bool upstream, bool answered);
void memory_succeeded(struct life *life, struct hash key);
/* A success of anything: the upstream is there. */
void memory_upstream_succeeded(struct life *life);
/* Is its refresh put off? answered: the last failure was an answer. */
bool memory_is_held(const struct life *life, uint64_t now, struct hash key, bool *answered);

/* Uncacheable keys. */
void memory_singly(struct life *life, uint64_t now, struct hash key);
void memory_shared(struct life *life, struct hash key);
bool memory_is_singly(const struct life *life, uint64_t now, struct hash key);

/* Wishes: a bounded list; the hottest is taken first, the coldest makes room. */
void memory_wish(struct life *life, struct hash key, uint64_t heat);
bool memory_take_wish(struct life *life, struct hash *key);

#endif
