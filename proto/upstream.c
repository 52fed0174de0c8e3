#include "upstream.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "frame.h"
#include "hop.h"
#include "log.h"
#include "registry.h"
#include "stage.h"

#define LOOK_EVERY    (200 * MILLISECOND) /* at the registry */
#define TICK_EVERY    (20 * MILLISECOND)
#define MESSAGES_TURN 256 /* received from one instance in one turn at most */
#define HOP_MARGIN    (20 * MILLISECOND)
#define LIST_MAX      256          /* instances in the registry, dead ones too */
#define CONNECT_FOR   (2 * SECOND) /* a connection that is not made by then will not be */
#define RECONNECT_MS  3600000      /* never: each connection has a DEALER of its own */
#define UNREAD_MAX    8192 /* messages on their way to an instance; the hop gives it no more requests than half of it */

enum instance_state {
    UNUSED,
    CONNECTING,
    CONNECTED, /* the monitor said so; HELLO is said until it is answered */
    GREETED,   /* its HELLO came: the hop knows it */
    FOREIGN,   /* it speaks no protocol of ours */
};

/* A life of an instance; one DEALER and one monitor. Its index is the hop's number for it. */
struct instance {
    enum instance_state state;
    bool listed;  /* seen at the last look at the registry */
    bool leaving; /* it said so */
    bool touched; /* something was sent to it since the last look that found nothing */
    char name[2 * LIMIT_NAME + 2];
    uint64_t life, opened; /* opened: ns */
    uint32_t protocol;
    zsock_t *dealer, *monitor;
};

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

/* What the epoll says of a descriptor: twice an instance's number, plus MONITOR for that one of its sockets; or WAKE.
 */
#define MONITOR 1u
#define WAKE    UINT32_MAX

struct upstream {
    struct upstream_options options;
    struct hop *hop;
    struct instance instances[HOP_PEERS];
    struct registry_entry entries[LIST_MAX]; /* of one look */
    int epoll, wake;                         /* wake: an eventfd, raised when work was left for the next turn */
    uint64_t looked, ticked;
    struct frame_side side;
    struct message message; /* what this module itself says */
    struct counter *deaths, *again, *unknown, *late, *ready, *pending, *latency;
    struct log_limit poison_limit, registry_limit, socket_limit;
};

uint64_t upstream_key(uint64_t seed, struct str bytes)
{
    static uint64_t offset; /* per process, so that nobody outside can choose two targets with one key */
    if (!offset && getrandom(&offset, sizeof(offset), 0) != sizeof(offset))
        offset = 14695981039346656037ull;
    uint64_t hash = seed ? seed : offset | 1;
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
        up->epoll = epoll_create1(EPOLL_CLOEXEC);
        up->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (getrandom(&first_id, sizeof(first_id), 0) == sizeof(first_id))
            up->hop = hop_new(&limits, first_id);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = WAKE};
    if (!up || !up->hop || up->epoll < 0 || up->wake < 0 || epoll_ctl(up->epoll, EPOLL_CTL_ADD, up->wake, &event) < 0) {
        snprintf(error, error_size, "the hop to %s cannot be made: %s", options->stage, strerror(errno));
        upstream_free(&up);
        return NULL;
    }
    frame_open(&up->side, "right", options->settings);
    up->deaths = counter("right.deaths", COUNTER_SUM);
    up->again = counter("right.sent-again", COUNTER_SUM);
    up->unknown = counter("right.dropped.unknown-id", COUNTER_SUM);
    up->late = counter("right.given-up", COUNTER_SUM);
    up->ready = counter("right.ready", COUNTER_GAUGE);
    up->pending = counter("right.pending", COUNTER_GAUGE);
    up->latency = counter("right.answered.ns", COUNTER_HISTOGRAM);
    return up;
}

