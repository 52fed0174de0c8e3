#include <stdlib.h>
#include <sys/random.h>

#include "cache_inside.h"
#include "clock.h"
#include "fault.h"
#include "http_cache_status.h"
#include "http_validate.h"

#define LOOK_AFTER       2000 /* ms between two looks after the store */
#define UNRECORDED_GRACE 1000 /* ms that a change may be missing in the store before nobody may read it */

uint32_t cache_hour(void)
{
    return (uint32_t)(time(NULL) / 3600);
}

void cache_changed(struct cache *cache)
{
    cache->state_changed = true;
    if (!cache->unrecorded)
        cache->unrecorded = cache_clock();
}

bool cache_wrote(struct cache *cache, bool done)
{
    if (!done) { /* with all before it */
        cache->lost |= cache->withdrew;
        cache->lost_hard |= cache->withdrew_hard;
        cache->withdrew = cache->withdrew_hard = false;
    }
    return done;
}

bool cache_find(struct cache *cache, const struct hash *key, struct meta *meta, struct store_view *view)
{
    return cache->options.store && store_find(cache->options.store, key, view) &&
           meta_read(view->meta.p, view->meta.n, meta);
}

static bool find_for_life(void *user, struct hash key, struct meta *meta)
{
    struct store_view view;
    return cache_find(user, &key, meta, &view) && !(meta->flags & META_MARKER);
}

struct hash cache_key_of(struct cache *cache, struct hash base, const struct headers *headers)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, &base, &meta, &view) || !(meta.flags & META_MARKER))
        return base;
    return vary_key(&cache->seed, base, meta.vary, headers);
}

/* ---- its life ---- */

static bool load_state(struct cache *cache)
{
    struct cache_state state = {0};
    struct str record = cache->options.store ? store_state(cache->options.store, CACHE_STATE) : STR_NONE;
    if (cache_state_read(&state, record)) {
        cache->seed = state.seed;
        cache->changes.epochs = state.epochs;
        cache_purges_read(cache, store_state(cache->options.store, PURGES));
        return true;
    }
    cache->state_changed = true;
    return getrandom(&cache->seed, sizeof(cache->seed), 0) == sizeof(cache->seed);
}

struct cache *cache_new(const struct cache_options *options, char *error, size_t error_size)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (!cache) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    cache->options = *options;
    LIST_INIT(&cache->visitors);
    LIST_INIT(&cache->fetches);
    STAILQ_INIT(&cache->again);
    STAILQ_INIT(&cache->broken);
    STAILQ_INIT(&cache->purges);
    struct buffer *scratch[] = {&cache->meta_bytes, &cache->headers, &cache->vary_pairs, &cache->record};
    for (size_t i = 0; i < sizeof(scratch) / sizeof(scratch[0]); i++)
        scratch[i]->limit = META_SCRATCH;
    cache->hits = counter("cache.hits", COUNTER_SUM);
    cache->misses = counter("cache.misses", COUNTER_SUM);
    cache->passes = counter("cache.passes", COUNTER_SUM);
    cache->collapsed = counter("cache.collapsed", COUNTER_SUM);
    cache->refreshes = counter("cache.refreshes", COUNTER_SUM);
    cache->stored = counter("cache.stored", COUNTER_SUM);
    cache->failed = counter("cache.failed", COUNTER_SUM);
    cache->marked = counter("cache.marked", COUNTER_SUM);
    cache->squeezed = counter("cache.squeezed", COUNTER_SUM);
    cache->entries = counter("store.entries", COUNTER_GAUGE);
    cache->bytes = counter("store.bytes", COUNTER_GAUGE);
    struct life_store store = {.find = find_for_life, .user = cache};
    cache->life = load_state(cache) ? life_new(&LIFE_LIMITS, &store, &cache->changes) : NULL;
    if (cache->life && options->store)
        cache->squeeze = squeeze_new();
    if (!cache->life) {
        snprintf(error, error_size, "out of memory or of random bytes");
        cache_free(&cache);
    }
    return cache;
}

