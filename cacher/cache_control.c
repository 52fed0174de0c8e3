#include <stdlib.h>

#include "cache_inside.h"

/* Requests to the cacher itself, as PROTOCOL.md lists them. Each handler says the status of the answer. */

typedef unsigned handler(struct cache *cache, struct str body, bool hard);

/* Keys as the store has them, in a row. */
static unsigned on_used(struct cache *cache, struct str body, bool hard)
{
    struct store_view view;
    struct meta meta;
    struct hash key;
    (void)hard;
    for (uint32_t at = 0; at + sizeof(key) <= body.n && cache->options.store; at += sizeof(key)) {
        memcpy(&key, body.p + at, sizeof(key));
        if (!store_find(cache->options.store, &key, &view))
            continue;
        if (meta_read(view.meta.p, view.meta.n, &meta))
            cache_note_list(cache, key, meta.broad);
        cache_wrote(cache, store_use(cache->options.store, &key, cache_hour()));
        cache_squeeze_offer(cache, &key);
    }
    return 204;
}

static unsigned on_refresh(struct cache *cache, struct str body, bool hard)
{
    struct hash key;
    (void)hard;
    for (uint32_t at = 0; at + sizeof(key) <= body.n; at += sizeof(key)) {
        memcpy(&key, body.p + at, sizeof(key));
        life_refresh(cache->life, cache_clock(), key);
        cache_act(cache);
    }
    return 204;
}

/* An absolute address, "https://host/path?query". */
static bool make_key(struct key *key, struct str url)
{
    struct str scheme, host, target;
    return key_split(url, &scheme, &host, &target) && key_make(key, scheme, host, target);
}

static unsigned on_purge_url(struct cache *cache, struct str body, bool hard)
{
    if (!make_key(&cache->key, body))
        return 400;
    cache_purge_key(cache, key_hash(&cache->key, &cache->seed), hard);
    cache_act(cache);
    return 204;
}

static unsigned on_purge_prefix(struct cache *cache, struct str body, bool hard)
{
    if (!make_key(&cache->key, body))
        return 400;
    return cache_purge_prefix(cache, key_text(&cache->key), hard) ? 202 : 503;
}

static unsigned on_purge_tag(struct cache *cache, struct str body, bool hard)
{
    if (body.n == 0 || body.n > LIMIT_TAG)
        return 400;
    cache_tag_changed(cache, body, hard);
    return 204;
}

static unsigned on_purge_all(struct cache *cache, struct str body, bool hard)
{
    (void)body;
    cache_everything_changed(cache, hard);
    return 204;
}

static const struct {
    struct str target;
    handler *handler;
    bool hard;
} controls[] = {
    {{"/used", 5}, on_used, false},
    {{"/refresh", 8}, on_refresh, false},
    {{"/purge/url", 10}, on_purge_url, false},
    {{"/purge/prefix", 13}, on_purge_prefix, false},
    {{"/purge/tag", 10}, on_purge_tag, false},
    {{"/purge/all", 10}, on_purge_all, false},
    {{"/purge/url?hard", 15}, on_purge_url, true},
    {{"/purge/prefix?hard", 18}, on_purge_prefix, true},
    {{"/purge/tag?hard", 15}, on_purge_tag, true},
    {{"/purge/all?hard", 15}, on_purge_all, true},
};

void cache_control(struct cache *cache, struct ticket *ticket, const struct message *request, zmq_msg_t *body)
{
    const char *bytes = zmq_msg_data(body);
    struct str content = {bytes ? bytes : "", (uint32_t)zmq_msg_size(body)};
    unsigned status = 404;
    for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
        if (str_eq(request->method, STR("POST")) && str_eq(request->target, controls[i].target))
            status = controls[i].handler(cache, content, controls[i].hard);
    if (status / 100 == 2 && str_starts(request->target, STR("/purge/"))) {
        cache_turn_ends(cache); /* who is told that it is done can rely on it */
        status = cache->options.store && cache->state_changed ? 500 : status;
    }
    cache->answer = (struct message){.type = MESSAGE_RESPONSE, .status = status};
    serve_answer(cache->options.serve, &ticket, &cache->answer, NULL);
}
