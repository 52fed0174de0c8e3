#include "etag.h"

#include <stdio.h>

/* One step of a multiply-and-fold hash: 64 bits in, all of them mixed. Fast rather than secret: an entity tag guards
 * nothing. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t add_word(uint64_t hash, uint64_t word)
{
    return fold(hash ^ word, 0x9e3779b97f4a7c15ull) + 0xd6e8feb86659fd93ull;
}

struct str etag_of(struct str bytes, char out[ETAG_SIZE])
{
    uint64_t hash = 0x8f1bbcdc68d2f6a5ull ^ bytes.n;
    uint32_t whole = bytes.n & ~7u;
    uint64_t word;
    for (uint32_t i = 0; i < whole; i += sizeof word) {
        memcpy(&word, bytes.p + i, sizeof word);
        hash = add_word(hash, word);
    }
    if (whole < bytes.n) {
        word = 0;
        memcpy(&word, bytes.p + whole, bytes.n - whole);
        hash = add_word(hash, word);
    }
    hash = fold(hash, 0xc2b2ae3d27d4eb4full);
    int n = snprintf(out, ETAG_SIZE, "W/\"%016llx\"", (unsigned long long)hash);
    return (struct str){out, (uint32_t)n};
}

static struct str opaque(struct str tag)
{
    return str_starts(tag, STR("W/")) ? (struct str){tag.p + 2, tag.n - 2} : tag;
}

bool etag_listed(struct str list, struct str etag)
{
    struct str wanted = opaque(etag);
    uint32_t i = 0;
    while (i < list.n) {
        if (list.p[i] == ' ' || list.p[i] == '\t' || list.p[i] == ',') {
            i++;
            continue;
        }
        if (list.p[i] == '*')
            return list.n == i + 1;
        if (list.n - i >= 2 && list.p[i] == 'W' && list.p[i + 1] == '/')
            i += 2;
        const char *end = i < list.n && list.p[i] == '"' ? memchr(list.p + i + 1, '"', list.n - i - 1) : NULL;
        if (!end)
            return false;
        uint32_t n = (uint32_t)(end + 1 - (list.p + i));
        if (str_eq((struct str){list.p + i, n}, wanted))
            return true;
        i += n;
    }
    return false;
}
