/*
 * The life of a key, pure: it is told what happened and when, and says what to do. docs/life-of-a-key.md has the table.
 * It reads no clock, owns no socket and no store. The owner feeds one event and then takes actions with life_next until
 * there is none, before the next event.
 *
 * All its memory is taken at the start and bounded by the limits. Times are milliseconds of the cache's clock
 * (CLOCK_BOOTTIME), deadlines too.
 *
 * Keys are hashes under a secret seed: equal hashes are taken for equal keys. A page that varies is its variant's key.
 */
#ifndef FILMYFLY_LIFE_H
#define FILMYFLY_LIFE_H

#include "verdict.h"

struct life;

struct life_limits {
    uint32_t fetches;    /* requests with the renderers at once, at most 65,535 */
    uint32_t waiters;    /* readers that wait, all together */
    uint32_t crowd;      /* readers that wait for one key */
    uint32_t refreshes;  /* of the fetches, those that nobody waits for */
    uint32_t ahead;      /* of those, the ones that were only wished for */
    uint32_t quiet;      /* readers that wait, up to which pages are rendered ahead */
    uint32_t wishes;     /* pages on the list to be rendered ahead */
    uint32_t refresh_ms; /* how long a refresh may take that nobody waits for */
    uint32_t singly_ms;  /* how long a key is remembered as uncacheable */
    uint32_t hold_ms;    /* the first hold-down; doubled by each further failure */
    uint32_t hold_most_ms;
};

#define LIFE_LIMITS ((struct life_limits){4096, 16384, 4096, 64, 4, 8, 1024, 5000, 120000, 1000, 60000})

/*
 * The record of a key as the store has it now, or false. It is asked within events only, so between an event and its
 * actions the store must not change by other means.
 */
struct life_store {
    bool (*find)(void *user, struct hash key, struct meta *meta);
    void *user;
};

enum life_action_type {
    LIFE_ASK,          /* send the canonical GET for `key`: of the request of `user`, or a refresh when that is NULL.
                          `validate`: with the record's validators; `deadline` */
    LIFE_ASK_OWN,      /* send the request of `user` as it is; `deadline` */
    LIFE_STORE,        /* store the reply; when `not_modified`, merge it into the record. `dispatched`, `stale_seq` and
                          `stale_at` go into it */
    LIFE_FORGET,       /* drop the record of `key` */
    LIFE_GIVE_STORED,  /* answer `user` with the record */
    LIFE_GIVE_REPLY,   /* answer `user` with the reply of this event */
    LIFE_GIVE_FAILURE, /* answer `user` with the failure of this event; without one its time is over */
    LIFE_GIVE_ERROR,   /* 503: the origin's error is for another alone */
    LIFE_GIVE_BUSY,    /* there is no room to wait */
    LIFE_GIVE_TIMEOUT, /* 504 for only-if-cached */
};

struct life_action {
    enum life_action_type type;
    struct hash key;
    uint64_t fetch; /* ASK, ASK_OWN: the id to come back with the reply */
    void *user;
    uint64_t deadline;
    uint64_t dispatched, stale_seq, stale_at;
    bool validate, not_modified;
    enum cache_word word; /* GIVE */
    enum verdict_reason why;
    bool collapsed; /* the reply is given to several */
    bool asker;     /* GIVE_REPLY: it was asked for with the request of `user` */
};

/* NULL when memory is out. changes and what the store's user points at must outlive it. */
struct life *life_new(const struct life_limits *limits, const struct life_store *store, struct changes *changes);
void life_free(struct life **life);

struct life_request {
    struct hash key;
    const struct request_facts *facts; /* needed during the call only */
    uint64_t deadline;
    void *user;  /* what the answer is for; not NULL */
    bool singly; /* ask for it alone: an answer for another did not fit, or it has no key (0, 0) */
};

/* Events. */
void life_request(struct life *life, uint64_t now, const struct life_request *request);
/* A gateway served the page stale and asks for a refresh. */
void life_refresh(struct life *life, uint64_t now, struct hash key);
/* The page changed and was read lately: render it ahead of its next reader. heat: the more, the sooner. It is begun by
 * life_ahead, when all is told that changed together, or else with the next reply or tick. */
void life_wish(struct life *life, struct hash key, uint64_t heat);
void life_ahead(struct life *life, uint64_t now);

enum reply_kind {
    REPLY_SHARE,    /* STORE_SHARE */
    REPLY_KEEP,     /* STORE_KEEP */
    REPLY_ONE,      /* STORE_NOT */
    REPLY_ERROR,    /* STORE_ERROR */
    REPLY_FAILED,   /* no reply: a fault of this page (poison, internal, hangup) */
    REPLY_NOBODY,   /* no reply: nobody was there, or had room */
    REPLY_TOO_LATE, /* no reply within the fetch's time */
};

struct life_reply {
    enum reply_kind kind; /* of a 304 to a validation: that of the merged page */
    bool not_modified;    /* it is a 304 to our validation, and it is about the record */
    bool not_about;       /* it is a 304 that is not, or the page could not be merged: ask again without conditions */
    bool upstream;        /* ERROR: 502, 503, 504 */
    bool for_one;         /* ERROR: only the one who asked may see it; the others get a 503 of our own */
    const uint64_t *row_tags; /* hashes of the reply's row tags; of a 304 those of the record too, and its broad ones */
    uint32_t row_tags_n, broad;
};

/* False when the id is not open (any more): drop the reply. */
bool life_reply(struct life *life, uint64_t now, uint64_t fetch, const struct life_reply *reply);

/* Time passes; call every 20 ms or so. */
void life_tick(struct life *life, uint64_t now);

/* The next thing to do; false when there is nothing. */
bool life_next(struct life *life, struct life_action *action);

/* Figures. */
uint32_t life_fetching(const struct life *life);
uint32_t life_waiting(const struct life *life);
uint32_t life_wishing(const struct life *life);

#endif
