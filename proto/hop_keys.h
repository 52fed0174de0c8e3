/*
 * Which keys were in flight at deaths: the memory of the query of death. A key gathers one death for each death of a
 * peer that it was in flight at, whatever number of requests carried it there; a reply clears it. From POISON_DEATHS on
 * it is refused until its time is over.
 *
 * The table is small and never grows. When it is full, the key with the fewest deaths goes first, then the oldest: the
 * innocents that a death took along are many and have one death each, the culprit collects them.
 */
#ifndef FILMYFLY_HOP_KEYS_H
#define FILMYFLY_HOP_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define HOP_KEYS       256
#define SUSPECT_DEATHS 2 /* from here on a key is tried alone */
#define POISON_DEATHS  3 /* from here on it is refused */

struct hop_key {
    uint64_t key;
    uint64_t at;    /* its last death */
    uint64_t event; /* which death that was: several requests of one key die together only once */
    unsigned deaths;
};

struct hop_keys {
    unsigned n;
    struct hop_key item[HOP_KEYS];
};

/* How many deaths the key has; 0 when it is not known. */
unsigned hop_keys_deaths(const struct hop_keys *keys, uint64_t key);

/* The key was in flight at death number `event`. Returns its deaths. */
unsigned hop_keys_count(struct hop_keys *keys, uint64_t now, uint64_t key, uint64_t event);

/* The key got its reply: it is forgotten unless it is refused already. True when it was suspected. */
bool hop_keys_clear(struct hop_keys *keys, uint64_t key);

/* Forgets one key whose last death is `after` ns ago, and names it; false when there is none. */
bool hop_keys_expire(struct hop_keys *keys, uint64_t now, uint64_t after, uint64_t *key);

#endif
