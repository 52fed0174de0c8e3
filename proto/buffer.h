/*
 * A growable run of bytes that one owner fills from front to back. Start from `(struct buffer){.limit = N}`; nothing is
 * allocated before the first append. It never aborts and never tells each append's fate: the owner looks at `failed`
 * once, at the end.
 */
#ifndef FILMYFLY_BUFFER_H
#define FILMYFLY_BUFFER_H

#include <stddef.h>

#include "str.h"

struct buffer {
    char *p;      /* n bytes, not NUL-terminated; NULL until the first append */
    size_t n;     /* bytes held */
    size_t size;  /* bytes there is room for */
    size_t limit; /* bytes it may ever hold; set by the owner */
    bool failed;  /* an append went over the limit, or memory was out: it and all later ones were dropped whole */
};

/* Makes room for n more bytes; on false `failed` is set. What is written at p + n counts once the caller adds it to n.
 */
bool buffer_reserve(struct buffer *buffer, size_t n);

/* printf at the end. */
void buffer_append_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A number in decimal; a double in the fewest digits that read back as the same double ("1.21", "3", "1e+300"). */
void buffer_append_int(struct buffer *buffer, int64_t i);
void buffer_append_double(struct buffer *buffer, double d);

/* Empties it and forgets a failure; keeps the memory. */
void buffer_reset(struct buffer *buffer);

/* Gives the memory back; the buffer is as new, with the same limit. */
void buffer_release(struct buffer *buffer);

static inline void buffer_append(struct buffer *buffer, const void *p, size_t n)
{
    if (n == 0 || buffer->failed)
        return;
    if (n > buffer->size - buffer->n && !buffer_reserve(buffer, n))
        return;
    memcpy(buffer->p + buffer->n, p, n);
    buffer->n += n;
}

static inline void buffer_append_str(struct buffer *buffer, struct str s)
{
    buffer_append(buffer, s.p, s.n);
}

static inline void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

/* What it holds; only for buffers limited to less than 4 GB. */
static inline struct str buffer_str(const struct buffer *buffer)
{
    return (struct str){buffer->p ? buffer->p : "", (uint32_t)buffer->n};
}

#endif
