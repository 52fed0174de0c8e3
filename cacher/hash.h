/*
 * The hash of the cache: SipHash-2-4 with 128 bits of result, under a secret seed that belongs to the store, so that
 * nobody outside can make two names meet. Names of pages and of tags are kept and compared as such hashes.
 */
#ifndef FILMYFLY_HASH_H
#define FILMYFLY_HASH_H

#include <stddef.h>

#include "str.h"

struct hash {
    uint64_t a, b;
};

struct hash hash_bytes(const struct hash *seed, const void *bytes, size_t n);

/* A tag's short form. Two tags that meet make a page stale once too often, never too seldom. */
static inline uint64_t hash_tag(const struct hash *seed, struct str tag)
{
    return hash_bytes(seed, tag.p, tag.n).a;
}

static inline bool hash_eq(struct hash x, struct hash y)
{
    return x.a == y.a && x.b == y.b;
}

#endif
