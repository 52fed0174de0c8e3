#include "hit.h"

#include <stdlib.h>
#include <time.h>

#include "cache_state.h"
#include "clock.h"
#include "headers.h"
#include "http_answer.h"
#include "http_vary.h"
#include "key.h"
#include "meters.h"
#include "once.h"
#include "pages.h"
#include "reply.h"
#include "request.h"
#include "store_reader.h"
#include "verdict.h"

#define WORTH_COMPRESSING 512 /* plain bytes; smaller bodies have one coding only */
#define USED_MOST         256 /* keys in one report */
#define LINES_USUAL       32  /* header lines of an answer for which there is room at once */

struct hits {
    struct store_reader *reader;
    struct cache_state state;
    bool looking; /* into the store, since the beginning of the turn */
    struct once refreshed, reported;
    struct hash used[USED_MOST];
    size_t used_n;
};

/* A request, and what the store has for it. */
struct look {
    struct request_facts facts;
    struct key key;
    struct hash hash;
    struct meta meta;
    bool found;
    unsigned bodies; /* the codings that are stored */
    uint32_t used;   /* hour of its last use */
};

struct hits *hits_new(struct store_source *source)
{
    struct hits *hits = calloc(1, sizeof(*hits));
    if (!hits || !(hits->reader = store_reader_new(source)))
        abort();
    return hits;
}

void hits_free(struct hits **hits_)
{
    struct hits *hits = *hits_;
    if (!hits)
        return;
    hits_turn_ends(hits);
    store_reader_free(&hits->reader);
    free(hits);
    *hits_ = NULL;
}

static bool read_meta(struct hits *hits, struct look *look)
{
    struct store_view view;
    if (!store_reader_find(hits->reader, &look->hash, &view) || !meta_read(view.meta.p, view.meta.n, &look->meta) ||
        !str_eq(look->meta.key, key_text(&look->key)))
        return false;
    look->bodies = view.bodies;
    look->used = view.used;
    return true;
}

/* The variant of the page that fits the request. */
static bool find_variant(struct loop *loop, h2o_req_t *req, struct look *look)
{
    if (request_read(req, &loop->message) != PAGE_NONE)
        return false;
    look->hash = vary_key(&loop->hits->state.seed, look->hash, look->meta.vary, &loop->message.headers);
    return read_meta(loop->hits, look) && vary_matches(look->meta.vary, &loop->message.headers);
}

/* Reads the request's meaning. False: it is not one that the store could answer. */
static bool understand(h2o_req_t *req, struct look *look)
{
    struct str scheme = req->conn->callbacks->get_socket(req->conn)->ssl ? STR("https") : STR("http");
    facts_begin(&look->facts, str_of_iovec(req->method));
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        facts_add(&look->facts, str_of_iovec(*header->name), str_of_iovec(header->value));
    }
    if (req->entity.len > 0)
        look->facts.flags |= FACT_CONTENT;
    facts_end(&look->facts);
    return facts_may_share(&look->facts) &&
           key_make(&look->key, scheme, str_of_iovec(req->authority), str_of_iovec(req->path));
}

/* One look serves all requests of a turn: beginning one costs as much as finding a page. */
static bool begin_look(struct hits *hits)
{
    if (!hits->looking && store_reader_look(hits->reader, clock_now())) {
        hits->looking = cache_state_read(&hits->state, store_reader_state(hits->reader, CACHE_STATE));
        if (!hits->looking)
            store_reader_done(hits->reader);
    }
    return hits->looking;
}

void hits_turn_ends(struct hits *hits)
{
    if (hits->looking)
        store_reader_done(hits->reader);
    hits->looking = false;
}

/* False: there is no store to look into. */
static bool look_up(struct loop *loop, h2o_req_t *req, struct look *look)
{
    struct hits *hits = loop->hits;
    if (!begin_look(hits))
        return false;
    look->hash = key_hash(&look->key, &hits->state.seed);
    look->found = read_meta(hits, look);
    if (look->found && look->meta.flags & META_MARKER)
        look->found = find_variant(loop, req, look);
    return true;
}

/* The body in a coding that the client takes, copied into the request's memory: the store's bytes are ours only to
 * the end of the turn. For HEAD only its length. False when it is not there. */
