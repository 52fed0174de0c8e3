#include <stdlib.h>

#include "cache_inside.h"

#include "clock.h"
#include "fault.h"
#include "http_answer.h"
#include "http_condition.h"
#include "http_invalidate.h"
#include "http_list.h"
#include "http_validate.h"

/* ---- judging what came ---- */

/* In which of our forms the body comes; false for a coding that we do not know. */
static bool find_encoding(const struct message *response, enum store_encoding *encoding)
{
    struct str coding = headers_get(&response->headers, STR("content-encoding"));
    *encoding = STORE_IDENTITY;
    if (!coding.p || str_eq_nocase(coding, STR("identity")))
        return true;
    *encoding = STORE_GZIP;
    if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
        return true;
    return false; /* brotli too: there would be nothing for a client that takes none */
}

static enum reply_kind kind_of_failure(const struct message *answer)
{
    if (answer->type == MESSAGE_BUSY)
        return REPLY_NOBODY;
    switch (cause_of(answer->cause)) {
    case CAUSE_UNAVAILABLE:
        return REPLY_NOBODY;
    case CAUSE_DEADLINE:
        return REPLY_TOO_LATE;
    default:
        return REPLY_FAILED;
    }
}

/* What the 304 leaves of the record, as if it had come whole. */
static bool merge(struct cache *cache, const struct fetch *fetch, const struct message *not_modified)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, &fetch->key, &meta, &view))
        return false;
    /* The record may be written to before the texts are used. */
    buffer_reset(&cache->record);
    buffer_append_str(&cache->record, view.meta);
    if (cache->record.failed || !meta_read(cache->record.p, cache->record.n, &meta))
        return false;
    cache->merged = (struct message){.type = MESSAGE_RESPONSE, .status = meta.status};
    if (!validate_update(&meta, &not_modified->headers, &cache->merged.headers))
        return false;
    cache->merged.tags = not_modified->tags;
    return true;
}

/* Its tags; false when there are too many to store it. A variant has the tag of its page (page_tag) beside them, and
 * what was asked for as one: a purge of the page met it on its way by that tag alone. */
static bool find_tags(struct cache *cache, struct reply *reply, uint32_t *broad)
{
    if (!store_tags(&reply->answer->tags, &cache->seed, &cache->changes.epochs, reply->row_tags, &reply->row_tags_n,
                    broad)) {
        reply->judgement.reason = STORE_TAGS;
        return false;
    }
    if (reply->varies == VARY_LISTED || !hash_eq(reply->fetch->key, reply->fetch->base)) {
        if (reply->row_tags_n == STORE_ROW_TAGS) {
            reply->row_tags_n = 0;
            if (!*broad) {
                reply->judgement.reason = STORE_TAGS;
                return false;
            }
        }
        reply->row_tags[reply->row_tags_n++] = page_tag(reply->fetch->base);
    }
    return true;
}

/* A 304 may tell fewer tags than its page has, or none: the page keeps all of its own. False when it tells others: then
 * the page is asked for whole. */
static bool keep_tags(struct cache *cache, struct reply *reply, uint32_t *broad)
{
    struct meta meta;
    struct store_view view;
    if (!cache_find(cache, &reply->fetch->key, &meta, &view) || view.n_tags > STORE_ROW_TAGS)
        return false;
    for (uint32_t i = 0, j; i < reply->row_tags_n; i++) {
        for (j = 0; j < view.n_tags && store_tag(&view, j) != reply->row_tags[i];)
            j++;
        if (j == view.n_tags)
            return false;
    }
    reply->row_tags_n = view.n_tags;
    for (uint32_t i = 0; i < view.n_tags; i++)
        reply->row_tags[i] = store_tag(&view, i);
    *broad |= meta.broad;
    return true;
}

/* Of which key the answer is: the page's, or that of the variant that was asked for. */
static struct hash key_of_answer(struct cache *cache, const struct fetch *fetch, enum vary_kind varies,
                                 const struct vary *vary)
{
    if (varies != VARY_LISTED)
        return fetch->base;
    buffer_reset(&cache->vary_pairs);
    vary_pack(vary, NULL, &cache->vary_pairs);
    return vary_key(&cache->seed, fetch->base, buffer_str(&cache->vary_pairs), &cache->asked.headers);
}

