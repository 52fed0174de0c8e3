#include "cache_inside.h"

#define WORTH 512 /* plain bytes; below that a better coding saves nothing that a visitor could feel */

/* Text, in a wide sense: what is a picture or a film is compressed already. */
static bool is_text(struct str type)
{
    static const char *const words[] = {"text/", "json", "xml", "javascript"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (type.p && memmem(type.p, type.n, words[i], strlen(words[i])))
            return true;
    return false;
}

/* Nobody needs to come with this page again. */
static void set_squeezed(struct cache *cache, const struct hash *key)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, key, &meta, &view))
        return;
    meta.flags |= META_SQUEEZED;
    buffer_reset(&cache->meta_bytes);
    if (meta_write(&meta, &cache->meta_bytes))
        cache_wrote(cache, store_put_meta(cache->options.store, key, buffer_str(&cache->meta_bytes)));
}

void cache_squeeze_offer(struct cache *cache, const struct hash *key)
{
    struct store *store = cache->options.store;
    struct meta meta;
    struct store_view view;
    if (!cache->squeeze || !cache_find(cache, key, &meta, &view) || meta.flags & META_SQUEEZED || meta.plain < WORTH)
        return;
    bool gzip = view.bodies & 1u << STORE_GZIP;
    struct str body = store_body(store, key, gzip ? STORE_GZIP : STORE_IDENTITY);
    if (!body.p || meta.plain > SQUEEZE_MOST || !is_text(pairs_get(meta.headers, STR("content-type"))))
        set_squeezed(cache, key);
    else
        squeeze_give(cache->squeeze, *key, meta.arrived, body, gzip);
}

void cache_squeeze_take(struct cache *cache)
{
    struct store *store = cache->options.store;
    struct squeezed squeezed;
    struct meta meta;
    struct store_view view;
    while (cache->squeeze && squeeze_take(cache->squeeze, &squeezed)) {
        /* It may be another page by now. */
        if (!cache_find(cache, &squeezed.key, &meta, &view) || meta.arrived != squeezed.stamp)
            continue;
        bool has_gzip = view.bodies & 1u << STORE_GZIP;
        uint32_t gzip_n = has_gzip ? view.body_bytes[STORE_GZIP] : meta.plain;
        if (squeezed.gzip.p && squeezed.gzip.n < gzip_n) {
            cache_wrote(cache, store_put_body(store, &squeezed.key, STORE_GZIP, squeezed.gzip));
            gzip_n = squeezed.gzip.n;
        }
        if (squeezed.brotli.p && squeezed.brotli.n < gzip_n &&
            cache_wrote(cache, store_put_body(store, &squeezed.key, STORE_BROTLI, squeezed.brotli)))
            count(cache->squeezed, 1);
        set_squeezed(cache, &squeezed.key);
    }
}
