/*
 * The naive model of life_sim.c: an origin whose rows change, a store that is a plain array, every reader, and the
 * history of every tag; and the rules that each answer is held against. What a page may be is told from when it was
 * really rendered and what really changed since, never from what the cache wrote into its record.
 */
#ifndef FILMYFLY_LIFE_MODEL_H
#define FILMYFLY_LIFE_MODEL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_store.h"
#include "life.h"
#include "once.h"

#define KEYS      48
#define BROAD     3
#define READERS   1024
#define IN_FLIGHT 64
#define FEED      4096
#define BOOT      1000000ull /* ms on the cache's clock when the story begins */

/* ---- chance ---- */

static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = chance_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* 0 … n-1 */
static uint64_t below(uint64_t n)
{
    return chance() % n;
}

static bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* ---- what pages are ---- */

/* What the origin says of a page, and what that means, in milliseconds. */
static const struct policy {
    const char *cache_control, *cdn;
    uint64_t lifetime, swr, sie;
    bool forbids;  /* never stale by age */
    bool validate; /* never without validation */
    bool one;      /* for the one who asked */
} policies[] = {
    {"max-age=0", "max-age=5, stale-while-revalidate=20, stale-if-error=40", 5000, 20000, 40000, false, false, false},
    {"max-age=3, stale-while-revalidate=2", NULL, 3000, 2000, 0, false, false, false},
    {"max-age=4", NULL, 4000, 0, 0, false, false, false},
    {"max-age=2, must-revalidate, stale-if-error=60", NULL, 2000, 0, 60000, true, false, false},
    {"s-maxage=3, max-age=9, stale-while-revalidate=60", NULL, 3000, 60000, 0, true, false, false},
    {"max-age=1000000, stale-if-error=5", NULL, 1000000000, 0, 5000, false, false, false},
    {"no-cache, max-age=100", NULL, 100000, 0, 0, false, true, true},
    {"private, max-age=100", NULL, 0, 0, 0, false, false, true},
    {"max-age=30, stale-while-revalidate=30, stale-if-error=1", NULL, 30000, 30000, 1000, false, false, false},
    {NULL, NULL, 0, 0, 0, false, false, true},
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

/* A tag's history. Tags: one row tag a key, the broad ones, each key's own name (purges), and everything. */
enum { TAG_BROAD = KEYS, TAG_KEY = KEYS + BROAD, TAG_ALL = TAG_KEY + KEYS, TAGS };

static struct history {
    struct change {
        uint64_t commit, applied;
        bool hard;
    } * change;
    size_t n, size;
} histories[TAGS];

/* A page as it was rendered. */
struct page {
    uint64_t commit;   /* the origin's state that it shows */
    uint64_t rendered; /* when, really */
    uint64_t asked;    /* when it was asked for */
    const struct policy *policy;
    bool clock_moved; /* our wall clock was wrong when it came */
};

static struct record {
    bool there, gone;
    struct page page;
    struct meta meta;
    char headers[512];
} records[KEYS];

static struct {
    struct hash hash;
    unsigned broad; /* bits of the broad tags it depends on */
    const struct policy *policy;
    bool faulty; /* the page itself fails now */
    uint64_t failed;
    uint64_t given_up; /* the step in which a request for it was */
    unsigned failures; /* in a row, of the page */
    unsigned streak;   /* of these, since anything succeeded */
    uint64_t singly;   /* when it was last found to be for one only */
} keys[KEYS];

struct reader {
    bool open, personal, no_cache, only_if_cached, alone;
    unsigned key;
    uint64_t came, deadline, serial;
};

static struct flight {
    bool open, canonical, validate, rendered, lost, given_up;
    unsigned key;
    struct reader *asker;
    uint64_t serial; /* the asker's */
    uint64_t id, life, asked, deadline, renders, replies, sequence;
    struct page page;
} flights[IN_FLIGHT];

static struct reader readers[READERS];
static struct life *life;
static struct life_limits limits;
static struct changes changes;
static const struct hash seed_of_hashes = {7, 9};
static uint64_t now = BOOT, step, seed, commits, lives, last_step, wall_offset;
static bool upstream_dead;
static bool error_for_one; /* of the reply at hand */
static unsigned open_readers;
static enum cache_word given; /* with the latest answer */

static struct {
    uint64_t reads, hits, updating, rescued, replies, failures, busy, asked, own, stored, renewed, crashes, changes,
        lost;
} stats;

static void fail(const char *rule, unsigned key)
{
    fprintf(stderr, "life_sim: seed %" PRIu64 ", step %" PRIu64 ", %.3f s: %s", seed, step, (double)(now - BOOT) / 1e3,
            rule);
    if (key < KEYS)
        fprintf(stderr, " (key %u, %s)", key, keys[key].policy->cache_control ? keys[key].policy->cache_control : "");
    fputc('\n', stderr);
    exit(1);
}

static void check(bool holds, const char *rule, unsigned key)
{
    if (!holds)
        fail(rule, key);
}

/* ---- what changed ---- */

static void remember(unsigned tag, uint64_t commit, bool hard)
{
    struct history *h = &histories[tag];
    if (h->n == h->size) {
        h->size = h->size ? h->size * 2 : 64;
        h->change = realloc(h->change, h->size * sizeof(*h->change));
        if (!h->change)
            exit(2);
    }
    h->change[h->n++] = (struct change){commit, now, hard};
}

/* The first change of the tag that the page does not show; NULL if none is known to the cacher. hard: of those only. */
static const struct change *first_after(unsigned tag, uint64_t commit, bool hard)
{
    const struct history *h = &histories[tag];
    size_t low = 0, high = h->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (h->change[middle].commit > commit)
            high = middle;
        else
            low = middle + 1;
    }
    while (hard && low < h->n && !h->change[low].hard)
        low++;
    return low < h->n ? &h->change[low] : NULL;
}