static bool take_body(struct loop *loop, h2o_req_t *req, const struct look *look, enum form form,
                      enum store_encoding *coding, struct str *body)
{
    uint32_t flags = form == FORM_WHOLE ? look->facts.flags : 0, has = look->bodies;
    bool inflate = false;
    *body = STR("");
    if (flags & FACT_BROTLI && has & 1u << STORE_BROTLI)
        *coding = STORE_BROTLI;
    else if (flags & FACT_GZIP && has & 1u << STORE_GZIP)
        *coding = STORE_GZIP;
    else
        *coding = STORE_IDENTITY;
    if (form == FORM_NOT_MODIFIED || form == FORM_UNSATISFIABLE)
        return true;
    if (*coding == STORE_IDENTITY && !(has & 1u << STORE_IDENTITY))
        inflate = true;
    struct str stored = store_reader_body(loop->hits->reader, &look->hash, inflate ? STORE_GZIP : *coding);
    if (!stored.p)
        return false;
    if (look->facts.flags & FACT_HEAD && form == FORM_WHOLE) {
        *body = (struct str){NULL, inflate ? look->meta.plain : stored.n};
        return true;
    }
    if (inflate) {
        size_t n = 0;
        size_t most = GUNZIP_TIMES * loop->gateway->settings->body_max;
        unsigned char *plain = gunzip_run(loop->gunzip, stored.p, stored.n, most, &n);
        if (!plain)
            return false;
        h2o_iovec_t copy = h2o_strdup(&req->pool, (char *)plain, n);
        free(plain);
        *body = (struct str){copy.base, (uint32_t)n};
        count(meters.inflated, 1);
        return true;
    }
    char *copy = h2o_mem_alloc_pool(&req->pool, stored.n + 1);
    memcpy(copy, stored.p, stored.n);
    *body = (struct str){copy, stored.n};
    return true;
}

/* An answer's header lines on their way, and the memory of the request that they point to. */
struct lines {
    h2o_req_t *req;
    struct answer_texts texts;
    char stored[]; /* the page's own */
};

static void send_line(void *user, struct str name, struct str value)
{
    struct lines *lines = user;
    if (!headers_own(name))
        reply_line(lines->req, h2o_lookup_token(name.p, name.n), name, value);
}

static void send_headers(h2o_req_t *req, const struct look *look, const struct notes *notes, enum store_encoding coding)
{
    struct lines *lines = h2o_mem_alloc_pool(&req->pool, sizeof(*lines) + look->meta.headers.n);
    lines->req = req;
    memcpy(lines->stored, look->meta.headers.p, look->meta.headers.n);
    h2o_vector_reserve(&req->pool, &req->res.headers, LINES_USUAL);
    answer_lines(&look->meta, lines->stored, notes, coding, &lines->texts, send_line, lines);
    if (notes->form == FORM_PART || notes->form == FORM_UNSATISFIABLE)
        reply_range(req, &notes->part, notes->form == FORM_PART);
}

/* Sends the stored page. False when its body is not there: then it is as if the page were not. */
static bool send_stored(struct loop *loop, h2o_req_t *req, const struct look *look, const struct notes *notes)
{
    static const int statuses[] = {[FORM_NOT_MODIFIED] = 304, [FORM_PART] = 206, [FORM_UNSATISFIABLE] = 416};
    enum store_encoding coding;
    struct str body;
    if (!take_body(loop, req, look, notes->form, &coding, &body))
        return false;
    if (notes->form == FORM_PART) {
        if ((uint64_t)notes->part.first + notes->part.n > body.n)
            return false;
        body = (struct str){body.p + notes->part.first, notes->part.n};
    }
    send_headers(req, look, notes, notes->form == FORM_WHOLE ? coding : STORE_IDENTITY);
    reply_bytes(req, notes->form == FORM_WHOLE ? (int)look->meta.status : statuses[notes->form], body);
    count(meters.cache[notes->word], 1);
    return true;
}

static void on_nothing(void *user, const struct message *answer, zmq_msg_t *body)
{
    (void)user;
    (void)answer;
    (void)body;
}

