#include "quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "upstream.h"

#define SETS          2048
#define WAYS          8
#define MUTEXES       64 /* each over every 64th set */
#define MISS_BURST    10 /* seconds' worth of requests that may come at once */
#define CONNECT_BURST 4

/*
 * A rate is kept as one number, the time when all that was taken would have been earned at that rate: what is further
 * in the future than the burst allows is refused.
 */
struct entry {
    struct address client; /* not known: free */
    uint32_t connections, asking;
    uint64_t connects, misses; /* when they would be earned, ns */
};

struct quota {
    const struct settings *settings;
    pthread_mutex_t mutex[MUTEXES];
    struct entry entry[SETS][WAYS];
};

struct quota *quota_new(const struct settings *settings)
{
    struct quota *quota = calloc(1, sizeof(*quota));
    if (!quota) {
        abort();
    }
    quota->settings = settings;
    for (int i = 0; i < MUTEXES; i++) {
        pthread_mutex_init(&quota->mutex[i], NULL);
    }
    return quota;
}

static size_t set_of(const struct address *client)
{
    return upstream_key(0, (struct str){(const char *)client->byte, sizeof(client->byte)}) % SETS;
}

static bool is_limited(const struct quota *quota, const struct address *client)
{
    return address_is_known(client) && (quota->settings->limit_loopback || !address_is_loopback(client));
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_idle(const struct entry *entry)
{
    return entry->connections == 0 && entry->asking == 0;
}

/* The client's entry, or NULL. */
static struct entry *find(struct entry *set, const struct address *client)
{
    for (int i = 0; i < WAYS; i++) {
        if (address_same(&set[i].client, client)) {
            return &set[i];
        }
    }
    return NULL;
}

/* The client's entry, new where he has none: in the place of who has nothing open and owes least. NULL: no room. */
static struct entry *find_or_make(struct entry *set, const struct address *client)
{
    struct entry *entry = find(set, client), *place = NULL;
    if (entry) {
        return entry;
    }
    for (int i = 0; i < WAYS; i++) {
        if (is_idle(&set[i]) &&
            (!place || later(set[i].connects, set[i].misses) < later(place->connects, place->misses))) {
            place = &set[i];
        }
    }
    if (place) {
        *place = (struct entry){.client = *client};
    }
    return place;
}

/* Takes one from a rate. 0, or ns until one can be taken. */
static uint64_t take(uint64_t *earned, uint64_t now, uint64_t rate, uint64_t burst_seconds)
{
    uint64_t price = SECOND / rate, latest = now + burst_seconds * SECOND;
    uint64_t then = later(*earned, now) + price;
    if (then > latest) {
        return then - latest;
    }
    *earned = then;
    return 0;
}

static enum quota_grant connect_locked(const struct settings *settings, struct entry *entry, uint64_t now)
{
    if (!entry) {
        return QUOTA_EXEMPT;
    }
    if ((settings->client_connections && entry->connections >= settings->client_connections) ||
        (settings->client_connects && take(&entry->connects, now, settings->client_connects, CONNECT_BURST))) {
        return QUOTA_REFUSED;
    }
    entry->connections++;
    return QUOTA_COUNTED;
}

static enum quota_grant ask_locked(const struct settings *settings, struct entry *entry, uint64_t now,
                                   unsigned *retry_after)
{
    if (!entry) {
        return QUOTA_EXEMPT;
    }
    *retry_after = 1;
    if (settings->client_asking && entry->asking >= settings->client_asking) {
        return QUOTA_REFUSED;
    }
    uint64_t wait = settings->client_misses ? take(&entry->misses, now, settings->client_misses, MISS_BURST) : 0;
    if (wait) {
        *retry_after = (unsigned)(wait / SECOND + 1);
        return QUOTA_REFUSED;
    }
    entry->asking++;
    return QUOTA_COUNTED;
}

enum quota_grant quota_connect(struct quota *quota, const struct address *client, uint64_t now)
{
    if (!is_limited(quota, client)) {
        return QUOTA_EXEMPT;
    }
    size_t set = set_of(client);
    pthread_mutex_lock(&quota->mutex[set % MUTEXES]);
    enum quota_grant grant = connect_locked(quota->settings, find_or_make(quota->entry[set], client), now);
    pthread_mutex_unlock(&quota->mutex[set % MUTEXES]);
    return grant;
}

enum quota_grant quota_ask(struct quota *quota, const struct address *client, uint64_t now, unsigned *retry_after)
{
    if (!is_limited(quota, client)) {
        return QUOTA_EXEMPT;
    }
    size_t set = set_of(client);
    pthread_mutex_lock(&quota->mutex[set % MUTEXES]);
    enum quota_grant grant = ask_locked(quota->settings, find_or_make(quota->entry[set], client), now, retry_after);
    pthread_mutex_unlock(&quota->mutex[set % MUTEXES]);
    return grant;
}

/* What is counted keeps its entry in place, so it is found. */
static void give_back(struct quota *quota, const struct address *client, size_t offset)
{
    size_t set = set_of(client);
    pthread_mutex_lock(&quota->mutex[set % MUTEXES]);
    struct entry *entry = find(quota->entry[set], client);
    if (entry) {
        uint32_t *n = (uint32_t *)(void *)((char *)entry + offset);
        *n -= *n > 0;
    }
    pthread_mutex_unlock(&quota->mutex[set % MUTEXES]);
}

void quota_disconnect(struct quota *quota, const struct address *client, enum quota_grant grant)
{
    if (grant == QUOTA_COUNTED) {
        give_back(quota, client, offsetof(struct entry, connections));
    }
}

void quota_answered(struct quota *quota, const struct address *client, enum quota_grant grant)
{
    if (grant == QUOTA_COUNTED) {
        give_back(quota, client, offsetof(struct entry, asking));
    }
}
