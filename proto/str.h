/*
 * A run of bytes that somebody else owns: not terminated, may hold NUL. Every text that comes from outside travels as
 * one. p == NULL means "no value" (nil on the wire, NULL in SQL); an empty text has p != NULL and n == 0.
 */
#ifndef FILMYFLY_STR_H
#define FILMYFLY_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *p;
    uint32_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const char *text)
{
    return text ? (struct str){text, (uint32_t)strlen(text)} : STR_NONE;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored, as for HTTP field names (RFC 9110 section 5.1). */
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

#define DECIMAL_BYTES 20

/* A number in decimal, written into `text`. */
static inline struct str str_decimal(char text[DECIMAL_BYTES], uint64_t number)
{
    uint32_t at = DECIMAL_BYTES;
    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return (struct str){text + at, DECIMAL_BYTES - at};
}

#endif