static void visitor_free(struct visitor *visitor)
{
    LIST_REMOVE(visitor, link);
    buffer_release(&visitor->request);
    zmq_msg_close(&visitor->body);
    free(visitor);
}

void fetch_free(struct fetch **slot)
{
    struct fetch *fetch = *slot;
    LIST_REMOVE(fetch, link);
    buffer_release(&fetch->asked);
    free(fetch);
    *slot = NULL;
}

void cache_free(struct cache **slot)
{
    struct cache *cache = *slot;
    if (!cache)
        return;
    for (struct visitor *visitor = LIST_FIRST(&cache->visitors), *next; visitor; visitor = next) {
        next = LIST_NEXT(visitor, link);
        visitor_free(visitor);
    }
    for (struct fetch *fetch = LIST_FIRST(&cache->fetches), *next; fetch; fetch = next) {
        next = LIST_NEXT(fetch, link);
        fetch_free(&fetch);
    }
    squeeze_free(&cache->squeeze);
    cache_purges_free(cache);
    life_free(&cache->life);
    struct buffer *scratch[] = {&cache->meta_bytes, &cache->headers, &cache->vary_pairs, &cache->record};
    for (size_t i = 0; i < sizeof(scratch) / sizeof(scratch[0]); i++)
        buffer_release(scratch[i]);
    free(cache);
    *slot = NULL;
}

/* ---- requests ---- */

/* What a CLOCK_MONOTONIC deadline is on the cache's clock, and back: the two differ only by what the machine slept. */
static uint64_t to_cache_clock(uint64_t deadline, uint64_t now)
{
    uint64_t monotonic = clock_now();
    return deadline > monotonic ? now + (deadline - monotonic) / MILLISECOND : now;
}

static uint64_t to_monotonic(uint64_t deadline, uint64_t now)
{
    return clock_now() + (deadline > now ? (deadline - now) * MILLISECOND : 0);
}

/* GET and the others that change nothing may be sent a second time (RFC 9110 section 9.2.1). */
static bool is_safe(struct str method)
{
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) || str_eq(method, STR("OPTIONS"));
}

static bool make_key(struct cache *cache, const struct message *request)
{
    return key_make(&cache->key, request->scheme, headers_get(&request->headers, STR("host")), request->target);
}

static struct visitor *visitor_new(struct cache *cache, struct ticket *ticket, const struct message *request,
                                   zmq_msg_t *body)
{
    struct visitor *visitor = calloc(1, sizeof(*visitor));
    if (!visitor)
        return NULL;
    LIST_INSERT_HEAD(&cache->visitors, visitor, link);
    zmq_msg_init(&visitor->body);
    visitor->ticket = ticket;
    visitor->request.limit = LIMIT_HEAD_BYTES;
    if (!message_pack(request, PROTOCOL_NEWEST, &visitor->request)) {
        visitor_free(visitor);
        return NULL;
    }
    zmq_msg_move(&visitor->body, body);
    if (make_key(cache, request)) {
        visitor->has_key = true;
        visitor->key = cache_key_of(cache, key_hash(&cache->key, &cache->seed), &request->headers);
    }
    return visitor;
}

/* An event; cache_act follows. */
static void feed(struct cache *cache, struct visitor *visitor, const struct message *request, bool singly)
{
    uint64_t now = cache_clock();
    struct request_facts facts;
    facts_read(&facts, request, zmq_msg_size(&visitor->body));
    if (upstream_ready(cache->options.renderers) == 0)
        facts.flags |= FACT_DISCONNECTED;
    life_request(cache->life, now,
                 &(struct life_request){
                     .key = visitor->key,
                     .facts = &facts,
                     .deadline = to_cache_clock(ticket_deadline(visitor->ticket), now),
                     .user = visitor,
                     .singly = singly || !visitor->has_key,
                 });
}

