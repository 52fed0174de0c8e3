#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_SIZE 1024

bool buffer_reserve(struct buffer *buffer, size_t n)
{
    if (buffer->failed || buffer->n > buffer->limit || n > buffer->limit - buffer->n) {
        buffer->failed = true;
        return false;
    }
    size_t need = buffer->n + n;
    if (need <= buffer->size)
        return true;
    size_t size = buffer->size < FIRST_SIZE ? FIRST_SIZE : buffer->size;
    while (size < need)
        size = size > SIZE_MAX / 2 ? need : size * 2;
    if (size > buffer->limit)
        size = buffer->limit;
    char *p = realloc(buffer->p, size);
    if (!p) {
        buffer->failed = true;
        return false;
    }
    buffer->p = p;
    buffer->size = size;
    return true;
}

void buffer_append_printf(struct buffer *buffer, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) {
        buffer->failed = true;
        return;
    }
    if ((size_t)n < sizeof text) {
        buffer_append(buffer, text, (size_t)n);
        return;
    }
    /* vsnprintf ends with a NUL, which needs a byte of room although it is not kept. */
    if (!buffer_reserve(buffer, (size_t)n + 1))
        return;
    va_start(args, format);
    vsnprintf(buffer->p + buffer->n, (size_t)n + 1, format, args);
    va_end(args);
    buffer->n += (size_t)n;
}

void buffer_append_int(struct buffer *buffer, int64_t i)
{
    char digits[20];
    char *p = digits + sizeof digits;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u > 0);
    if (i < 0)
        *--p = '-';
    buffer_append(buffer, p, (size_t)(digits + sizeof digits - p));
}

void buffer_append_double(struct buffer *buffer, double d)
{
    char text[32];
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    buffer_append(buffer, text, (size_t)n);
}

void buffer_reset(struct buffer *buffer)
{
    buffer->n = 0;
    buffer->failed = false;
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->p);
    *buffer = (struct buffer){.limit = buffer->limit};
}