static void close_instance(struct upstream *up, struct instance *instance)
{
    zmq_socket_monitor(zsock_resolve(instance->dealer), NULL, 0);
    epoll_ctl(up->epoll, EPOLL_CTL_DEL, zsock_fd(instance->dealer), NULL);
    epoll_ctl(up->epoll, EPOLL_CTL_DEL, zsock_fd(instance->monitor), NULL);
    zsock_destroy(&instance->monitor);
    zsock_destroy(&instance->dealer);
    *instance = (struct instance){0};
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
    for (int i = 0; i < HOP_PEERS; i++)
        if (up->instances[i].state != UNUSED)
            close_instance(up, &up->instances[i]);
    if (up->hop) {
        /* Far in the future every deadline is over: the hop gives back every user that is still open. */
        struct hop_action action;
        hop_tick(up->hop, UINT64_MAX);
        while (hop_next(up->hop, &action))
            if (action.type == HOP_ANSWER)
                free_call(action.user);
    }
    hop_free(&up->hop);
    frame_close(&up->side);
    if (up->epoll >= 0)
        close(up->epoll);
    if (up->wake >= 0)
        close(up->wake);
    free(up);
    *slot = NULL;
}

int upstream_fd(const struct upstream *up)
{
    return up->epoll;
}

unsigned upstream_ready(const struct upstream *up)
{
    return hop_ready(up->hop);
}

unsigned upstream_pending(const struct upstream *up)
{
    return hop_pending(up->hop);
}