static void judge(struct cache *cache, struct reply *reply, struct life_reply *life)
{
    const struct fetch *fetch = reply->fetch;
    const struct message *answer = reply->answer;
    struct request_facts facts;
    struct arrival arrival = {fetch->asked_at, cache_clock(), time(NULL)};
    struct store_policy policy = {.heuristics = cache->options.settings->heuristics};
    uint32_t taken = epochs_taken(&cache->changes.epochs);

    if (answer->type != MESSAGE_RESPONSE) {
        life->kind = kind_of_failure(answer);
        return;
    }
    reply->response = answer;
    if (!fetch->own && answer->status == 304) {
        life->not_modified =
            fetch->validate && merge(cache, fetch, answer) &&
            /* One that changes what the page varies on is about another variant's record. */
            hash_eq(key_of_answer(cache, fetch, vary_read(&cache->merged.headers, &reply->vary), &reply->vary),
                    fetch->key);
        life->not_about = !life->not_modified;
        if (life->not_about) {
            life->kind = REPLY_ONE;
            return;
        }
        reply->response = &cache->merged;
    }
    facts_read(&facts, &cache->asked, 0);
    reply->judgement = store_judge(&facts, reply->response, &arrival, &policy, &reply->meta);
    reply->varies = vary_read(&reply->response->headers, &reply->vary);
    enum store_kind kind = reply->judgement.kind;
    if (kind == STORE_SHARE || kind == STORE_KEEP) {
        if (!find_encoding(answer, &reply->encoding) || !find_tags(cache, reply, &life->broad))
            kind = reply->judgement.kind = STORE_NOT;
        cache->state_changed |=
            epochs_taken(&cache->changes.epochs) != taken; /* a broad tag has got its slot just now */
    }
    if (life->not_modified && !keep_tags(cache, reply, &life->broad)) {
        life->not_modified = false;
        life->not_about = true;
        life->kind = REPLY_ONE;
        return;
    }
    reply->broad = life->broad;
    life->row_tags = reply->row_tags;
    life->row_tags_n = reply->row_tags_n;
    static const enum reply_kind kinds[] = {
        [STORE_NOT] = REPLY_ONE, [STORE_KEEP] = REPLY_KEEP, [STORE_SHARE] = REPLY_SHARE, [STORE_ERROR] = REPLY_ERROR};
    life->kind = kinds[kind];
    life->for_one = reply->judgement.for_one;
    life->upstream = kind == STORE_ERROR && answer->status != 500;
}

static void log_failure(struct cache *cache, const struct message *asked, const struct message *answer)
{
    bool failed = answer->type == MESSAGE_FAILED; /* BUSY has no fields of this kind */
    count(cache->failed, 1);
    log_limited(&cache->failed_limit, LOG_LEVEL_WARNING,
                STR_FMT " " STR_FMT " (trace " STR_FMT "): %s " STR_FMT ", " STR_FMT, STR_ARG(asked->method),
                STR_ARG(asked->target), STR_ARG(asked->trace), message_name(answer->type),
                STR_ARG(failed ? answer->cause : STR("")), STR_ARG(failed ? answer->text : STR("no room")));
}

/* What changes things makes pages invalid (RFC 9111 section 4.4). */
static void invalidate(struct cache *cache, const struct message *answer)
{
    struct key keys[INVALIDATED_MOST];
    uint32_t n = invalidate_keys(&cache->asked, answer, keys);
    for (uint32_t i = 0; i < n; i++)
        /* The target itself is gone; of the others it is said by whoever may send such a request. */
        cache_purge_key(cache, key_hash(&keys[i], &cache->seed), i == 0);
    if (n > 0)
        cache_turn_ends(cache); /* before the answer says that it is done */
}

