#include "life_state.h"

static struct hold *hold_of(const struct life *life, struct hash key)
{
    return (struct hold *)&life->holds[key.a % PLACES];
}

void memory_failed(struct life *life, uint64_t now, struct hash key, bool upstream, bool answered)
{
    struct hold *hold = hold_of(life, key);
    bool lifted = hold->upstream && hold->generation != life->generation;
    if (!hash_eq(hold->key, key) || lifted)
        *hold = (struct hold){.key = key};
    if (hold->failures < 32)
        hold->failures++;
    uint64_t pause = (uint64_t)life->limits.hold_ms << (hold->failures - 1);
    hold->until = now + (pause < life->limits.hold_most_ms ? pause : life->limits.hold_most_ms);
    hold->floor = now + life->limits.hold_ms;
    hold->generation = life->generation;
    hold->upstream = upstream;
    hold->answered = answered;
    life->upstream_failed |= upstream;
}

void memory_succeeded(struct life *life, struct hash key)
{
    struct hold *hold = hold_of(life, key);
    if (hash_eq(hold->key, key))
        *hold = (struct hold){0};
}

void memory_upstream_succeeded(struct life *life)
{
    if (life->upstream_failed)
        life->generation++;
    life->upstream_failed = false;
}

bool memory_is_held(const struct life *life, uint64_t now, struct hash key, bool *answered)
{
    const struct hold *hold = hold_of(life, key);
    if (!hash_eq(hold->key, key) || now >= hold->until)
        return false;
    *answered = hold->answered;
    return now < hold->floor || !hold->upstream || hold->generation == life->generation;
}

void memory_singly(struct life *life, uint64_t now, struct hash key)
{
    life->singly[key.a % PLACES] = (struct singly){key, now + life->limits.singly_ms};
}

void memory_shared(struct life *life, struct hash key)
{
    struct singly *singly = &life->singly[key.a % PLACES];
    if (hash_eq(singly->key, key))
        *singly = (struct singly){{0, 0}, 0};
}

bool memory_is_singly(const struct life *life, uint64_t now, struct hash key)
{
    const struct singly *singly = &life->singly[key.a % PLACES];
    return hash_eq(singly->key, key) && now < singly->until;
}

void memory_wish(struct life *life, struct hash key, uint64_t heat)
{
    uint32_t coldest = 0;
    for (uint32_t i = 0; i < life->wishes_n; i++) {
        if (hash_eq(life->wishes[i].key, key)) {
            life->wishes[i].heat = heat > life->wishes[i].heat ? heat : life->wishes[i].heat;
            return;
        }
        if (life->wishes[i].heat < life->wishes[coldest].heat)
            coldest = i;
    }
    if (life->wishes_n < life->limits.wishes)
        life->wishes[life->wishes_n++] = (struct wish){key, heat};
    else if (life->wishes_n && heat > life->wishes[coldest].heat)
        life->wishes[coldest] = (struct wish){key, heat};
}

bool memory_take_wish(struct life *life, struct hash *key)
{
    uint32_t hottest = 0;
    if (life->wishes_n == 0)
        return false;
    for (uint32_t i = 1; i < life->wishes_n; i++)
        if (life->wishes[i].heat > life->wishes[hottest].heat)
            hottest = i;
    *key = life->wishes[hottest].key;
    life->wishes[hottest] = life->wishes[--life->wishes_n];
    return true;
}
