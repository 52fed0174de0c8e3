#include "fetch.h"

#include <stdlib.h>

#include "buffer.h"
#include "clock.h"
#include "counters.h"
#include "judge.h"
#include "log.h"

#define BUCKETS      4096
#define SINGLY_KEYS  4096
#define SINGLY_FOR   (120 * SECOND) /* how long a key is remembered as not to be shared */
#define WORTH_ASKING (100 * MILLISECOND)

/* Somebody who waits. */
struct waiter {
    struct waiter *next;
    struct ticket *ticket;
    struct buffer request; /* its own request, packed: to compare with Vary, or to ask for it singly */
};

/* A request on its way: canonical, for all who wait (shared), or one visitor's own. */
struct fetch {
    struct fetch *next; /* in its bucket */
    struct fetches *owner;
    bool shared;
    uint64_t key;
    struct waiter *first, **last;
};

struct fetches {
    struct serve *serve;
    struct upstream *renderers;
    struct fetch *bucket[BUCKETS];
    struct {
        uint64_t key, until;
    } singly[SINGLY_KEYS];                        /* by key modulo its size: a newer key takes an older's place */
    struct message request, first, asked, answer; /* large: kept here rather than on the stack */
    struct counter *started, *joined, *single, *failed;
    struct log_limit failed_limit;
};

struct fetches *fetches_new(struct serve *serve, struct upstream *renderers)
{
    struct fetches *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->serve = serve;
    all->renderers = renderers;
    all->started = counter("fetch.started", COUNTER_SUM);
    all->joined = counter("fetch.joined", COUNTER_SUM);
    all->single = counter("fetch.single", COUNTER_SUM);
    all->failed = counter("fetch.failed", COUNTER_SUM);
    return all;
}

static void free_waiter(struct waiter *waiter)
{
    buffer_release(&waiter->request);
    free(waiter);
}

void fetches_free(struct fetches **slot)
{
    struct fetches *all = *slot;
    if (!all)
        return;
    for (size_t b = 0; b < BUCKETS; b++)
        for (struct fetch *fetch = all->bucket[b], *next; fetch; fetch = next) {
            next = fetch->next;
            for (struct waiter *waiter = fetch->first, *after; waiter; waiter = after) {
                after = waiter->next;
                free_waiter(waiter);
            }
            free(fetch);
        }
    free(all);
    *slot = NULL;
}

static struct str host_of(const struct message *request)
{
    return headers_get(&request->headers, STR("host"));
}

/* The key of a page: scheme, host and target. What differs only in method shares it; GET and HEAD are one. */
static uint64_t key_of(const struct message *request)
{
    uint64_t key = upstream_key(0, request->scheme);
    key = upstream_key(upstream_key(key, STR(" ")), host_of(request));
    return upstream_key(upstream_key(key, STR(" ")), request->target);
}

/* Two texts with the same hash are two pages. */
static bool same_page(struct fetches *all, const struct fetch *fetch, const struct message *request)
{
    const struct buffer *packed = &fetch->first->request;
    struct message *other = &all->asked;
    return message_unpack(packed->p, packed->n, other) == NULL && str_eq(other->target, request->target) &&
           str_eq(other->scheme, request->scheme) && str_eq(host_of(other), host_of(request));
}

/* The fetch that is on its way for this page and may be joined. */
static struct fetch *find_fetch(struct fetches *all, uint64_t key, const struct message *request)
{
    for (struct fetch *fetch = all->bucket[key % BUCKETS]; fetch; fetch = fetch->next)
        if (fetch->shared && fetch->key == key && same_page(all, fetch, request))
            return fetch;
    return NULL;
}

static void take_out(struct fetches *all, struct fetch *fetch)
{
    for (struct fetch **at = &all->bucket[fetch->key % BUCKETS]; *at; at = &(*at)->next)
        if (*at == fetch) {
            *at = fetch->next;
            return;
        }
}

static bool is_singly(const struct fetches *all, uint64_t key)
{
    return all->singly[key % SINGLY_KEYS].key == key && all->singly[key % SINGLY_KEYS].until > clock_now();
}

static void remember_singly(struct fetches *all, uint64_t key)
{
    all->singly[key % SINGLY_KEYS].key = key;
    all->singly[key % SINGLY_KEYS].until = clock_now() + SINGLY_FOR;
}

static struct waiter *new_waiter(struct ticket *ticket, const struct message *request)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (!waiter)
        return NULL;
    waiter->ticket = ticket;
    waiter->request.limit = LIMIT_HEAD_BYTES;
    if (!message_pack(request, PROTOCOL_NEWEST, &waiter->request)) {
        free_waiter(waiter);
        return NULL;
    }
    return waiter;
}

static void add_waiter(struct fetch *fetch, struct waiter *waiter)
{
    waiter->next = NULL;
    *fetch->last = waiter;
    fetch->last = &waiter->next;
}

static void on_answer(void *user, const struct message *answer, zmq_msg_t *body);

static struct fetch *new_fetch(struct fetches *all, uint64_t key, bool shared, struct waiter *waiter)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return NULL;
    fetch->owner = all;
    fetch->key = key;
    fetch->shared = shared;
    fetch->last = &fetch->first;
    add_waiter(fetch, waiter);
    fetch->next = all->bucket[key % BUCKETS];
    all->bucket[key % BUCKETS] = fetch;
    return fetch;
}