void cache_on_answer(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct fetch *fetch = user;
    struct cache *cache = fetch->cache;
    struct reply reply = {.fetch = fetch, .answer = answer, .body = body};
    struct life_reply life = {0};
    message_unpack(fetch->asked.p, fetch->asked.n, &cache->asked);
    judge(cache, &reply, &life);
    if (answer->type != MESSAGE_RESPONSE)
        log_failure(cache, &cache->asked, answer);
    else if (fetch->own)
        invalidate(cache, answer);
    cache->reply = &reply;
    life_reply(cache->life, cache_clock(), fetch->id, &life);
    cache_act(cache);
    fetch_free(&fetch);
}

/* ---- storing it ---- */

/* The bytes of the body without its coding: of gzip they stand at its end (RFC 1952 section 2.3.1). */
static uint32_t plain_length(const struct reply *reply)
{
    size_t n = zmq_msg_size(reply->body);
    const unsigned char *end = (const unsigned char *)zmq_msg_data(reply->body) + n;
    if (reply->encoding == STORE_IDENTITY)
        return (uint32_t)n;
    if (reply->encoding != STORE_GZIP || n < 18)
        return 0;
    return (uint32_t)end[-4] | (uint32_t)end[-3] << 8 | (uint32_t)end[-2] << 16 | (uint32_t)end[-1] << 24;
}

static bool write_meta(struct cache *cache, const struct meta *meta)
{
    buffer_reset(&cache->meta_bytes);
    return meta_write(meta, &cache->meta_bytes);
}

/* The record under the page's own key that says what it varies on. */
static bool put_marker(struct cache *cache, const struct reply *reply)
{
    struct meta meta = reply->meta;
    meta.flags = META_MARKER;
    meta.key = key_text(&cache->key);
    meta.headers = STR("");
    meta.vary = buffer_str(&cache->vary_pairs);
    struct store_entry entry = {.key = reply->fetch->base};
    if (!write_meta(cache, &meta))
        return false;
    entry.meta = buffer_str(&cache->meta_bytes);
    return cache_wrote(cache, store_put(cache->options.store, &entry, cache_hour()));
}

/*
 * The hour of its last use. A refresh is no use. Anybody can make up queries, values that a page varies on, and
 * addresses where there is no page: until such a page is read a second time it counts as one that was not used for
 * long, so it is the first to go when room is needed, and goes after a day.
 */
static uint32_t last_use(struct cache *cache, const struct reply *reply, const struct hash *key)
{
    struct meta meta;
    struct store_view view;
    uint32_t now = cache_hour();
    bool made_up = reply->meta.flags & META_QUERY || reply->varies == VARY_LISTED || reply->meta.status >= 400;
    if (cache_find(cache, key, &meta, &view))
        return reply->fetch->wanted ? now : view.used;
    uint32_t long_ago = (STORE_IDLE_DAYS - 1) * 24;
    return made_up && now > long_ago ? now - long_ago : now;
}

static bool varies_on_coding(const struct headers *headers)
{
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, STR("vary")) &&
            list_has(headers->item[i].value, STR("accept-encoding")))
            return true;
    return false;
}