/* When what the page of this key shows first changed, as the cacher was told; UINT64_MAX if it has not. */
static uint64_t changed_at(unsigned key, uint64_t commit, bool hard)
{
    uint64_t at = UINT64_MAX;
    for (unsigned tag = 0; tag < TAGS; tag++) {
        bool of_it = tag == key || tag == TAG_KEY + key || tag == TAG_ALL ||
                     (tag >= TAG_BROAD && tag < TAG_KEY && keys[key].broad >> (tag - TAG_BROAD) & 1);
        const struct change *change = of_it ? first_after(tag, commit, hard) : NULL;
        if (change && change->applied < at)
            at = change->applied;
    }
    return at;
}

static struct feed {
    uint64_t due, commit;
    unsigned tag;
    bool hard;
} feed[FEED];
static unsigned feed_n;

/* ---- the store ---- */

static unsigned key_of(struct hash hash)
{
    return (unsigned)(hash.a - 1);
}

static bool find(void *user, struct hash hash, struct meta *meta)
{
    const struct record *r = hash.a && hash.a <= KEYS ? &records[key_of(hash)] : NULL;
    (void)user;
    if (!r || !r->there)
        return false;
    *meta = r->meta;
    return true;
}

static uint64_t row_tag(unsigned key)
{
    return key + 1;
}

static uint64_t broad_tag(unsigned i)
{
    return 100000 + i;
}

/* A change reaches the cacher: it marks, as the store would in one transaction. */
static void apply(unsigned tag, uint64_t commit, bool hard)
{
    uint64_t sequence;
    stats.changes++;
    remember(tag, commit, hard);
    if (tag == TAG_ALL) {
        if (one_in(2))
            changes_everything(&changes, now, hard);
        else { /* a purge by prefix, which all keys have */
            sequence = changes_prefix(&changes, hard);
            for (unsigned k = 0; k < KEYS; k++) {
                records[k].there &= !hard;
                records[k].meta.stale_at = records[k].meta.stale_seq ? records[k].meta.stale_at : now;
                records[k].meta.stale_seq = records[k].meta.stale_seq ? records[k].meta.stale_seq : sequence;
            }
        }
        return;
    }
    if (tag >= TAG_BROAD && tag < TAG_KEY) {
        changes_broad(&changes, now, broad_tag(tag - TAG_BROAD), hard);
        return;
    }
    unsigned key = tag < TAG_BROAD ? tag : tag - TAG_KEY;
    sequence =
        tag < TAG_BROAD ? changes_row(&changes, row_tag(key), hard) : changes_key(&changes, keys[key].hash, hard);
    struct record *r = &records[key];
    if (hard && one_in(2))
        r->there = false;
    else if (hard)
        r->meta.flags |= META_GONE, r->gone = true;
    if (r->meta.stale_seq == 0) {
        r->meta.stale_seq = sequence;
        r->meta.stale_at = now;
    }
    if (life && !hard && r->there && one_in(2))
        life_wish(life, keys[key].hash, below(100));
}

/* ---- what may be given ---- */

static uint64_t age_of(const struct page *page)
{
    return now - page->rendered;
}

static bool expired(const struct page *page)
{
    return age_of(page) >= page->policy->lifetime;
}