void cache_request(struct cache *cache, struct ticket *ticket, const struct message *request, zmq_msg_t *body)
{
    if (str_eq(request->scheme, STR("cacher"))) {
        cache_control(cache, ticket, request, body);
        return;
    }
    struct visitor *visitor = visitor_new(cache, ticket, request, body);
    if (!visitor) {
        serve_fail(cache->options.serve, &ticket, CAUSE_INTERNAL, "the cacher is out of memory");
        return;
    }
    feed(cache, visitor, request, false);
    cache_act(cache);
}

void cache_give(struct cache *cache, struct visitor *visitor, struct message *answer, zmq_msg_t *body)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    if (body)
        zmq_msg_copy(&copy, body);
    serve_answer(cache->options.serve, &visitor->ticket, answer, &copy);
    zmq_msg_close(&copy);
    visitor_free(visitor);
}

/* ---- what the life wants ---- */

static void send_fetch(struct cache *cache, struct fetch *fetch, struct message *ask, zmq_msg_t *body,
                       uint64_t deadline)
{
    ask->deadline = to_monotonic(deadline, fetch->asked_at);
    upstream_send(cache->options.renderers, ask, body, upstream_key(fetch->key.a, ask->method), is_safe(ask->method),
                  cache_on_answer, fetch);
}

static struct fetch *fetch_new(struct cache *cache, const struct life_action *action, const struct message *ask)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        abort();
    LIST_INSERT_HEAD(&cache->fetches, fetch, link);
    fetch->cache = cache;
    fetch->id = action->fetch;
    fetch->key = fetch->base = action->key;
    fetch->asked_at = cache_clock();
    fetch->asked.limit = LIMIT_HEAD_BYTES;
    if (ask && !message_pack(ask, PROTOCOL_NEWEST, &fetch->asked))
        abort(); /* it is no longer than the request that was unpacked */
    return fetch;
}

/* Nobody's request: the record says which page, and for a variant with which values. False: the record is gone. */
static bool ask_from_record(struct cache *cache, const struct hash *key, struct message *ask)
{
    struct meta meta;
    struct store_view view;
    struct str scheme, host, target;
    struct header pair;
    if (!cache_find(cache, key, &meta, &view))
        return false;
    /* The texts must outlive what is stored meanwhile. */
    buffer_reset(&cache->record);
    buffer_append_str(&cache->record, view.meta);
    if (cache->record.failed || !meta_read(cache->record.p, cache->record.n, &meta) ||
        !key_split(meta.key, &scheme, &host, &target))
        return false;
    *ask = (struct message){.type = MESSAGE_REQUEST, .method = STR("GET"), .scheme = scheme, .target = target};
    ask->client = ask->trace = STR("");
    headers_add(&ask->headers, STR("host"), host);
    headers_add(&ask->headers, STR("accept-encoding"), STR("gzip"));
    for (struct str rest = meta.vary; pairs_next(&rest, &pair);)
        if (pair.value.p && !str_eq_nocase(pair.name, STR("host")))
            headers_add(&ask->headers, pair.name, pair.value);
    return true;
}

static void ask(struct cache *cache, const struct life_action *action)
{
    struct visitor *visitor = action->user;
    struct message *canonical = &cache->ask;
    struct meta meta;
    struct store_view view;
    bool good = true;
    if (visitor) {
        good = message_unpack(visitor->request.p, visitor->request.n, &cache->request) == NULL &&
               make_key(cache, &cache->request);
        if (good)
            canonical_ask(&cache->request, key_target(&cache->key), canonical);
    } else {
        good = ask_from_record(cache, &action->key, canonical) && make_key(cache, canonical);
    }
    if (!good) { /* its record has gone meanwhile */
        struct fetch *fetch = fetch_new(cache, action, NULL);
        STAILQ_INSERT_TAIL(&cache->broken, fetch, broken);
        return;
    }
    bool validate =
        action->validate && cache_find(cache, &action->key, &meta, &view) && validate_ask(&meta, &canonical->headers);
    struct fetch *fetch = fetch_new(cache, action, canonical);
    fetch->base = key_hash(&cache->key, &cache->seed);
    fetch->validate = validate;
    fetch->wanted = visitor != NULL;
    count(visitor ? cache->misses : cache->refreshes, 1);
    send_fetch(cache, fetch, canonical, NULL, action->deadline);
}

