#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "buffer.h"
#include "clock.h"
#include "counters.h"
#include "hop.h"
#include "instances.h"
#include "log.h"

#define LOOK_EVERY (200 * MILLISECOND) /* at the registry */
#define TICK_EVERY (20 * MILLISECOND)
#define HOP_MARGIN (20 * MILLISECOND)
#define ROUNDS     3 /* of receiving and sending in one turn */

/* A request in flight: what is needed to send it again, and whom to tell. */
struct call {
    upstream_done *done;
    void *user;
    uint64_t id, sent; /* sent: when it was handed in, ns */
    enum message_type type;
    bool again;         /* may be sent a second time */
    bool tried;         /* sent once already */
    struct buffer head; /* in PROTOCOL_NEWEST; empty: beyond the protocol's limits */
    zmq_msg_t body;
};

struct upstream {
    struct upstream_options options;
    struct hop *hop;
    struct instances *instances;
    uint64_t looked, ticked;
    struct message message; /* what is said when nobody answered: large, so not on the stack */
    struct counter *again, *unknown, *late, *ready, *pending, *waiting, *latency;
    uint64_t ready_part, pending_part, waiting_part;
    struct log_limit poison_limit;
};

static bool on_answer(void *user, unsigned number, const struct message *m, zmq_msg_t *body, uint64_t now);

uint64_t upstream_key(uint64_t seed, struct str bytes)
{
    static _Atomic uint64_t start; /* per process, so that nobody outside can choose two targets with one key */
    uint64_t hash = seed ? seed : atomic_load_explicit(&start, memory_order_relaxed);
    if (!hash) {
        uint64_t drawn = 0;
        if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn))
            drawn = 14695981039346656037ull;
        /* Of two threads that come first, one draws for both. */
        hash = drawn | 1;
        if (!atomic_compare_exchange_strong(&start, &(uint64_t){0}, hash))
            hash = atomic_load(&start);
    }
    for (uint32_t i = 0; i < bytes.n; i++)
        hash = (hash ^ (unsigned char)bytes.p[i]) * 1099511628211ull;
    return hash;
}

struct upstream *upstream_new(const struct upstream_options *options, char *error, size_t error_size)
{
    struct upstream *up = calloc(1, sizeof(*up));
    struct hop_limits limits = HOP_LIMITS;
    uint64_t first_id = 0;
    limits.queue = (uint32_t)options->settings->queue;
    if (up) {
        up->options = *options;
        if (!up->options.side)
            up->options.side = "right";
        if (getrandom(&first_id, sizeof(first_id), 0) == sizeof(first_id))
            up->hop = hop_new(&limits, first_id);
        if (up->hop)
            up->instances = instances_new(&up->options, up->hop, on_answer, up);
    }
    if (!up || !up->instances) {
        snprintf(error, error_size, "the hop to %s cannot be made: %s", options->stage, strerror(errno));
        upstream_free(&up);
        return NULL;
    }
    up->again = counter_of(up->options.side, "sent-again", COUNTER_SUM);
    up->unknown = counter_of(up->options.side, "dropped.unknown-id", COUNTER_SUM);
    up->late = counter_of(up->options.side, "given-up", COUNTER_SUM);
    up->ready = counter_of(up->options.side, "ready", COUNTER_GAUGE);
    up->pending = counter_of(up->options.side, "pending", COUNTER_GAUGE);
    up->waiting = counter_of(up->options.side, "waiting", COUNTER_GAUGE);
    up->latency = counter_of(up->options.side, "answered.ns", COUNTER_HISTOGRAM);
    return up;
}

static void free_call(struct call *call)
{
    zmq_msg_close(&call->body);
    buffer_release(&call->head);
    free(call);
}

