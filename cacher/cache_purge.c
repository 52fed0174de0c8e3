#include <stdlib.h>

#include "cache_inside.h"

#define PART   256  /* keys that are marked between two looks at the store */
#define A_TICK 2048 /* pages that a purge by prefix looks at in one tick */
#define A_TAG  4096 /* pages of one tag that are marked singly; beyond it everything is stale, which takes no time */

enum mark { MARK_STALE, MARK_GONE };

static bool was_read_lately(uint32_t used)
{
    return used + 1 >= cache_hour();
}

/* Before it is written, so that it counts as lost when that fails. */
static void withdraw(struct cache *cache, enum mark how)
{
    cache->withdrew = true;
    cache->withdrew_hard |= how == MARK_GONE;
}

/* Marks one record, and wishes it to be rendered again if it was read lately; false when it could not be written. */
static bool mark(struct cache *cache, const struct hash *key, enum mark how, uint64_t seq, uint64_t at)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, key, &meta, &view) || meta.flags & META_MARKER)
        return true;
    uint32_t used = view.used;
    buffer_reset(&cache->meta_bytes);
    buffer_append_str(&cache->meta_bytes, view.meta);
    char *bytes = cache->meta_bytes.p;
    size_t n = cache->meta_bytes.n;
    if (how == MARK_GONE ? !meta_mark_gone(bytes, n) : !meta_mark_stale(bytes, n, seq, at))
        return true;
    withdraw(cache, how);
    if (!cache_wrote(cache, store_put_meta(cache->options.store, key, buffer_str(&cache->meta_bytes))))
        return false;
    count(cache->marked, 1);
    if (how == MARK_STALE && was_read_lately(used))
        life_wish(cache->life, *key, used);
    return true;
}

static void mark_tagged(struct cache *cache, uint64_t tag, enum mark how, uint64_t seq, uint64_t at)
{
    struct hash keys[PART], after;
    const struct hash *from = NULL;
    size_t n, all = 0;
    if (!store_index(cache->options.store) || !cache_is_readable(cache)) { /* which pages to mark? */
        withdraw(cache, how);
        cache_wrote(cache, false);
        return;
    }
    while ((n = store_tagged(cache->options.store, tag, from, keys, PART)) > 0) {
        all += n;
        if (all > A_TAG) {
            changes_everything(&cache->changes, at, how == MARK_GONE);
            cache->lists_changed = UINT32_MAX;
            return;
        }
        for (size_t i = 0; i < n; i++)
            if (!mark(cache, &keys[i], how, seq, at))
                return; /* now everything counts as marked */
        after = keys[n - 1];
        from = &after;
    }
}

void cache_tag_changed(struct cache *cache, struct str tag, bool hard)
{
    uint64_t now = cache_clock(), hash = hash_tag(&cache->seed, tag);
    if (tag_is_broad(tag)) {
        changes_broad(&cache->changes, now, hash, hard);
        cache->lists_changed |= 1u << epochs_slot(&cache->changes.epochs, hash);
        cache_changed(cache);
        return;
    }
    uint64_t seq = changes_row(&cache->changes, hash, hard);
    cache_changed(cache);
    if (cache->options.store)
        mark_tagged(cache, hash, hard ? MARK_GONE : MARK_STALE, seq, now);
}

void cache_everything_changed(struct cache *cache, bool hard)
{
    changes_everything(&cache->changes, cache_clock(), hard);
    cache->lists_changed = UINT32_MAX;
    cache_changed(cache);
}

void cache_note_list(struct cache *cache, struct hash key, uint32_t broad)
{
    if (!broad)
        return;
    for (size_t i = 0; i < LISTS; i++)
        if (hash_eq(cache->lists[i], key))
            return;
    cache->lists[cache->next_list++ % LISTS] = key;
}

void cache_render_ahead(struct cache *cache)
{
    struct meta meta;
    struct store_view view;
    if (cache->lists_changed)
        for (size_t i = 0; i < LISTS; i++)
            if (cache_find(cache, &cache->lists[i], &meta, &view) && was_read_lately(view.used) &&
                (meta.broad & cache->lists_changed || cache->lists_changed == UINT32_MAX))
                life_wish(cache->life, cache->lists[i], view.used);
    cache->lists_changed = 0;
    if (life_wishing(cache->life) == 0)
        return;
    life_ahead(cache->life, cache_clock());
    cache_act(cache);
}

/* The page, and when it varies all of its variants, also those that are on their way. */
void cache_purge_key(struct cache *cache, struct hash key, bool hard)
{
    enum mark how = hard ? MARK_GONE : MARK_STALE;
    uint64_t now = cache_clock();
    changes_key(&cache->changes, key, hard);
    uint64_t seq = changes_row(&cache->changes, page_tag(key), hard);
    cache_changed(cache);
    if (!cache->options.store)
        return;
    mark(cache, &key, how, seq, now);
    mark_tagged(cache, page_tag(key), how, seq, now);
}

