/*
 * Memory that lives exactly as long as one request: allocations are bumped off a chunk and all freed at once.
 * The chunk is kept for the next request, so that a busy process takes no page faults.
 */
#ifndef FILMYFLY_ARENA_H
#define FILMYFLY_ARENA_H

#include <stddef.h>

#include "str.h"

struct arena;

/* limit: bytes that one request may take in all; an allocation beyond it returns NULL. Aborts only when malloc of the
 * arena itself fails. */
struct arena *arena_new(size_t limit);
void arena_free(struct arena **arena);

/* Forgets every allocation; keeps the first chunk. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type; NULL when the limit is reached or memory is out. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of the bytes; p is NULL when it does not fit (and when s is STR_NONE). */
struct str arena_copy(struct arena *arena, struct str s);

/* printf into the arena; p is NULL when it does not fit. The text is also NUL-terminated. */
struct str arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes taken since the last reset. */
size_t arena_used(const struct arena *arena);

#endif
