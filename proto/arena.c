#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Large enough for nearly every request, so that it is malloc'ed once in a process's life; its pages cost memory only
 * once touched. */
#define FIRST_CHUNK (256 * 1024)
#define ALIGN       _Alignof(max_align_t)

struct chunk {
    struct chunk *next;
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct chunk *first, *last;
    size_t limit;
    size_t used;
};

static struct chunk *chunk_new(size_t size)
{
    struct chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk)
        *chunk = (struct chunk){.size = size};
    return chunk;
}

struct arena *arena_new(size_t limit)
{
    struct arena *arena = calloc(1, sizeof *arena);
    struct chunk *first = chunk_new(limit < FIRST_CHUNK ? limit : FIRST_CHUNK);
    if (!arena || !first)
        abort();
    arena->first = arena->last = first;
    arena->limit = limit;
    return arena;
}

void arena_reset(struct arena *arena)
{
    for (struct chunk *chunk = arena->first->next; chunk;) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->last = arena->first;
    arena->used = 0;
}

void arena_free(struct arena **arena)
{
    if (!*arena)
        return;
    arena_reset(*arena);
    free((*arena)->first);
    free(*arena);
    *arena = NULL;
}

/* The only way in which bytes leave the arena. align is a power of two. */
static char *take(struct arena *arena, size_t size, size_t align)
{
    struct chunk *chunk = arena->last;
    size_t at = (chunk->used + align - 1) & ~(align - 1);
    if (at > chunk->size || size > chunk->size - at) {
        if (size > arena->limit - arena->used)
            return NULL;
        size_t room = chunk->size * 2;
        chunk = chunk_new(room > size ? room : size);
        if (!chunk)
            return NULL;
        arena->last->next = chunk;
        arena->last = chunk;
        at = 0;
    }
    size_t cost = at + size - chunk->used;
    if (cost > arena->limit - arena->used)
        return NULL;
    chunk->used += cost;
    arena->used += cost;
    return chunk->bytes + at;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    char *p = take(arena, size > 0 ? size : 1, ALIGN);
    return p ? memset(p, 0, size) : NULL;
}

struct str arena_copy(struct arena *arena, struct str s)
{
    if (!s.p)
        return STR_NONE;
    char *p = take(arena, s.n > 0 ? s.n : 1, 1);
    if (!p)
        return STR_NONE;
    memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : take(arena, (size_t)n + 1, 1);
    if (!p)
        return STR_NONE;
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return (struct str){p, (uint32_t)n};
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
