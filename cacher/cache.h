/*
 * The cache at work: takes requests, follows what the life of each key says (life.h), asks renderers, stores, answers.
 * The judgements are elsewhere and pure; this is where they meet the sockets, the clock and the store.
 */
#ifndef FILMYFLY_CACHE_H
#define FILMYFLY_CACHE_H

#include "serve.h"
#include "settings.h"
#include "store.h"
#include "upstream.h"

struct cache;

struct cache_options {
    const struct settings *settings;
    struct serve *serve;
    struct upstream *renderers;
    struct store *store; /* NULL: nothing is stored, but requests for one page still wait for one answer */
};

/* All of the options must outlive it. NULL with one sentence in error. */
struct cache *cache_new(const struct cache_options *options, char *error, size_t error_size);
void cache_free(struct cache **cache);

/* A REQUEST arrived (serve.h). */
void cache_request(struct cache *cache, struct ticket *ticket, const struct message *request, zmq_msg_t *body);

/* Every 20 ms. */
void cache_tick(struct cache *cache);

/* At the end of each turn of the loop: what was stored is committed, so that gateways see it. */
void cache_turn_ends(struct cache *cache);

/* What the tag stands for has changed: its pages are stale, or with `hard` gone. */
void cache_tag_changed(struct cache *cache, struct str tag, bool hard);
/* Anything may have changed. */
void cache_everything_changed(struct cache *cache, bool hard);

bool cache_has_store(const struct cache *cache);
/* Nothing is stored, and no answer is on its way. */
bool cache_is_empty(const struct cache *cache);
/* With a store only. False: nobody knows which pages it has; it may be opened again with all of them. */
bool cache_is_readable(const struct cache *cache);

/* A small record of another's, in the same transaction as the changes that were told of before it (the cursor of the
 * change log). The text is good until the end of the turn; STR_NONE when there is none, or no store. */
struct str cache_recall(struct cache *cache, const char *name);
bool cache_remember(struct cache *cache, const char *name, struct str value);

#endif
