/*
 * What the files of the cache at work share, and nobody else includes: cache.c (requests, the life's actions),
 * cache_reply.c (replies: judged, stored, given), cache_purge.c (changes and purges), cache_squeeze.c
 * (better codings), cache_control.c (requests to the
 * cacher itself).
 */
#ifndef FILMYFLY_CACHE_INSIDE_H
#define FILMYFLY_CACHE_INSIDE_H

#include <sys/queue.h>

#include "cache.h"
#include "cache_state.h"
#include "counters.h"
#include "http_store.h"
#include "http_vary.h"
#include "key.h"
#include "life.h"
#include "log.h"
#include "squeeze.h"

#define META_SCRATCH 65535
#define PURGES       "purges" /* the state of the store that has the purges by prefix which are not done */
#define LISTS        256      /* pages with broad tags that are remembered, to be rendered ahead */

/* Somebody who waits for an answer. */
struct visitor {
    LIST_ENTRY(visitor) link;
    STAILQ_ENTRY(visitor) again; /* in cache->again */
    struct ticket *ticket;
    struct buffer request; /* packed */
    zmq_msg_t body;
    struct hash key; /* of its page, or of the variant that it wants */
    bool has_key;    /* the address is one that has a key */
};

/* A request with the renderers. */
struct fetch {
    LIST_ENTRY(fetch) link;
    STAILQ_ENTRY(fetch) broken; /* in cache->broken */
    struct cache *cache;
    uint64_t id;           /* the life's */
    struct hash base, key; /* of the page; of the variant that was asked for, if it is known to vary */
    struct buffer asked;   /* the request as it was sent, packed */
    uint64_t asked_at;     /* ms of the cache's clock */
    bool own;              /* one visitor's request as it is */
    bool validate;
    bool wanted; /* a reader waits for it; otherwise it is a refresh */
};

/* The reply that the actions of this event are about. */
struct reply {
    const struct fetch *fetch;
    const struct message *answer; /* RESPONSE, FAILED or BUSY */
    zmq_msg_t *body;
    const struct message *response; /* the answer, or the record as a 304 leaves it; NULL without one */
    struct judgement judgement;
    struct meta meta;
    enum store_encoding encoding;
    struct vary vary;
    enum vary_kind varies;
    uint64_t row_tags[STORE_ROW_TAGS];
    uint32_t row_tags_n, broad;
    bool stored;
};

struct purge {
    STAILQ_ENTRY(purge) link;
    struct buffer prefix;
    bool hard;
    uint64_t seq, at;
    struct hash after;
    bool begun;
};

struct cache {
    struct cache_options options;
    struct life *life;
    struct changes changes;
    struct hash seed;
    bool state_changed;  /* the seed, the epochs or the purges are not what the store has */
    uint64_t unrecorded; /* since when the store does not know of a change, ms; 0: it knows of all */
    /* Pages with broad tags that were stored or read lately, a newer in the oldest's place: no index leads from a broad
     * tag to its pages. And the slots that changed since these were last looked through; UINT32_MAX: everything. */
    struct hash lists[LISTS];
    uint32_t next_list, lists_changed;
    /* Of this turn: something was taken out of use (marked, removed), perhaps for good; a write failed, and what had
     * been taken out of use before it was put back. */
    bool withdrew, withdrew_hard, lost, lost_hard;

    LIST_HEAD(visitors, visitor) visitors;
    LIST_HEAD(fetches, fetch) fetches;
    STAILQ_HEAD(visitors_again, visitor) again; /* the reply did not fit them: asked for singly after this event */
    STAILQ_HEAD(fetches_broken, fetch) broken;  /* could not be sent: failed after this event */
    STAILQ_HEAD(purges, purge) purges;          /* prefixes whose pages are still being marked */
    struct reply *reply;                        /* of the event at hand, or NULL */

    /* Scratch: large, so kept here rather than on the stack. */
    struct message request, ask, asked, merged, answer;
    struct key key;
    struct buffer meta_bytes, headers, vary_pairs, record;

    struct squeeze *squeeze; /* NULL: bodies stay as they came */

    uint64_t looked_after;
    struct counter *hits, *misses, *passes, *collapsed, *refreshes, *stored, *failed, *marked, *squeezed;
    struct counter *entries, *bytes;
    struct log_limit failed_limit, lost_limit, purges_limit;
};

/* The row tag that all variants of a page carry, however many there are. */
static inline uint64_t page_tag(struct hash page)
{
    return page.a;
}

/* cache.c */

uint32_t cache_hour(void);
/* A change was told: the store must know of it. */
void cache_changed(struct cache *cache);
/* To be told of every write to the store whether it was done; returns that. */
bool cache_wrote(struct cache *cache, bool done);
/* The record of a key; its texts are good until the store is written to. */
bool cache_find(struct cache *cache, const struct hash *key, struct meta *meta, struct store_view *view);
/* The key under which this request's page lies: the base, or its variant's when the base has a marker. */
struct hash cache_key_of(struct cache *cache, struct hash base, const struct headers *headers);
/* The message is filled for the visitor and given; the visitor is freed. body may be NULL; it is copied, not taken. */
void cache_give(struct cache *cache, struct visitor *visitor, struct message *answer, zmq_msg_t *body);

/* cache_reply.c */

void cache_on_answer(void *user, const struct message *answer, zmq_msg_t *body);
void cache_store_reply(struct cache *cache, const struct life_action *action);
void cache_give_stored(struct cache *cache, struct visitor *visitor, const struct life_action *action);
void cache_give_reply(struct cache *cache, struct visitor *visitor, const struct life_action *action);
void cache_give_failure(struct cache *cache, struct visitor *visitor);

/* cache.c: does what the life wants after an event. */
void cache_act(struct cache *cache);
void fetch_free(struct fetch **fetch);

/* cache_purge.c */

void cache_purge_key(struct cache *cache, struct hash key, bool hard);
bool cache_purge_prefix(struct cache *cache, struct str prefix, bool hard);
/* A page with these broad slots was stored or read. */
void cache_note_list(struct cache *cache, struct hash key, uint32_t broad);
/* Renders ahead what changed in this turn and was read lately. */
void cache_render_ahead(struct cache *cache);
/* Goes on marking; every tick. */
void cache_purge_on(struct cache *cache);
/* What is not done yet, to go on with after a crash. Writing: false when there is no room. */
bool cache_purges_write(const struct cache *cache, struct buffer *out);
void cache_purges_read(struct cache *cache, struct str record);
void cache_purges_free(struct cache *cache);

/* cache_squeeze.c: a page that was read again is compressed better, in time. */

void cache_squeeze_offer(struct cache *cache, const struct hash *key);
void cache_squeeze_take(struct cache *cache);

/* cache_control.c: a request to the cacher itself. */
void cache_control(struct cache *cache, struct ticket *ticket, const struct message *request, zmq_msg_t *body);

#endif