static bool put_page(struct cache *cache, struct reply *reply, const struct life_action *action, struct hash key)
{
    struct meta *meta = &reply->meta;
    buffer_reset(&cache->headers);
    store_headers(&reply->judgement, &reply->response->headers, &cache->headers);
    /* We choose the coding, so what is given varies on what the client takes, whether the origin said so or not. */
    if (!varies_on_coding(&reply->response->headers))
        pairs_add(&cache->headers, STR("vary"), STR("accept-encoding"));
    meta->key = key_text(&cache->key);
    meta->headers = buffer_str(&cache->headers);
    meta->vary = STR("");
    meta->dispatched = action->dispatched;
    meta->stale_seq = action->stale_seq;
    meta->stale_at = action->stale_at;
    meta->broad = reply->broad;
    if (cache->key.query < cache->key.n)
        meta->flags |= META_QUERY;
    if (reply->varies == VARY_LISTED) {
        buffer_reset(&cache->vary_pairs);
        vary_pack(&reply->vary, &cache->asked.headers, &cache->vary_pairs);
        meta->vary = buffer_str(&cache->vary_pairs);
    }
    if (action->not_modified) {
        struct meta old;
        struct store_view view;
        if (!cache_find(cache, &key, &old, &view))
            return false;
        meta->plain = old.plain;
        meta->flags |= old.flags & META_SQUEEZED;
        if (old.flags & META_CODED || !(view.bodies & 1u << STORE_IDENTITY))
            meta->flags |= META_CODED;
        return !cache->headers.failed && write_meta(cache, meta) &&
               cache_wrote(cache, store_put_meta(cache->options.store, &key, buffer_str(&cache->meta_bytes)));
    }
    meta->plain = plain_length(reply);
    if (reply->encoding != STORE_IDENTITY)
        meta->flags |= META_CODED;
    struct store_entry entry = {
        .key = key,
        .tags = reply->row_tags,
        .n_tags = reply->row_tags_n,
    };
    const char *bytes = zmq_msg_data(reply->body);
    entry.body[reply->encoding] = (struct str){bytes ? bytes : "", (uint32_t)zmq_msg_size(reply->body)};
    if (cache->headers.failed || !write_meta(cache, meta))
        return false;
    entry.meta = buffer_str(&cache->meta_bytes);
    return cache_wrote(cache, store_put(cache->options.store, &entry, last_use(cache, reply, &key)));
}

void cache_store_reply(struct cache *cache, const struct life_action *action)
{
    struct reply *reply = cache->reply;
    struct hash key;
    if (!cache->options.store || !reply || !reply->response ||
        !key_make(&cache->key, cache->asked.scheme, headers_get(&cache->asked.headers, STR("host")),
                  cache->asked.target))
        return;
    key = key_of_answer(cache, reply->fetch, reply->varies, &reply->vary);
    if (reply->varies == VARY_LISTED && !put_marker(cache, reply))
        return;
    reply->stored = put_page(cache, reply, action, key);
    if (!reply->stored)
        return;
    count(cache->stored, 1);
    cache_note_list(cache, key, reply->broad);
    fault("cacher-page-stored", cache->asked.target);
}

/* ---- giving ---- */

static void add_note(struct message *answer, const struct cache_note *note, char text[CACHE_STATUS_SIZE])
{
    headers_add(&answer->headers, STR("x-cache-status"), str_of(cache_word_text(note->word)));
    headers_add(&answer->headers, STR("cache-status"), (struct str){text, (uint32_t)cache_status_write(note, text)});
}

/* 304 to who has it already (RFC 9110 section 13.1.2). */
static bool has_it(const struct message *request, struct str etag)
{
    struct request_facts facts;
    facts_read(&facts, request, 0);
    for (uint32_t i = 0; i < facts.if_none_match_n && etag.p; i++)
        for (struct str rest = facts.if_none_match[i], tag; list_next(&rest, &tag);)
            if (str_eq(tag, STR("*")) || etag_weakly(tag, etag))
                return true;
    return false;
}

static void add_line(void *user, struct str name, struct str value)
{
    headers_add(user, name, value);
}