/* A request to the cacher itself, about keys, whose answer nobody waits for. */
static void tell_cacher(struct loop *loop, struct str target, const struct hash *keys, size_t n)
{
    struct message *message = &loop->message;
    zmq_msg_t body;
    if (upstream_ready(loop->upstream) == 0 || zmq_msg_init_size(&body, n * sizeof(*keys)) != 0)
        return;
    memcpy(zmq_msg_data(&body), keys, n * sizeof(*keys));
    *message = (struct message){.type = MESSAGE_REQUEST, .method = STR("POST"), .scheme = STR("cacher")};
    message->target = target;
    message->deadline = clock_now() + loop->gateway->settings->deadline;
    message->client = message->trace = STR("");
    upstream_send(loop->upstream, message, &body, upstream_key(keys->a, target), true, on_nothing, NULL);
    zmq_msg_close(&body);
}

static void ask_refresh(struct loop *loop, const struct look *look, uint64_t now)
{
    if (once_may(&loop->hits->refreshed, look->hash, now))
        tell_cacher(loop, STR("/refresh"), &look->hash, 1);
}

/* A use is written at most once an hour, and a page that was read again is compressed better once, so most reads are
 * not worth a word. */
static void note_use(struct hits *hits, const struct look *look, uint64_t now)
{
    uint32_t hour = (uint32_t)(time(NULL) / 3600);
    bool well_compressed = look->meta.flags & META_SQUEEZED || look->meta.plain < WORTH_COMPRESSING;
    if ((look->used == hour && well_compressed) || hits->used_n == USED_MOST ||
        !once_may(&hits->reported, look->hash, now))
        return;
    hits->used[hits->used_n++] = look->hash;
}

void hits_report(struct loop *loop)
{
    struct hits *hits = loop->hits;
    if (hits->used_n)
        tell_cacher(loop, STR("/used"), hits->used, hits->used_n);
    hits->used_n = 0;
}

/* How the cache came to an answer that it does not have. */
static void send_status(h2o_req_t *req, const struct notes *notes)
{
    char *text = h2o_mem_alloc_pool(&req->pool, CACHE_STATUS_SIZE);
    struct cache_note note = {.word = notes->word, .why = notes->why};
    size_t n = cache_status_write(&note, text);
    reply_line(req, NULL, STR("x-cache-status"), str_of(cache_word_text(notes->word)));
    reply_line(req, NULL, STR("cache-status"), (struct str){text, (uint32_t)n});
}

bool hit_answer(struct loop *loop, h2o_req_t *req)
{
    struct hits *hits = loop->hits;
    struct look look;
    struct notes notes;
    if (!understand(req, &look) || !look_up(loop, req, &look))
        return false;
    uint64_t now = cache_clock();
    if (upstream_ready(loop->upstream) == 0)
        look.facts.flags |= FACT_DISCONNECTED;
    enum verdict verdict = cache_verdict(&look.facts, look.found ? &look.meta : NULL, now, &hits->state.epochs, &notes);
    bool served = false;
    if (verdict == VERDICT_SERVE || verdict == VERDICT_SERVE_AND_REFRESH)
        served = send_stored(loop, req, &look, &notes);
    if (served) {
        note_use(hits, &look, now);
        if (verdict == VERDICT_SERVE_AND_REFRESH)
            ask_refresh(loop, &look, now);
    } else if (verdict == VERDICT_GATEWAY_TIMEOUT) {
        send_status(req, &notes);
        page_send(req, PAGE_NOT_STORED, 0);
        served = true;
    }
    return served;
}

bool hit_rescue(struct loop *loop, h2o_req_t *req)
{
    struct hits *hits = loop->hits;
    struct look look;
    struct notes notes = {.word = WORD_STALE, .why = WHY_DISCONNECTED};
    if (!understand(req, &look) || !look_up(loop, req, &look))
        return false;
    uint64_t now = cache_clock();
    bool served = false;
    if (look.found && verdict_may_rescue(&look.meta, now, &hits->state.epochs, false)) {
        notes.standing = standing_of(&look.meta, now, &hits->state.epochs);
        notes.form = condition_form(&look.facts, &look.meta, &notes.part);
        served = send_stored(loop, req, &look, &notes);
    }
    return served;
}