static void wake_later(struct upstream *up)
{
    uint64_t one = 1;
    if (write(up->wake, &one, sizeof(one)) < 0)
        log_debug("the wake-up of the hop to %s is raised already", up->options.stage);
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
    if (zmq_msg_size(&call->body) > up->side.part_max || !message_pack(message, PROTOCOL_NEWEST, &call->head))
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

/* Instances. */

static void watch(struct upstream *up, int descriptor, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    epoll_ctl(up->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static bool connect_instance(struct instance *instance, const struct frame_side *side, const char *path)
{
    static _Atomic unsigned serial; /* names of monitors are the process's, and several loops have upstreams */
    char monitor[64];
    snprintf(monitor, sizeof(monitor), "inproc://monitor-%u", atomic_fetch_add(&serial, 1));
    instance->dealer = zsock_new(ZMQ_DEALER);
    instance->monitor = zsock_new(ZMQ_PAIR);
    if (!instance->dealer || !instance->monitor)
        return false;
    void *dealer = zsock_resolve(instance->dealer);
    frame_limit_socket(side, dealer, UNREAD_MAX);
    zsock_set_linger(instance->dealer, 0); /* what an instance has not read when we close is sent to another */
    zsock_set_reconnect_ivl(instance->dealer, RECONNECT_MS);
    return zmq_socket_monitor(dealer, monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) == 0 &&
           zsock_connect(instance->monitor, "%s", monitor) == 0 &&
           zsock_connect(instance->dealer, "ipc://%s", path) == 0;
}

static void look_at_monitor(struct upstream *up, struct instance *instance, uint64_t now);

static void open_instance(struct upstream *up, struct instance *instance, const struct registry_entry *entry,
                          uint64_t now)
{
    *instance = (struct instance){
        .state = CONNECTING, .listed = true, .life = entry->life, .opened = now, .protocol = PROTOCOL_OLDEST};
    snprintf(instance->name, sizeof(instance->name), "%s/%s", up->options.stage, entry->instance);
    if (!connect_instance(instance, &up->side, entry->path)) {
        log_limited(&up->socket_limit, LOG_LEVEL_ERROR, "%s cannot be connected to: %s; trying again", instance->name,
                    zmq_strerror(zmq_errno()));
        zsock_destroy(&instance->monitor);
        zsock_destroy(&instance->dealer);
        instance->state = UNUSED;
        return;
    }
    watch(up, zsock_fd(instance->dealer), (uint32_t)(instance - up->instances) * 2);
    watch(up, zsock_fd(instance->monitor), (uint32_t)(instance - up->instances) * 2 + MONITOR);
    /* libzmq signals only to who has looked and found nothing. */
    look_at_monitor(up, instance, now);
}

/* Its connection is gone, or it is not worth one. */
static void lose_instance(struct upstream *up, struct instance *instance, uint64_t now)
{
    unsigned number = (unsigned)(instance - up->instances);
    if (instance->state == GREETED) {
        unsigned held = hop_in_flight(up->hop, number);
        if (held) {
            count(up->deaths, 1);
            log_warning("%s is gone with %u requests; they are sent to another or wait", instance->name, held);
        } else {
            log_info("%s is gone", instance->name);
        }
        hop_peer_died(up->hop, now, number);
    }
    close_instance(up, instance);
}

/* Connects to a life that was not known. Without a free place it takes that of one to which no connection could be
 * made. */
static void meet(struct upstream *up, const struct registry_entry *entry, uint64_t now)
{
    struct instance *place = NULL;
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &up->instances[i];
        if (instance->state != UNUSED && instance->life == entry->life) {
            instance->listed = true;
            return;
        }
        bool dead = instance->state == CONNECTING && now - instance->opened > CONNECT_FOR;
        if (instance->state == UNUSED || (dead && !place))
            place = instance;
    }
    if (!place)
        return;
    if (place->state != UNUSED)
        close_instance(up, place);
    open_instance(up, place, entry, now);
}

static void say(struct upstream *up, struct instance *instance, enum message_type type)
{
    struct message *m = &up->message;
    m->type = type;
    m->id = 0;
    m->stage = str_of(up->options.own_stage);
    m->instance = str_of(up->options.own_instance);
    m->oldest = PROTOCOL_OLDEST;
    m->newest = frame_newest_protocol();
    m->credit = 0;
    m->pid = (uint64_t)getpid();
    m->release = STR(FILMYFLY_RELEASE);
    frame_write(&up->side, zsock_resolve(instance->dealer), NULL, 0, m, instance->protocol, NULL);
    instance->touched = true;
}

static void look_at_registry(struct upstream *up, uint64_t now)
{
    const char *run_dir = up->options.settings->run_dir;
    int n = registry_list(run_dir, up->options.stage, up->entries, LIST_MAX);
    bool whole = n < 0 ? errno == ENOENT : n < LIST_MAX;
    if (n < 0 && !whole)
        log_limited(&up->registry_limit, LOG_LEVEL_ERROR, "%s/%s cannot be read: %s; the instances known are kept",
                    run_dir, up->options.stage, strerror(errno));
    for (int i = 0; i < HOP_PEERS; i++)
        up->instances[i].listed = !whole; /* who is not in half a list has not gone */
    for (int e = 0; e < n; e++)
        meet(up, &up->entries[e], now);
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &up->instances[i];
        if (instance->state == CONNECTED)
            say(up, instance, MESSAGE_HELLO); /* once more: it may have had no room for a new neighbour */
        else if (instance->state == GREETED && !instance->listed)
            hop_peer_leaving(up->hop, now, (unsigned)i);
        else if (instance->state == CONNECTING && (!instance->listed || now - instance->opened > CONNECT_FOR))
            close_instance(up, instance);
    }
}

/* Receiving. */

static void on_hello(struct upstream *up, struct instance *instance, const struct message *m, uint64_t now)
{
    uint32_t newest = frame_newest_protocol();
    if (m->oldest > newest || m->newest < PROTOCOL_OLDEST) {
        if (instance->state == CONNECTED) {
            log_error("%s speaks protocols %u to %u, this is %u to %u: it gets no work", instance->name,
                      (unsigned)m->oldest, (unsigned)m->newest, PROTOCOL_OLDEST, newest);
            instance->state = FOREIGN;
        }
        return;
    }
    instance->protocol = m->newest < newest ? (uint32_t)m->newest : newest;
    if (instance->state != GREETED)
        log_info("%s takes work: process %u, credit %u, protocol %u, release " STR_FMT, instance->name,
                 (unsigned)m->pid, (unsigned)m->credit, instance->protocol, STR_ARG(m->release));
    instance->state = GREETED;
    hop_peer_ready(up->hop, now, (unsigned)(instance - up->instances), (uint32_t)m->credit);
}

static void on_leave(struct upstream *up, struct instance *instance, uint64_t now)
{
    unsigned number = (unsigned)(instance - up->instances);
    if (!instance->leaving)
        log_info("%s is leaving, with %u requests to finish", instance->name, hop_in_flight(up->hop, number));
    instance->leaving = true;
    hop_peer_leaving(up->hop, now, number);
    say(up, instance, MESSAGE_BYE);
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

static void on_answer(struct upstream *up, struct instance *instance, const struct message *m, zmq_msg_t *body,
                      uint64_t now)
{
    void *user;
    if (!hop_reply(up->hop, now, (unsigned)(instance - up->instances), m->id, m->type == MESSAGE_BUSY, &user)) {
        if (m->type != MESSAGE_BUSY)
            count(up->unknown, 1);
        return;
    }
    struct call *call = user;
    histogram(up->latency, clock_now() - call->sent); /* it may have been sent after `now` */
    if (is_answer_to(call->type, m->type)) {
        finish_call(call, m, body);
    } else {
        frame_misplaced(&up->side, instance->name, m, "no answer to what was asked");
        fail_call(up, call, CAUSE_INTERNAL, "it was answered with a message of another kind");
    }
}

static void on_message(struct upstream *up, struct instance *instance, const struct message *m, zmq_msg_t *body,
                       uint64_t now)
{
    unsigned number = (unsigned)(instance - up->instances);
    if (m->type == MESSAGE_HELLO) {
        on_hello(up, instance, m, now);
        return;
    }
    if (instance->state != GREETED) {
        frame_misplaced(&up->side, instance->name, m, "it said no HELLO");
        return;
    }
    switch ((int)m->type) {
    case MESSAGE_PONG:
        hop_peer_heard(up->hop, now, number, (uint32_t)m->credit);
        return;
    case MESSAGE_LEAVE:
        on_leave(up, instance, now);
        return;
    case MESSAGE_RESPONSE:
    case MESSAGE_RESULT:
    case MESSAGE_BUSY:
    case MESSAGE_FAILED:
    case MESSAGE_REFUSED:
        on_answer(up, instance, m, body, now);
        return;
    }
    frame_misplaced(&up->side, instance->name, m, "not for this side of a hop");
}

/*
 * Reads what is there, `most` messages at most; false when more may be left. It ends with a look that found nothing, so
 * from then on the descriptor tells of the next message (until something is sent: `touched`).
 */
static bool receive(struct upstream *up, struct instance *instance, uint64_t now, int most)
{
    void *socket = zsock_resolve(instance->dealer);
    instance->touched = false;
    for (int i = 0; i < most; i++) {
        zmq_msg_t head, body;
        enum frame_found found = frame_read(&up->side, socket, instance->name, &head, &body);
        if (found == FRAME_GOOD)
            on_message(up, instance, &up->side.message, &body, now);
        zmq_msg_close(&head);
        zmq_msg_close(&body);
        if (found == FRAME_NONE)
            return true;
    }
    return false;
}

/* What the monitor says: connected, or gone. */
static void look_at_monitor(struct upstream *up, struct instance *instance, uint64_t now)
{
    void *monitor = zsock_resolve(instance->monitor);
    for (;;) {
        zmq_msg_t event, address;
        zmq_msg_init(&event);
        if (zmq_msg_recv(&event, monitor, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&event);
            return;
        }
        uint16_t what = 0;
        if (zmq_msg_size(&event) >= sizeof(what))
            memcpy(&what, zmq_msg_data(&event), sizeof(what));
        zmq_msg_init(&address);
        if (zmq_msg_more(&event))
            zmq_msg_recv(&address, monitor, ZMQ_DONTWAIT);
        zmq_msg_close(&event);
        zmq_msg_close(&address);

        if (what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            instance->state = CONNECTED;
            say(up, instance, MESSAGE_HELLO);
        } else if (what == ZMQ_EVENT_DISCONNECTED) {
            /* The last answers of a dead instance are still readable; credit bounds how many. */
            receive(up, instance, now, INT32_MAX);
            lose_instance(up, instance, now);
            return;
        }
    }
}

/* Sending. */

static void send_call(struct upstream *up, const struct hop_action *action)
{
    struct instance *instance = &up->instances[action->peer];
    struct call *call = action->user;
    void *user, *socket = zsock_resolve(instance->dealer);
    if (!call->head.n) {
        if (hop_reply(up->hop, clock_now(), action->peer, call->id, false, &user))
            fail_call(up, call, CAUSE_INTERNAL, "the request is beyond the protocol's limits");
        return;
    }
    zmq_msg_t body;
    zmq_msg_init(&body);
    zmq_msg_copy(&body, &call->body);
    bool sent;
    if (instance->protocol == PROTOCOL_NEWEST) {
        sent = frame_write_packed(&up->side, socket, NULL, 0, call->type, &call->head, &body);
    } else {
        message_unpack(call->head.p, call->head.n, &up->message); /* cannot fail: message_pack made it */
        sent = frame_write(&up->side, socket, NULL, 0, &up->message, instance->protocol, &body);
    }
    instance->touched = true;
    /* Not sent: too much lies there unread. It is as if it had said so itself. */
    if (!sent)
        hop_reply(up->hop, clock_now(), action->peer, call->id, true, &user);
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
            say(up, &up->instances[action.peer], MESSAGE_PING);
            break;
        case HOP_ANSWER:
            answer_call(up, &action);
            break;
        }
    }
}