void upstream_free(struct upstream **slot)
{
    struct upstream *up = *slot;
    if (!up)
        return;
    instances_free(&up->instances);
    if (up->hop) {
        /* Far in the future every deadline is over: the hop gives back every user that is still open. */
        struct hop_action action;
        hop_tick(up->hop, UINT64_MAX);
        while (hop_next(up->hop, &action))
            if (action.type == HOP_ANSWER)
                free_call(action.user);
    }
    hop_free(&up->hop);
    free(up);
    *slot = NULL;
}

int upstream_fd(const struct upstream *up)
{
    return instances_fd(up->instances);
}

void upstream_inspect(struct upstream *up, struct inspect *inspect)
{
    instances_inspect(up->instances, inspect);
}

unsigned upstream_ready(const struct upstream *up)
{
    return hop_ready(up->hop);
}

/* Calls. */

uint64_t upstream_send(struct upstream *up, struct message *message, zmq_msg_t *body, uint64_t key, bool again,
                       upstream_done *done, void *user)
{
    uint64_t now = clock_now();
    struct call *call = calloc(1, sizeof(*call));
    if (!call) {
        /* Without memory there is nobody to tell either: the process is at its end, and its neighbours send again. */
        log_error("out of memory");
        abort();
    }
    call->done = done;
    call->user = user;
    call->type = message->type;
    call->sent = now;
    call->again = again;
    call->head.limit = LIMIT_HEAD_BYTES;
    zmq_msg_init(&call->body);
    if (body)
        zmq_msg_move(&call->body, body);
    uint64_t deadline = message->deadline;
    call->id = message->id = hop_submit(up->hop, now, deadline, key, again, call);
    message->deadline = deadline > HOP_MARGIN ? deadline - HOP_MARGIN : 0;
    if (zmq_msg_size(&call->body) > instances_body_max(up->instances) ||
        !message_pack(message, PROTOCOL_NEWEST, &call->head))
        buffer_reset(&call->head);
    message->deadline = deadline;
    return call->id;
}

void upstream_forget(struct upstream *up, uint64_t id)
{
    struct call *call = hop_forget(up->hop, id);
    if (call)
        free_call(call);
}

/* The end of every call that somebody waits for. */
static void finish_call(struct call *call, const struct message *answer, zmq_msg_t *body)
{
    upstream_done *done = call->done;
    void *user = call->user;
    free_call(call);
    done(user, answer, body);
}

/* Nobody answered: what is said instead. */
static struct message *own_answer(struct upstream *up, const struct call *call, enum message_type type)
{
    up->message.type = type;
    up->message.id = call->id;
    up->message.protocol = PROTOCOL_NEWEST;
    return &up->message;
}

static void fail_call(struct upstream *up, struct call *call, enum cause cause, const char *text)
{
    struct message *m = own_answer(up, call, MESSAGE_FAILED);
    zmq_msg_t none;
    zmq_msg_init(&none);
    m->cause = str_of(cause_name(cause));
    m->text = str_of(text);
    finish_call(call, m, &none);
    zmq_msg_close(&none);
}

static void refuse_call(struct upstream *up, struct call *call)
{
    struct message *m = own_answer(up, call, MESSAGE_BUSY);
    zmq_msg_t none;
    zmq_msg_init(&none);
    m->retry_after = 1;
    finish_call(call, m, &none);
    zmq_msg_close(&none);
}

static bool is_answer_to(enum message_type asked, enum message_type type)
{
    switch ((int)type) {
    case MESSAGE_BUSY:
    case MESSAGE_FAILED:
        return true;
    case MESSAGE_RESPONSE:
        return asked == MESSAGE_REQUEST;
    case MESSAGE_RESULT:
    case MESSAGE_REFUSED:
        return asked == MESSAGE_QUERY;
    }
    return false;
}