void cache_give_stored(struct cache *cache, struct visitor *visitor, const struct life_action *action)
{
    struct message *answer = &cache->answer;
    struct meta meta;
    struct store_view view;
    struct answer_texts texts;
    static const enum store_encoding order[] = {STORE_GZIP, STORE_IDENTITY, STORE_BROTLI};
    enum store_encoding encoding = STORE_GZIP;
    struct str body = STR_NONE;

    bool found = cache_find(cache, &action->key, &meta, &view);
    for (int i = 0; i < 3 && found && !body.p; i++) {
        encoding = order[i];
        body = store_body(cache->options.store, &action->key, encoding);
    }
    if (!body.p) {
        *answer = (struct message){.type = MESSAGE_FAILED,
                                   .cause = str_of(cause_name(CAUSE_INTERNAL)),
                                   .text = STR("the stored page has gone")};
        cache_give(cache, visitor, answer, NULL);
        return;
    }
    message_unpack(visitor->request.p, visitor->request.n, &cache->request);
    bool origin = cache->reply && cache->reply->answer->type == MESSAGE_RESPONSE;
    bool has = meta.status == 200 && has_it(&cache->request, pairs_get(meta.headers, STR("etag")));
    struct notes notes = {.word = action->word,
                          .why = action->why,
                          .forwarded = cache->reply || action->why == WHY_FAILED,
                          .fwd_status = origin ? (uint32_t)cache->reply->answer->status : 0,
                          .form = has ? FORM_NOT_MODIFIED : FORM_WHOLE,
                          .standing = standing_of(&meta, cache_clock(), &cache->changes.epochs)};
    *answer = (struct message){.type = MESSAGE_RESPONSE, .status = has ? 304 : meta.status};
    buffer_reset(&cache->headers);
    buffer_append_str(&cache->headers, meta.headers);
    answer_lines(&meta, cache->headers.p, &notes, has ? STORE_IDENTITY : encoding, &texts, add_line, &answer->headers);
    zmq_msg_t copy;
    if (cache->headers.failed || zmq_msg_init_size(&copy, has ? 0 : body.n) != 0)
        abort();
    if (zmq_msg_size(&copy) > 0)
        memcpy(zmq_msg_data(&copy), body.p, body.n);
    cache_give(cache, visitor, answer, &copy);
    zmq_msg_close(&copy);
}

/* May this visitor have the answer to that request (RFC 9111 section 4.1)? */
static bool fits(struct cache *cache, const struct reply *reply, const struct message *request)
{
    if (reply->fetch->own || reply->varies != VARY_LISTED)
        return true;
    buffer_reset(&cache->vary_pairs);
    vary_pack(&reply->vary, &cache->asked.headers, &cache->vary_pairs);
    return vary_matches(buffer_str(&cache->vary_pairs), &request->headers);
}

/* Takes out what private= and no-cache= name: it is for the one who asked (RFC 9111 sections 5.2.2.4, 5.2.2.7). */
static void drop_named(struct headers *headers, const struct control *control)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < headers->n; i++) {
        bool named = false;
        for (uint32_t j = 0; j < control->fields_n; j++)
            named |= str_eq_nocase(headers->item[i].name, control->fields[j]);
        if (!named)
            headers->item[n++] = headers->item[i];
    }
    headers->n = n;
}

void cache_give_reply(struct cache *cache, struct visitor *visitor, const struct life_action *action)
{
    struct reply *reply = cache->reply;
    struct message *answer = &cache->answer;
    char status[CACHE_STATUS_SIZE];
    message_unpack(visitor->request.p, visitor->request.n, &cache->request);
    if (!fits(cache, reply, &cache->request)) {
        STAILQ_INSERT_TAIL(&cache->again, visitor, again);
        return;
    }
    message_copy(answer, reply->answer);
    if (!action->asker)
        drop_named(&answer->headers, &reply->judgement.control);
    struct cache_note note = {
        .word = action->word,
        .why = action->why,
        .forwarded = true,
        .fwd_status = (uint32_t)reply->answer->status,
        .stored = reply->stored,
        .collapsed = action->collapsed,
        .variant = !hash_eq(reply->fetch->key, reply->fetch->base),
        .not_stored = reply->stored ? NULL : store_reason_text(reply->judgement.reason),
    };
    add_note(answer, &note, status);
    bool not_modified = !reply->fetch->own && answer->status == 200 &&
                        has_it(&cache->request, headers_get(&reply->answer->headers, STR("etag")));
    if (not_modified)
        answer->status = 304;
    cache_give(cache, visitor, answer, not_modified ? NULL : reply->body);
}

void cache_give_failure(struct cache *cache, struct visitor *visitor)
{
    const struct message *answer = cache->reply ? cache->reply->answer : NULL;
    struct message *failure = &cache->answer;
    if (answer && answer->type != MESSAGE_RESPONSE)
        message_copy(failure, answer);
    else
        *failure = (struct message){
            .type = MESSAGE_FAILED, .cause = str_of(cause_name(CAUSE_DEADLINE)), .text = STR("no answer came in time")};
    cache_give(cache, visitor, failure, NULL);
}