/* Looks at the sockets whose descriptors are readable: a look at one that is not costs two calls of the kernel. False
 * when work is left. */
static bool look_at_sockets(struct upstream *up, uint64_t now)
{
    struct epoll_event ready[2 * HOP_PEERS + 1];
    bool all = true;
    int n = epoll_wait(up->epoll, ready, 2 * HOP_PEERS + 1, 0);
    for (int i = 0; i < n; i++) {
        uint32_t what = ready[i].data.u32;
        uint64_t raised;
        if (what == WAKE) {
            /* It does not say whose messages were left. */
            if (read(up->wake, &raised, sizeof(raised)) > 0)
                for (int k = 0; k < HOP_PEERS; k++)
                    up->instances[k].touched = up->instances[k].state != UNUSED;
            continue;
        }
        struct instance *instance = &up->instances[what / 2];
        if (instance->state == UNUSED)
            continue; /* closed a moment ago, by its other socket's event */
        if (what & MONITOR)
            look_at_monitor(up, instance, now);
        else
            all &= receive(up, instance, now, MESSAGES_TURN);
    }
    return all;
}

/* A send can swallow the descriptor's edge: look once more, or answers would lie there for good. False when work is
 * left. */
static bool look_at_touched(struct upstream *up, uint64_t now)
{
    bool all = true;
    for (int i = 0; i < HOP_PEERS; i++)
        if (up->instances[i].touched)
            all &= receive(up, &up->instances[i], now, MESSAGES_TURN);
    return all;
}

static bool is_touched(const struct upstream *up)
{
    bool any = false;
    for (int i = 0; i < HOP_PEERS; i++)
        any |= up->instances[i].touched;
    return any;
}

void upstream_turn(struct upstream *up)
{
    uint64_t now = clock_now();
    if (now - up->looked >= LOOK_EVERY) {
        up->looked = now;
        look_at_registry(up, now);
    }
    /* Receive before time passes: what arrived while this process was frozen is not late. */
    bool all = look_at_sockets(up, now);
    if (now - up->ticked >= TICK_EVERY) {
        up->ticked = now;
        hop_tick(up->hop, now);
        gauge(up->ready, hop_ready(up->hop));
        gauge(up->pending, hop_pending(up->hop));
    }
    /* What is received frees credit, which sends more; after some rounds the rest waits for the next turn. */
    act(up);
    for (int rounds = 0; rounds < 3 && is_touched(up); rounds++) {
        all &= look_at_touched(up, now);
        act(up);
    }
    if (!all || is_touched(up))
        wake_later(up);
}