/* Methods that are safe (RFC 9110 section 9.2.1) change nothing, so they may be sent a second time. */
static bool is_safe(struct str method)
{
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) || str_eq(method, STR("OPTIONS"));
}

static void start(struct fetches *all, uint64_t key, bool shared, struct waiter *waiter, struct message *request,
                  zmq_msg_t *body)
{
    struct fetch *fetch = new_fetch(all, key, shared, waiter);
    if (!fetch) {
        serve_fail(all->serve, &waiter->ticket, CAUSE_INTERNAL, "the cacher is out of memory");
        free_waiter(waiter);
        return;
    }
    count(shared ? all->started : all->single, 1);
    if (shared) {
        judge_canonical(request, &all->asked);
        request = &all->asked;
    }
    upstream_send(all->renderers, request, body, upstream_key(key, request->method), is_safe(request->method),
                  on_answer, fetch);
}

void fetches_request(struct fetches *all, struct ticket *ticket, const struct message *request, zmq_msg_t *body)
{
    uint64_t key = key_of(request);
    struct waiter *waiter = new_waiter(ticket, request);
    if (!waiter) {
        serve_fail(all->serve, &ticket, CAUSE_INTERNAL, "the cacher is out of memory");
        return;
    }
    bool shared = judge_may_share(request, zmq_msg_size(body)) && !is_singly(all, key);
    struct fetch *fetch = shared ? find_fetch(all, key, request) : NULL;
    if (fetch) {
        count(all->joined, 1);
        add_waiter(fetch, waiter);
        return;
    }
    message_copy(&all->request, request);
    start(all, key, shared, waiter, &all->request, body);
}

/* Answers one who waited, and whose request this is, with a copy of the answer, or with 304. */
static void give(struct fetches *all, struct waiter *waiter, const struct message *request,
                 const struct message *answer, zmq_msg_t *body)
{
    struct message *mine = &all->answer;
    zmq_msg_t copy;
    message_copy(mine, answer);
    zmq_msg_init(&copy);
    if (answer->type == MESSAGE_RESPONSE && judge_not_modified(answer, request))
        mine->status = 304;
    else
        zmq_msg_copy(&copy, body);
    serve_answer(all->serve, &waiter->ticket, mine, &copy);
    zmq_msg_close(&copy);
    free_waiter(waiter);
}

/* The answer is not for this one: it is asked for by itself. What was wrong with the time of another may be right for
 * this one. */
static void ask_again(struct fetches *all, struct waiter *waiter, uint64_t key, bool shared)
{
    struct message *request = &all->request;
    struct fetch *fetch = shared ? find_fetch(all, key, request) : NULL;
    request->deadline = ticket_deadline(waiter->ticket);
    if (fetch)
        add_waiter(fetch, waiter);
    else
        start(all, key, shared, waiter, request, NULL);
}

static void log_failure(struct fetches *all, const struct message *request, const struct message *answer)
{
    bool failed = answer->type == MESSAGE_FAILED; /* BUSY has no fields of this kind */
    count(all->failed, 1);
    log_limited(&all->failed_limit, LOG_LEVEL_WARNING,
                STR_FMT " " STR_FMT " (trace " STR_FMT "): %s " STR_FMT ", " STR_FMT, STR_ARG(request->method),
                STR_ARG(request->target), STR_ARG(request->trace), message_name(answer->type),
                STR_ARG(failed ? answer->cause : STR("")), STR_ARG(failed ? answer->text : STR("no room")));
}

/* Nobody answered within the time of the first, which is not that of those who came after it. */
static bool is_out_of_time(const struct fetch *fetch, const struct message *answer, uint64_t now)
{
    if (answer->type != MESSAGE_FAILED || ticket_deadline(fetch->first->ticket) > now + WORTH_ASKING)
        return false;
    enum cause cause = cause_of(answer->cause);
    return cause == CAUSE_DEADLINE || cause == CAUSE_UNAVAILABLE;
}

/* Those who joined are answered, or asked for anew, before the first: they are held against what was asked for it. */
static void on_answer(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct fetch *fetch = user;
    struct fetches *all = fetch->owner;
    struct message *request = &all->request, *first = &all->first;
    uint64_t now = clock_now();
    bool response = answer->type == MESSAGE_RESPONSE;
    bool for_all = !response || judge_is_shared(answer);
    bool late = is_out_of_time(fetch, answer, now);
    take_out(all, fetch);
    if (fetch->shared && !for_all)
        remember_singly(all, fetch->key);
    message_unpack(fetch->first->request.p, fetch->first->request.n, first);
    if (!response)
        log_failure(all, first, answer);

    for (struct waiter *waiter = fetch->first->next, *next; waiter; waiter = next) {
        next = waiter->next;
        message_unpack(waiter->request.p, waiter->request.n, request);
        if (late && ticket_deadline(waiter->ticket) > now + WORTH_ASKING) {
            ask_again(all, waiter, fetch->key, true);
        } else if (response && (!for_all || !judge_fits(answer, &first->headers, &request->headers))) {
            remember_singly(all, fetch->key);
            ask_again(all, waiter, fetch->key, false);
        } else {
            give(all, waiter, request, answer, body);
        }
    }
    give(all, fetch->first, first, answer, body);
    free(fetch);
}