/* What the store keeps of a purge; its prefix follows. */
struct purge_record {
    uint64_t seq, at;
    uint32_t hard, length;
};

/* Takes up a purge; false when memory is out, or the prefix is too long. */
static bool add_purge(struct cache *cache, const struct purge_record *record, struct str prefix)
{
    struct purge *purge = calloc(1, sizeof(*purge));
    if (!purge)
        return false;
    purge->prefix.limit = KEY_BYTES;
    buffer_append_str(&purge->prefix, prefix);
    if (purge->prefix.failed) {
        buffer_release(&purge->prefix);
        free(purge);
        return false;
    }
    purge->hard = record->hard;
    purge->at = record->at;
    purge->seq = record->seq;
    STAILQ_INSERT_TAIL(&cache->purges, purge, link);
    return true;
}

bool cache_purge_prefix(struct cache *cache, struct str prefix, bool hard)
{
    size_t held = sizeof(struct purge_record) + prefix.n;
    for (struct purge *each = STAILQ_FIRST(&cache->purges); each; each = STAILQ_NEXT(each, link)) {
        held += sizeof(struct purge_record) + each->prefix.n;
        if (!each->begun && each->hard == hard && str_eq(buffer_str(&each->prefix), prefix)) {
            each->seq = changes_prefix(&cache->changes, hard);
            cache_changed(cache);
            return true;
        }
    }
    if (held > META_SCRATCH) { /* of the buffer with which they are stored */
        log_limited(&cache->purges_limit, LOG_LEVEL_WARNING, "too many purges by prefix wait to be done; refused one");
        return false;
    }
    struct purge_record record = {changes_prefix(&cache->changes, hard), cache_clock(), hard, prefix.n};
    cache_changed(cache);
    return add_purge(cache, &record, prefix);
}

bool cache_purges_write(const struct cache *cache, struct buffer *out)
{
    for (const struct purge *purge = STAILQ_FIRST(&cache->purges); purge; purge = STAILQ_NEXT(purge, link)) {
        struct purge_record record = {purge->seq, purge->at, purge->hard, (uint32_t)purge->prefix.n};
        buffer_append(out, &record, sizeof(record));
        buffer_append_str(out, buffer_str(&purge->prefix));
    }
    return !out->failed;
}

void cache_purges_read(struct cache *cache, struct str record)
{
    struct purge_record fixed;
    while (record.n > 0) {
        bool whole = record.n >= sizeof(fixed);
        if (whole) {
            memcpy(&fixed, record.p, sizeof(fixed));
            record = (struct str){record.p + sizeof(fixed), record.n - (uint32_t)sizeof(fixed)};
        }
        if (!whole || fixed.length > record.n || !add_purge(cache, &fixed, (struct str){record.p, fixed.length})) {
            log_warning("the purges that the store has cannot be read; all its pages count as purged");
            cache_everything_changed(cache, true);
            return;
        }
        record = (struct str){record.p + fixed.length, record.n - fixed.length};
    }
}

static void purge_free(struct cache *cache)
{
    struct purge *purge = STAILQ_FIRST(&cache->purges);
    STAILQ_REMOVE_HEAD(&cache->purges, link);
    buffer_release(&purge->prefix);
    free(purge);
}

void cache_purges_free(struct cache *cache)
{
    while (STAILQ_FIRST(&cache->purges))
        purge_free(cache);
}

/* Keys are in the order of their hashes, so a prefix has to look at all of them: a part in each tick. */
void cache_purge_on(struct cache *cache)
{
    struct purge *purge = STAILQ_FIRST(&cache->purges);
    struct hash keys[PART];
    struct meta meta;
    struct store_view view;
    for (size_t done = 0; purge && done < A_TICK; done += PART) {
        size_t n = cache->options.store
                       ? store_keys(cache->options.store, purge->begun ? &purge->after : NULL, keys, PART)
                       : 0;
        if (n == 0 && cache->options.store && !cache_is_readable(cache))
            break;
        if (n == 0) {
            purge_free(cache);
            cache->state_changed = true;
            break;
        }
        for (size_t i = 0; i < n; i++)
            if (cache_find(cache, &keys[i], &meta, &view) && meta.dispatched < purge->seq &&
                str_starts(meta.key, buffer_str(&purge->prefix)) &&
                !mark(cache, &keys[i], purge->hard ? MARK_GONE : MARK_STALE, purge->seq, purge->at)) {
                purge_free(cache); /* now everything counts as marked */
                cache->state_changed = true;
                return;
            }
        purge->after = keys[n - 1];
        purge->begun = true;
    }
    cache_act(cache);
}
