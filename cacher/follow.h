/*
 * Follows the log of changes: asks any dbproxy, in the registry's folder `changes`, what changed since the cursor, one
 * question at a time that waits there until something does; tells the cache what changed; and keeps the new cursor with
 * it, in one transaction of the store. So the cursor belongs to the store, and nothing is lost whoever was away.
 *
 * Without a cursor it starts from now on, and what is there already counts as changed. Without a store the cursor is
 * kept in memory.
 */
#ifndef FILMYFLY_FOLLOW_H
#define FILMYFLY_FOLLOW_H

#include "cache.h"

struct follow;

/* Both outlive it. NULL with one sentence in error. */
struct follow *follow_new(const struct settings *settings, struct cache *cache, char *error, size_t error_size);
void follow_free(struct follow **follow);

/* For the loop; what changed is told in its turn. */
struct upstream *follow_upstream(struct follow *follow);
/* Every 20 ms. */
void follow_tick(struct follow *follow);

#endif
