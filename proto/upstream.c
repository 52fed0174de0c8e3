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

/* A life of an instance; one DEALER and one monitor. Its index is the hop's number for it. */
struct instance {
    bool used;
    bool connected; /* the monitor said so; HELLO is sent */
    bool greeted;   /* its HELLO came: the hop knows it */
    bool listed;    /* seen at the last look at the registry */
    char name[2 * LIMIT_NAME + 2];
    uint64_t life;
    uint32_t protocol;
    zsock_t *dealer, *monitor;
};

/* A request in flight: what is needed to send it again, and whom to tell. */
struct call {
    struct call *spare;
    upstream_done *done;
    void *user;
    uint64_t id, sent; /* sent: when it was handed in, ns */
    enum message_type type;
    bool tried;         /* sent once already */
    struct buffer head; /* in PROTOCOL_NEWEST */
    zmq_msg_t body;
};

struct upstream {
    struct upstream_options options;
    struct hop *hop;
    struct instance instances[HOP_PEERS];
    struct call *spare;
    int epoll, wake; /* wake: an eventfd, raised when work was left for the next turn */
    uint64_t looked, ticked;
    struct frame_side side;
    struct message message; /* what this module itself says */
    struct counter *deaths, *again, *unknown, *late, *ready, *pending, *latency;
    struct log_limit poison_limit;
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
    struct epoll_event event = {.events = EPOLLIN};
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
        if (up->instances[i].used)
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
    for (struct call *call = up->spare, *next; call; call = next) {
        next = call->spare;
        free_call(call);
    }
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

static struct call *new_call(struct upstream *up)
{
    struct call *call = up->spare;
    if (call) {
        up->spare = call->spare;
        buffer_reset(&call->head);
        return call;
    }
    call = calloc(1, sizeof(*call));
    if (call) {
        call->head.limit = LIMIT_HEAD_BYTES;
        zmq_msg_init(&call->body);
    }
    return call;
}

static void spare_call(struct upstream *up, struct call *call)
{
    zmq_msg_close(&call->body);
    zmq_msg_init(&call->body);
    call->spare = up->spare;
    up->spare = call;
}

uint64_t upstream_send(struct upstream *up, struct message *message, zmq_msg_t *body, uint64_t key, bool again,
                       upstream_done *done, void *user)
{
    uint64_t now = clock_now();
    struct call *call = new_call(up);
    if (!call) {
        /* Without memory there is nobody to tell either: the process is at its end, and its neighbours send again. */
        log_error("out of memory");
        abort();
    }
    call->done = done;
    call->user = user;
    call->type = message->type;
    call->sent = now;
    call->tried = false;
    if (body)
        zmq_msg_move(&call->body, body);
    call->id = hop_submit(up->hop, now, message->deadline, key, again, call);
    message->id = call->id;
    message->deadline -= HOP_MARGIN;
    if (zmq_msg_size(&call->body) > up->side.part_max || !message_pack(message, PROTOCOL_NEWEST, &call->head))
        buffer_reset(&call->head); /* an empty head: found when it is to be sent */
    message->deadline += HOP_MARGIN;
    return call->id;
}

void upstream_forget(struct upstream *up, uint64_t id)
{
    struct call *call = hop_forget(up->hop, id);
    if (call)
        spare_call(up, call);
}

/* Tells whoever waits, with what we say ourselves: nobody answered. */
static void fail_call(struct upstream *up, struct call *call, enum cause cause, const char *text)
{
    struct message *m = &up->message;
    zmq_msg_t none;
    zmq_msg_init(&none);
    m->type = MESSAGE_FAILED;
    m->id = call->id;
    m->protocol = PROTOCOL_NEWEST;
    m->cause = str_of(cause_name(cause));
    m->text = str_of(text);
    upstream_done *done = call->done;
    void *user = call->user;
    spare_call(up, call);
    done(user, m, &none);
    zmq_msg_close(&none);
}

static void refuse_call(struct upstream *up, struct call *call)
{
    struct message *m = &up->message;
    zmq_msg_t none;
    zmq_msg_init(&none);
    m->type = MESSAGE_BUSY;
    m->id = call->id;
    m->protocol = PROTOCOL_NEWEST;
    m->retry_after = 1;
    upstream_done *done = call->done;
    void *user = call->user;
    spare_call(up, call);
    done(user, m, &none);
    zmq_msg_close(&none);
}

/* Instances. */

static void watch(struct upstream *up, zsock_t *socket)
{
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(up->epoll, EPOLL_CTL_ADD, zsock_fd(socket), &event);
}

static void open_instance(struct upstream *up, struct instance *instance, const struct registry_entry *entry)
{
    static _Atomic unsigned serial; /* names of monitors are the process's, and several loops have upstreams */
    char monitor[64];
    snprintf(monitor, sizeof(monitor), "inproc://monitor-%u", atomic_fetch_add(&serial, 1));
    instance->dealer = zsock_new(ZMQ_DEALER);
    instance->monitor = zsock_new(ZMQ_PAIR);
    if (!instance->dealer || !instance->monitor) {
        log_error("%s/%s: a ZeroMQ socket cannot be made: %s; trying again", up->options.stage, entry->instance,
                  zmq_strerror(zmq_errno()));
        zsock_destroy(&instance->dealer);
        zsock_destroy(&instance->monitor);
        return;
    }
    void *dealer = zsock_resolve(instance->dealer);
    frame_limit_socket(&up->side, dealer, (int)up->options.settings->queue);
    zsock_set_linger(instance->dealer, 0); /* what an instance has not read when we close is sent to another */
    zsock_set_immediate(instance->dealer, 1);
    zsock_set_reconnect_ivl(instance->dealer, 100);
    zmq_socket_monitor(dealer, monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    zsock_connect(instance->monitor, "%s", monitor);
    zsock_connect(instance->dealer, "ipc://%s", entry->path);
    instance->used = true;
    instance->listed = true;
    instance->life = entry->life;
    instance->protocol = PROTOCOL_OLDEST;
    snprintf(instance->name, sizeof(instance->name), "%s/%s", up->options.stage, entry->instance);
    watch(up, instance->dealer);
    watch(up, instance->monitor);
}

/* Its connection is gone, or it is not worth one. */
static void lose_instance(struct upstream *up, struct instance *instance, uint64_t now)
{
    unsigned number = (unsigned)(instance - up->instances);
    if (instance->greeted) {
        unsigned held = hop_in_flight(up->hop, number);
        if (held)
            count(up->deaths, 1);
        if (held)
            log_warning("%s is gone with %u requests; they are sent to another or wait", instance->name, held);
        else
            log_info("%s is gone", instance->name);
        hop_peer_died(up->hop, now, number);
    }
    close_instance(up, instance);
}

static void look_at_registry(struct upstream *up, uint64_t now)
{
    struct registry_entry entries[HOP_PEERS];
    int n = registry_list(up->options.settings->run_dir, up->options.stage, entries, HOP_PEERS);
    for (int i = 0; i < HOP_PEERS; i++)
        up->instances[i].listed = false;
    for (int e = 0; e < n; e++) {
        struct instance *unused = NULL, *known = NULL;
        for (int i = 0; i < HOP_PEERS && !known; i++) {
            struct instance *instance = &up->instances[i];
            if (!instance->used)
                unused = unused ? unused : instance;
            else if (instance->life == entries[e].life)
                known = instance;
        }
        if (known)
            known->listed = true;
        else if (unused)
            open_instance(up, unused, &entries[e]);
    }
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &up->instances[i];
        if (!instance->used || instance->listed)
            continue;
        if (instance->greeted)
            hop_peer_leaving(up->hop, now, (unsigned)i);
        else if (!instance->connected)
            close_instance(up, instance);
    }
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
}

/* Receiving. */

static void on_hello(struct upstream *up, struct instance *instance, const struct message *m, uint64_t now)
{
    uint32_t newest = frame_newest_protocol();
    if (m->oldest > newest || m->newest < PROTOCOL_OLDEST) {
        log_error("%s speaks protocols %u to %u, this is %u to %u: it gets no work", instance->name,
                  (unsigned)m->oldest, (unsigned)m->newest, PROTOCOL_OLDEST, newest);
        return;
    }
    instance->protocol = m->newest < newest ? (uint32_t)m->newest : newest;
    instance->greeted = true;
    log_info("%s takes work: process %u, credit %u, protocol %u, release " STR_FMT, instance->name, (unsigned)m->pid,
             (unsigned)m->credit, instance->protocol, STR_ARG(m->release));
    hop_peer_ready(up->hop, now, (unsigned)(instance - up->instances), (uint32_t)m->credit);
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
    upstream_done *done = call->done;
    void *whom = call->user;
    histogram(up->latency, now - call->sent);
    spare_call(up, call);
    done(whom, m, body);
}

static void on_message(struct upstream *up, struct instance *instance, const struct message *m, zmq_msg_t *body,
                       uint64_t now)
{
    unsigned number = (unsigned)(instance - up->instances);
    if (m->type == MESSAGE_HELLO) {
        on_hello(up, instance, m, now);
        return;
    }
    if (!instance->greeted) {
        frame_misplaced(&up->side, instance->name, m, "it said no HELLO");
        return;
    }
    switch ((int)m->type) {
    case MESSAGE_PONG:
        hop_peer_heard(up->hop, now, number, (uint32_t)m->credit);
        return;
    case MESSAGE_LEAVE:
        log_info("%s is leaving, with %u requests to finish", instance->name, hop_in_flight(up->hop, number));
        hop_peer_leaving(up->hop, now, number);
        say(up, instance, MESSAGE_BYE);
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

/* Reads what is there, `most` messages at most; false when more may be left. */
static bool receive(struct upstream *up, struct instance *instance, uint64_t now, int most)
{
    void *socket = zsock_resolve(instance->dealer);
    for (int i = 0; i < most; i++) {
        zmq_msg_t head, body;
        int events;
        size_t size = sizeof(events);
        if (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) < 0 || !(events & ZMQ_POLLIN))
            return true;
        if (frame_read(&up->side, socket, instance->name, &head, &body))
            on_message(up, instance, &up->side.message, &body, now);
        zmq_msg_close(&head);
        zmq_msg_close(&body);
    }
    return false;
}

/* What the monitor says: connected, or gone. False when the instance is gone. */
static bool look_at_monitor(struct upstream *up, struct instance *instance, uint64_t now)
{
    void *monitor = zsock_resolve(instance->monitor);
    for (;;) {
        zmq_msg_t event, address;
        zmq_msg_init(&event);
        if (zmq_msg_recv(&event, monitor, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&event);
            return true;
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
            instance->connected = true;
            say(up, instance, MESSAGE_HELLO);
        } else if (what == ZMQ_EVENT_DISCONNECTED) {
            /* The last answers of a dead instance are still readable; credit bounds how many. */
            receive(up, instance, now, INT32_MAX);
            lose_instance(up, instance, now);
            return false;
        }
    }
}

/* Sending. */

static void send_call(struct upstream *up, const struct hop_action *action)
{
    struct instance *instance = &up->instances[action->peer];
    struct call *call = action->user;
    zmq_msg_t body;
    if (!call->head.n) {
        if (hop_forget(up->hop, call->id))
            fail_call(up, call, CAUSE_INTERNAL, "the request is beyond the protocol's limits");
        return;
    }
    if (call->tried)
        count(up->again, 1);
    call->tried = true;
    zmq_msg_init(&body);
    zmq_msg_copy(&body, &call->body);
    void *socket = zsock_resolve(instance->dealer);
    /* When it cannot be sent (the connection is just breaking) it counts as in flight all the same: the death that follows frees it. */
    if (instance->protocol == PROTOCOL_NEWEST) {
        frame_write_packed(&up->side, socket, call->type, call->head.p, call->head.n, &body);
    } else {
        struct message *m = &up->message;
        message_unpack(call->head.p, call->head.n, m);
        frame_write(&up->side, socket, NULL, 0, m, instance->protocol, &body);
    }
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
        fail_call(up, call, hop_ready(up->hop) ? CAUSE_DEADLINE : CAUSE_UNAVAILABLE, "no answer in time");
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

static bool act(struct upstream *up)
{
    struct hop_action action;
    bool sent = false;
    while (hop_next(up->hop, &action)) {
        switch (action.type) {
        case HOP_SEND:
            send_call(up, &action);
            sent = true;
            break;
        case HOP_PING:
            say(up, &up->instances[action.peer], MESSAGE_PING);
            sent = true;
            break;
        case HOP_ANSWER:
            answer_call(up, &action);
            break;
        }
    }
    return sent;
}

void upstream_turn(struct upstream *up)
{
    uint64_t now = clock_now(), raised;
    bool all = true;
    if (read(up->wake, &raised, sizeof(raised)) < 0)
        raised = 0;
    if (now - up->looked >= LOOK_EVERY) {
        up->looked = now;
        look_at_registry(up, now);
    }
    /* Receive before time passes: what arrived while this process was frozen is not late. */
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &up->instances[i];
        if (instance->used && look_at_monitor(up, instance, now))
            all &= receive(up, instance, now, MESSAGES_TURN);
    }
    if (now - up->ticked >= TICK_EVERY) {
        up->ticked = now;
        hop_tick(up->hop, now);
        gauge(up->ready, hop_ready(up->hop));
        gauge(up->pending, hop_pending(up->hop));
    }
    /* A send can swallow the descriptor's edge: look once more, or answers would lie there for good. */
    for (int rounds = 0; act(up); rounds++) {
        for (int i = 0; i < HOP_PEERS; i++)
            if (up->instances[i].used)
                all &= receive(up, &up->instances[i], now, MESSAGES_TURN);
        if (rounds == 3) {
            all = false;
            break;
        }
    }
    if (!all)
        wake_later(up);
}