static uint64_t hold_of(unsigned failures)
{
    uint64_t pause = failures > 6 ? limits.hold_most_ms : (uint64_t)limits.hold_ms << (failures ? failures - 1 : 0);
    return pause < limits.hold_most_ms ? pause : limits.hold_most_ms;
}

/* May it be given when the origin failed, by the standard and the design? */
static bool may_rescue(unsigned key, bool answered)
{
    const struct record *r = &records[key];
    if (!r->there || changed_at(key, r->page.commit, true) != UINT64_MAX || r->page.policy->validate)
        return false;
    if (expired(&r->page) && r->page.policy->forbids)
        return false;
    return !answered || !expired(&r->page) || age_of(&r->page) - r->page.policy->lifetime < r->page.policy->sie;
}

/* The age that the cache may take it for at most: Date is in whole seconds, and it counts from when it asked. */
static uint64_t oldest_age(const struct page *page)
{
    return now - page->asked + 1000;
}

/* The same by the oldest age; then it must be given. */
static bool must_rescue(unsigned key, bool answered)
{
    const struct record *r = &records[key];
    uint64_t age = oldest_age(&r->page);
    if (!may_rescue(key, answered) || r->page.clock_moved || r->gone ||
        changes_since(&changes, keys[key].hash, &(uint64_t){key + 1}, 1, r->meta.broad, r->meta.dispatched).hard)
        return false;
    bool old = age >= r->page.policy->lifetime;
    return !(old && r->page.policy->forbids) &&
           (!answered || !old || age - r->page.policy->lifetime < r->page.policy->sie);
}

/* A stored page that is given without asking. */
static void check_stored(const struct reader *reader, enum cache_word word, enum verdict_reason why, bool failing,
                         bool answered)
{
    unsigned key = reader->key;
    const struct record *r = &records[key];
    check(r->there, "a page is given that is not there", key);
    check(!reader->personal, "a personal request is answered from the store", key);
    const struct page *page = &r->page;
    uint64_t changed = changed_at(key, page->commit, false);
    check(changed_at(key, page->commit, true) == UINT64_MAX, "a page that was taken from view is given", key);
    if (word == WORD_STALE && (why == WHY_FAILED || why == WHY_HELD || why == WHY_FULL || why == WHY_DISCONNECTED)) {
        stats.rescued++;
        bool held = keys[key].failures && now < keys[key].failed + hold_of(keys[key].failures);
        check(why != WHY_FAILED || failing || now >= reader->deadline || keys[key].given_up == step,
              "a failure without a failure", key);
        check(why != WHY_HELD || held, "held down without a failure", key);
        check(why != WHY_DISCONNECTED || !life, "disconnected from a living cacher", key);
        check(may_rescue(key, why == WHY_FAILED && answered), "an old page is given that the origin forbids", key);
        return;
    }
    check(!page->policy->validate, "no-cache is given without validation", key);
    if (reader->no_cache)
        check(now - r->meta.arrived < VALID_FOR, "no-cache of a reader is ignored", key);
    if (word == WORD_HIT) {
        stats.hits++;
        check(!expired(page), "an expired page is called fresh", key);
        check(changed == UINT64_MAX, "a changed page is called fresh", key);
        return;
    }
    stats.updating++;
    check(word == WORD_UPDATING, "a stored page is given without a reason", key);
    check(!expired(page) || (!page->policy->forbids && age_of(page) - page->policy->lifetime < page->policy->swr),
          "it is too old to be given while it is refreshed", key);
    check(changed == UINT64_MAX || now - changed < CHANGED_GRACE, "a page that changed a second ago is given", key);
}

/* A reply that is given to a reader. */
static void check_reply(const struct reader *reader, const struct flight *flight, bool error)
{
    unsigned key = reader->key;
    bool own = flight->asker == reader;
    check(flight->key == key, "a reader gets another page", key);
    check(!reader->personal || (own && !flight->canonical), "a personal request gets another's answer", key);
    check(own || flight->canonical, "a reader gets the answer to somebody's own request", key);
    if (error)
        return;
    check(own || !flight->page.policy->one, "what is for one is given to another", key);
    uint64_t changed = changed_at(key, flight->page.commit, false);
    if (!flight->canonical)
        return;
    check(changed >= reader->came || flight->page.policy->one,
          "a reader gets a page older than a change before it came", key);
    check(changed_at(key, flight->page.commit, true) == UINT64_MAX || flight->page.policy->one,
          "a page that was taken from view is given in a reply", key);
}

#endif