static bool on_answer(void *user, unsigned number, const struct message *m, zmq_msg_t *body, uint64_t now)
{
    struct upstream *up = user;
    void *asker;
    if (!hop_reply(up->hop, now, number, m->id, m->type == MESSAGE_BUSY, &asker)) {
        if (m->type != MESSAGE_BUSY)
            count(up->unknown, 1);
        return true;
    }
    struct call *call = asker;
    bool fits = is_answer_to(call->type, m->type);
    histogram(up->latency, clock_now() - call->sent); /* it may have been sent after `now` */
    if (fits)
        finish_call(call, m, body);
    else
        fail_call(up, call, CAUSE_INTERNAL, "it was answered with a message of another kind");
    return fits;
}

/* Actions of the hop. */

static void send_call(struct upstream *up, const struct hop_action *action)
{
    struct call *call = action->user;
    if (!call->head.n) {
        hop_forget(up->hop, call->id);
        hop_not_sent(up->hop, clock_now(), action->peer, call->id);
        fail_call(up, call, CAUSE_INTERNAL, "the request is beyond the protocol's limits");
        return;
    }
    zmq_msg_t body; /* a copy: it may have to be sent again */
    zmq_msg_init(&body);
    zmq_msg_copy(&body, &call->body);
    bool sent = instances_send(up->instances, action->peer, call->type, &call->head, &body);
    if (!sent) /* too much lies there unread */
        hop_not_sent(up->hop, clock_now(), action->peer, call->id);
    else if (call->tried)
        count(up->again, 1);
    call->tried |= sent;
}

static void answer_call(struct upstream *up, const struct hop_action *action)
{
    struct call *call = action->user;
    count(up->late, 1);
    switch (action->outcome) {
    case HOP_BUSY:
        refuse_call(up, call);
        return;
    case HOP_DEADLINE:
        /* Of what was sent and may not be sent again nobody can say that nothing was done. */
        if (hop_ready(up->hop) || (call->tried && !call->again))
            fail_call(up, call, CAUSE_DEADLINE, "no answer in time");
        else
            fail_call(up, call, CAUSE_UNAVAILABLE, "nobody was there in time");
        return;
    case HOP_UNAVAILABLE:
        fail_call(up, call, CAUSE_UNAVAILABLE, "its instance died, and too many requests are sent again already");
        return;
    case HOP_UNKNOWN:
        fail_call(up, call, CAUSE_UNKNOWN, "its instance died, and it may not be sent again");
        return;
    case HOP_POISON:
        if (action->deaths)
            log_limited(&up->poison_limit, LOG_LEVEL_ERROR,
                        "request %016llx was in flight at %u deaths of %s: refused, and its like for a minute",
                        (unsigned long long)action->id, action->deaths, up->options.stage);
        fail_call(up, call, CAUSE_POISON, "it was in flight at several deaths");
        return;
    }
}

static void act(struct upstream *up)
{
    struct hop_action action;
    while (hop_next(up->hop, &action)) {
        switch (action.type) {
        case HOP_SEND:
            send_call(up, &action);
            break;
        case HOP_PING:
            instances_ping(up->instances, action.peer);
            break;
        case HOP_ANSWER:
            answer_call(up, &action);
            break;
        }
    }
}

void upstream_turn(struct upstream *up)
{
    uint64_t now = clock_now();
    if (now - up->looked >= LOOK_EVERY) {
        up->looked = now;
        instances_find(up->instances, now);
    }
    /* Receive before time passes: what arrived while this process was frozen is not late. */
    bool whole = instances_receive(up->instances, now);
    if (now - up->ticked >= TICK_EVERY) {
        up->ticked = now;
        hop_tick(up->hop, now);
        gauge_part(up->ready, &up->ready_part, hop_ready(up->hop));
        gauge_part(up->pending, &up->pending_part, hop_pending(up->hop));
        gauge_part(up->waiting, &up->waiting_part, hop_waiting(up->hop));
    }
    /* What is received frees credit, which sends more; after some rounds the rest waits for the next turn. */
    act(up);
    for (int i = 0; i < ROUNDS && instances_touched(up->instances); i++) {
        whole &= instances_receive_touched(up->instances, now);
        act(up);
    }
    if (!whole || instances_touched(up->instances))
        instances_wake(up->instances);
}
