#include "hop_keys.h"

#include <stddef.h>

static struct hop_key *find(struct hop_keys *keys, uint64_t key)
{
    for (unsigned i = 0; i < keys->n; i++)
        if (keys->item[i].key == key)
            return &keys->item[i];
    return NULL;
}

static struct hop_key *least(struct hop_keys *keys)
{
    struct hop_key *least = &keys->item[0];
    for (unsigned i = 1; i < keys->n; i++) {
        struct hop_key *k = &keys->item[i];
        if (k->deaths < least->deaths || (k->deaths == least->deaths && k->at < least->at))
            least = k;
    }
    return least;
}

unsigned hop_keys_deaths(const struct hop_keys *keys, uint64_t key)
{
    const struct hop_key *k = find((struct hop_keys *)keys, key);
    return k ? k->deaths : 0;
}

unsigned hop_keys_count(struct hop_keys *keys, uint64_t now, uint64_t key, uint64_t event)
{
    struct hop_key *k = find(keys, key);
    if (!k) {
        k = keys->n < HOP_KEYS ? &keys->item[keys->n++] : least(keys);
        *k = (struct hop_key){.key = key};
    }
    if (k->deaths == 0 || k->event != event) {
        k->deaths++;
        k->event = event;
        k->at = now;
    }
    return k->deaths;
}

bool hop_keys_clear(struct hop_keys *keys, uint64_t key)
{
    struct hop_key *k = find(keys, key);
    if (!k || k->deaths >= POISON_DEATHS)
        return false;
    bool suspected = k->deaths >= SUSPECT_DEATHS;
    *k = keys->item[--keys->n];
    return suspected;
}

bool hop_keys_expire(struct hop_keys *keys, uint64_t now, uint64_t after, uint64_t *key)
{
    for (unsigned i = 0; i < keys->n; i++) {
        if (now - keys->item[i].at < after)
            continue;
        *key = keys->item[i].key;
        keys->item[i] = keys->item[--keys->n];
        return true;
    }
    return false;
}
