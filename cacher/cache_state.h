/*
 * The one record of the store that every look at a page needs beside the page's own: the secret seed of its keys and
 * the epochs. Written by the cacher, read by all.
 */
#ifndef FILMYFLY_CACHE_STATE_H
#define FILMYFLY_CACHE_STATE_H

#include <time.h>

#include "changes.h"

#define CACHE_STATE "cache"

struct cache_state {
    struct hash seed;
    struct epochs epochs;
};

static inline void cache_state_write(const struct cache_state *state, struct buffer *out)
{
    buffer_append(out, &state->seed, sizeof(state->seed));
    epochs_write(&state->epochs, out);
}

/* Brings a copy up to date; what is the same already is not copied again. False when the record is none. */
static inline bool cache_state_read(struct cache_state *state, struct str record)
{
    struct hash seed;
    if (record.n < sizeof(seed))
        return false;
    memcpy(&seed, record.p, sizeof(seed));
    const char *epochs = record.p + sizeof(seed);
    size_t n = record.n - sizeof(seed);
    if (hash_eq(seed, state->seed) && epochs_peek(epochs, n) == state->epochs.seq)
        return true;
    state->seed = seed;
    return epochs_read(&state->epochs, epochs, n);
}

/* The cache's clock: milliseconds that never go back, the same for all processes until the machine stops. */
static inline uint64_t cache_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