static void ask_own(struct cache *cache, const struct life_action *action)
{
    struct visitor *visitor = action->user;
    char session[SESSION_LINE];
    message_unpack(visitor->request.p, visitor->request.n, &cache->request);
    own_ask(&cache->request, session);
    struct fetch *fetch = fetch_new(cache, action, &cache->request);
    fetch->own = true;
    count(cache->passes, 1);
    send_fetch(cache, fetch, &cache->request, &visitor->body, action->deadline);
}

static void give_busy(struct cache *cache, struct visitor *visitor)
{
    cache->answer = (struct message){.type = MESSAGE_BUSY, .retry_after = 1};
    cache_give(cache, visitor, &cache->answer, NULL);
}

/* An answer of our own: 504 for only-if-cached when it is not (RFC 9111 section 5.2.1.7), 503 where the origin's error
 * was for another. */
static void give_own(struct cache *cache, const struct life_action *action, unsigned status)
{
    struct message *answer = &cache->answer;
    struct cache_note note = {.word = action->word, .why = action->why, .forwarded = action->type == LIFE_GIVE_ERROR};
    struct str sentence = STR("This page cannot be had at the moment.\n");
    char text[CACHE_STATUS_SIZE];
    zmq_msg_t body;
    *answer = (struct message){.type = MESSAGE_RESPONSE, .status = status};
    headers_add(&answer->headers, STR("content-type"), STR("text/plain"));
    headers_add(&answer->headers, STR("cache-control"), STR("no-store"));
    if (status == 503)
        headers_add(&answer->headers, STR("retry-after"), STR("1"));
    headers_add(&answer->headers, STR("x-cache-status"), str_of(cache_word_text(note.word)));
    headers_add(&answer->headers, STR("cache-status"), (struct str){text, (uint32_t)cache_status_write(&note, text)});
    if (zmq_msg_init_size(&body, sentence.n) != 0)
        abort();
    memcpy(zmq_msg_data(&body), sentence.p, sentence.n);
    cache_give(cache, action->user, answer, &body);
    zmq_msg_close(&body);
}

static void forget(struct cache *cache, const struct hash *key)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, key, &meta, &view))
        return;
    cache->withdrew = true;
    cache_wrote(cache, store_remove(cache->options.store, key));
}

static void act(struct cache *cache, const struct life_action *action)
{
    if (action->collapsed)
        count(cache->collapsed, 1);
    switch (action->type) {
    case LIFE_ASK:
        ask(cache, action);
        break;
    case LIFE_ASK_OWN:
        ask_own(cache, action);
        break;
    case LIFE_STORE:
        cache_store_reply(cache, action);
        break;
    case LIFE_FORGET:
        forget(cache, &action->key);
        break;
    case LIFE_GIVE_STORED:
        count(cache->hits, 1);
        cache_give_stored(cache, action->user, action);
        break;
    case LIFE_GIVE_REPLY:
        cache_give_reply(cache, action->user, action);
        break;
    case LIFE_GIVE_FAILURE:
        cache_give_failure(cache, action->user);
        break;
    case LIFE_GIVE_ERROR:
        give_own(cache, action, 503);
        break;
    case LIFE_GIVE_BUSY:
        give_busy(cache, action->user);
        break;
    case LIFE_GIVE_TIMEOUT:
        give_own(cache, action, 504);
        break;
    }
}

