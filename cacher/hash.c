#include "hash.h"

#include <endian.h>

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void mix(uint64_t v[4], unsigned rounds)
{
    while (rounds--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* Up to eight bytes, the first the lowest, whatever the machine. */
static uint64_t word_of(const unsigned char *p, size_t n)
{
    uint64_t word = 0;
    if (n > 0) /* p may be NULL then */
        memcpy(&word, p, n);
    return le64toh(word);
}

struct hash hash_bytes(const struct hash *seed, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t v[4] = {seed->a ^ 0x736f6d6570736575ull, seed->b ^ 0x646f72616e646f6dull ^ 0xee,
                     seed->a ^ 0x6c7967656e657261ull, seed->b ^ 0x7465646279746573ull};
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word = word_of(p, 8);
        v[3] ^= word;
        mix(v, 2);
        v[0] ^= word;
    }
    last |= word_of(p, n);
    v[3] ^= last;
    mix(v, 2);
    v[0] ^= last;
    v[2] ^= 0xee;
    mix(v, 4);
    struct hash hash = {v[0] ^ v[1] ^ v[2] ^ v[3], 0};
    v[1] ^= 0xdd;
    mix(v, 4);
    hash.b = v[0] ^ v[1] ^ v[2] ^ v[3];
    return hash;
}