/* Each event is followed by all of its actions before the next one. */
void cache_act(struct cache *cache)
{
    struct life_action action;
    struct visitor *visitor;
    struct fetch *fetch;
    for (;;) {
        while (life_next(cache->life, &action))
            act(cache, &action);
        cache->reply = NULL;
        if ((fetch = STAILQ_FIRST(&cache->broken))) {
            STAILQ_REMOVE_HEAD(&cache->broken, broken);
            life_reply(cache->life, cache_clock(), fetch->id, &(struct life_reply){.kind = REPLY_FAILED});
            fetch_free(&fetch);
        } else if ((visitor = STAILQ_FIRST(&cache->again))) {
            STAILQ_REMOVE_HEAD(&cache->again, again);
            message_unpack(visitor->request.p, visitor->request.n, &cache->request);
            feed(cache, visitor, &cache->request, true);
        } else {
            return;
        }
    }
}

/* ---- time ---- */

void cache_tick(struct cache *cache)
{
    uint64_t now = cache_clock();
    life_tick(cache->life, now);
    cache_act(cache);
    cache_purge_on(cache);
    cache_squeeze_take(cache);
    if (cache->options.store && cache->unrecorded && now - cache->unrecorded >= UNRECORDED_GRACE)
        store_hide(cache->options.store);
    if (cache->options.store && now - cache->looked_after >= LOOK_AFTER) {
        cache->looked_after = now;
        if (store_look_after(cache->options.store))
            cache_everything_changed(cache, true); /* what lies there now may be a copy of before */
        if (!cache_is_readable(cache))
            cache->state_changed = true; /* it was made anew */
    }
}

static bool write_state(struct cache *cache)
{
    struct cache_state state = {cache->seed, cache->changes.epochs};
    buffer_reset(&cache->record);
    cache_state_write(&state, &cache->record);
    if (!store_put_state(cache->options.store, CACHE_STATE, buffer_str(&cache->record)))
        return false;
    buffer_reset(&cache->record);
    return cache_purges_write(cache, &cache->record) &&
           store_put_state(cache->options.store, PURGES, buffer_str(&cache->record));
}

/* Pages that were marked are not marked now, and nobody knows which. */
static void everything_unmarked(struct cache *cache)
{
    log_limited(&cache->lost_limit, LOG_LEVEL_WARNING,
                "it could not be written to the store which pages were taken out of use; now all of them are");
    changes_everything(&cache->changes, cache_clock(), cache->lost_hard);
    cache_changed(cache);
    cache->lost = cache->lost_hard = false;
}

void cache_turn_ends(struct cache *cache)
{
    struct store *store = cache->options.store;
    if (cache->squeeze)
        squeeze_rest(cache->squeeze, !LIST_EMPTY(&cache->fetches));
    cache_render_ahead(cache);
    if (!store)
        return;
    bool told = cache->unrecorded;
    if (told)
        fault("cacher-changes-marked", STR(""));
    if (cache->lost) /* with this commit, which has the log's cursor after them */
        everything_unmarked(cache);
    bool kept = !cache->state_changed || cache_wrote(cache, write_state(cache));
    kept &= cache_wrote(cache, store_commit(store, cache_hour()));
    if (told)
        fault("cacher-changes-kept", STR(""));
    if (kept)
        cache->state_changed = false;
    if (cache->lost)
        everything_unmarked(cache);
    if (!cache->state_changed) {
        cache->unrecorded = 0;
        store_show(store);
    }
    cache->withdrew = cache->withdrew_hard = false;
    struct store_stats stats = store_stats(store);
    gauge(cache->entries, stats.entries);
    gauge(cache->bytes, stats.bytes);
}

bool cache_has_store(const struct cache *cache)
{
    return cache->options.store;
}

bool cache_is_readable(const struct cache *cache)
{
    return store_state(cache->options.store, CACHE_STATE).p;
}

bool cache_is_empty(const struct cache *cache)
{
    return LIST_EMPTY(&cache->fetches) && (!cache->options.store || store_stats(cache->options.store).entries == 0);
}

struct str cache_recall(struct cache *cache, const char *name)
{
    return cache->options.store ? store_state(cache->options.store, name) : STR_NONE;
}

bool cache_remember(struct cache *cache, const char *name, struct str value)
{
    return cache->options.store && cache_wrote(cache, store_put_state(cache->options.store, name, value));
}
