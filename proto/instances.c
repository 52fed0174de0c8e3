/*
 * When a socket is looked at: libzmq's descriptor (ZMQ_FD) signals only to one who has looked and found nothing, and
 * every send may swallow the signal. So a new monitor is looked at before anybody waits for it; `receive` reads until
 * it finds nothing, or says that more may be left, and then upstream wakes itself; a send sets `touched`, and what is
 * touched is looked at once more before the owner sleeps, or messages would lie there for good.
 */
#include "instances.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "frame.h"
#include "inspect.h"
#include "log.h"
#include "registry.h"
#include "stage.h"

#define MESSAGES_TURN 256          /* received from one instance in one turn at most */
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
    struct peer_row *row; /* where it is shown; NULL: nowhere */
    zsock_t *dealer, *monitor;
};

/* What the epoll says of a descriptor: twice an instance's number, plus MONITOR for that one of its sockets; or WAKE.
 */
#define MONITOR 1u
#define WAKE    UINT32_MAX

struct instances {
    struct upstream_options options;
    struct hop *hop;
    instances_answer *on_answer;
    void *user;
    struct instance instance[HOP_PEERS];
    struct registry_entry entries[LIST_MAX]; /* of one look */
    int epoll, wake;                         /* wake: an eventfd, raised when work was left for the next turn */
    struct frame_side side;
    struct message message; /* what is said here: large, so not on the stack */
    struct counter *deaths;
    struct log_limit registry_limit, socket_limit;
};

static const char *name_peer(const void *owner, void *socket, const void *routing_id, size_t n)
{
    const struct instances *all = owner;
    (void)routing_id, (void)n;
    for (int i = 0; i < HOP_PEERS; i++)
        if (all->instance[i].dealer && zsock_resolve(all->instance[i].dealer) == socket)
            return all->instance[i].name;
    return "?";
}

struct instances *instances_new(const struct upstream_options *options, struct hop *hop, instances_answer *on_answer,
                                void *user)
{
    struct instances *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->options = *options;
    all->hop = hop;
    all->on_answer = on_answer;
    all->user = user;
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = WAKE};
    if (all->epoll < 0 || all->wake < 0 || epoll_ctl(all->epoll, EPOLL_CTL_ADD, all->wake, &event) < 0) {
        int error = errno;
        instances_free(&all);
        errno = error;
        return NULL;
    }
    frame_open(&all->side, options->side, options->settings);
    frame_name_peers(&all->side, name_peer, all);
    all->deaths = counter_of(options->side, "deaths", COUNTER_SUM);
    return all;
}

/* What others may see. */

static enum peer_standing standing_of(const struct instances *all, const struct instance *instance)
{
    switch (instance->state) {
    case UNUSED:
        break;
    case CONNECTING:
        return PEER_CONNECTING;
    case CONNECTED:
        return PEER_CONNECTED;
    case FOREIGN:
        return PEER_FOREIGN;
    case GREETED:
        if (hop_hung(all->hop, (unsigned)(instance - all->instance)))
            return PEER_HUNG;
        return instance->leaving || !instance->listed ? PEER_LEAVING : PEER_READY;
    }
    return PEER_UNUSED;
}

static void show(const struct instances *all, struct instance *instance)
{
    struct peer_row *row = instance->row;
    unsigned number = (unsigned)(instance - all->instance);
    if (!row)
        return;
    row->protocol = instance->protocol;
    row->credit = hop_credit(all->hop, number);
    row->in_flight = hop_in_flight(all->hop, number);
    atomic_store(&row->standing, standing_of(all, instance));
}

static void show_first(const struct instances *all, struct instance *instance)
{
    struct peer_row *row = instance->row = peer_row_take();
    if (!row)
        return;
    row->pid = 0;
    row->since = instance->opened;
    row->release[0] = '\0';
    snprintf(row->from, sizeof(row->from), "%s/%s", all->options.own_stage, all->options.own_instance);
    snprintf(row->to, sizeof(row->to), "%.*s", (int)sizeof(row->to) - 1, instance->name);
    show(all, instance);
}

static void close_instance(struct instances *all, struct instance *instance)
{
    if (instance->row)
        atomic_store(&instance->row->standing, PEER_UNUSED);
    zmq_socket_monitor(zsock_resolve(instance->dealer), NULL, 0);
    epoll_ctl(all->epoll, EPOLL_CTL_DEL, zsock_fd(instance->dealer), NULL);
    epoll_ctl(all->epoll, EPOLL_CTL_DEL, zsock_fd(instance->monitor), NULL);
    zsock_destroy(&instance->monitor);
    zsock_destroy(&instance->dealer);
    *instance = (struct instance){0};
}

void instances_free(struct instances **slot)
{
    struct instances *all = *slot;
    if (!all)
        return;
    for (int i = 0; i < HOP_PEERS; i++)
        if (all->instance[i].state != UNUSED)
            close_instance(all, &all->instance[i]);
    frame_close(&all->side);
    if (all->epoll >= 0)
        close(all->epoll);
    if (all->wake >= 0)
        close(all->wake);
    free(all);
    *slot = NULL;
}

int instances_fd(const struct instances *all)
{
    return all->epoll;
}

void instances_wake(struct instances *all)
{
    uint64_t one = 1;
    if (write(all->wake, &one, sizeof(one)) < 0)
        log_debug("the wake-up of the hop to %s is raised already", all->options.stage);
}

void instances_inspect(struct instances *all, struct inspect *inspect)
{
    inspect_add(inspect, &all->side);
}

static unsigned number_of(const struct instances *all, const struct instance *instance)
{
    return (unsigned)(instance - all->instance);
}

/* Sending. */

uint64_t instances_body_max(const struct instances *all)
{
    return all->side.part_max;
}

bool instances_send(struct instances *all, unsigned number, enum message_type type, const struct buffer *head,
                    zmq_msg_t *body)
{
    struct instance *instance = &all->instance[number];
    void *socket = zsock_resolve(instance->dealer);
    instance->touched = true;
    if (instance->protocol == PROTOCOL_NEWEST)
        return frame_write_packed(&all->side, socket, NULL, 0, type, head, body);
    message_unpack(head->p, head->n, &all->message); /* cannot fail: message_pack made it */
    return frame_write(&all->side, socket, NULL, 0, &all->message, instance->protocol, body);
}

static void say(struct instances *all, struct instance *instance, enum message_type type)
{
    struct message *m = &all->message;
    m->type = type;
    m->id = 0;
    m->stage = str_of(all->options.own_stage);
    m->instance = str_of(all->options.own_instance);
    m->oldest = PROTOCOL_OLDEST;
    m->newest = frame_newest_protocol();
    m->credit = 0;
    m->pid = (uint64_t)getpid();
    m->release = STR(FILMYFLY_RELEASE);
    frame_write(&all->side, zsock_resolve(instance->dealer), NULL, 0, m, instance->protocol, NULL);
    instance->touched = true;
}

void instances_ping(struct instances *all, unsigned number)
{
    say(all, &all->instance[number], MESSAGE_PING);
}

/* Receiving. */

static void on_hello(struct instances *all, struct instance *instance, const struct message *m, uint64_t now)
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
    if (instance->row) {
        instance->row->pid = m->pid;
        snprintf(instance->row->release, sizeof(instance->row->release), STR_FMT, STR_ARG(m->release));
    }
    hop_peer_ready(all->hop, now, number_of(all, instance), (uint32_t)m->credit);
}

static void on_leave(struct instances *all, struct instance *instance, uint64_t now)
{
    unsigned number = number_of(all, instance);
    if (!instance->leaving)
        log_info("%s is leaving, with %u requests to finish", instance->name, hop_in_flight(all->hop, number));
    instance->leaving = true;
    hop_peer_leaving(all->hop, now, number);
    say(all, instance, MESSAGE_BYE);
}

static void on_message(struct instances *all, struct instance *instance, const struct message *m, zmq_msg_t *body,
                       uint64_t now)
{
    unsigned number = number_of(all, instance);
    if (m->type == MESSAGE_HELLO) {
        on_hello(all, instance, m, now);
        return;
    }
    if (instance->state != GREETED) {
        frame_misplaced(&all->side, instance->name, m, "it said no HELLO");
        return;
    }
    switch ((int)m->type) {
    case MESSAGE_PONG:
        hop_peer_heard(all->hop, now, number, (uint32_t)m->credit);
        return;
    case MESSAGE_LEAVE:
        on_leave(all, instance, now);
        return;
    case MESSAGE_RESPONSE:
    case MESSAGE_RESULT:
    case MESSAGE_BUSY:
    case MESSAGE_FAILED:
    case MESSAGE_REFUSED:
        if (!all->on_answer(all->user, number, m, body, now))
            frame_misplaced(&all->side, instance->name, m, "no answer to what was asked");
        return;
    }
    frame_misplaced(&all->side, instance->name, m, "not for this side of a hop");
}

/* Reads what is there, `most` messages at most; false when more may be left. Otherwise it ends with a look that found
 * nothing, so from then on the descriptor tells of the next message (until something is sent). */
static bool receive(struct instances *all, struct instance *instance, uint64_t now, int most)
{
    void *socket = zsock_resolve(instance->dealer);
    instance->touched = false;
    for (int i = 0; i < most; i++) {
        zmq_msg_t head, body;
        enum frame_found found = frame_read(&all->side, socket, instance->name, &head, &body);
        if (found == FRAME_GOOD)
            on_message(all, instance, &all->side.message, &body, now);
        zmq_msg_close(&head);
        zmq_msg_close(&body);
        if (found == FRAME_NONE)
            return true;
    }
    return false;
}

/* Its connection is gone. */
static void lose_instance(struct instances *all, struct instance *instance, uint64_t now)
{
    unsigned number = number_of(all, instance);
    if (instance->state == GREETED) {
        unsigned held = hop_in_flight(all->hop, number);
        if (held) {
            count(all->deaths, 1);
            log_warning("%s is gone with %u requests; they are sent to another or wait", instance->name, held);
        } else {
            log_info("%s is gone", instance->name);
        }
        hop_peer_died(all->hop, now, number);
    }
    close_instance(all, instance);
}

/* What the monitor says: connected, or gone. */
static void look_at_monitor(struct instances *all, struct instance *instance, uint64_t now)
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
            say(all, instance, MESSAGE_HELLO);
        } else if (what == ZMQ_EVENT_DISCONNECTED) {
            /* The last answers of a dead instance are still readable; credit bounds how many. */
            receive(all, instance, now, INT32_MAX);
            lose_instance(all, instance, now);
            return;
        }
    }
}

/* A look at a socket whose descriptor does not tell costs two calls of the kernel, so only the others are looked at. */
bool instances_receive(struct instances *all, uint64_t now)
{
    struct epoll_event ready[2 * HOP_PEERS + 1];
    bool whole = true;
    int n = epoll_wait(all->epoll, ready, 2 * HOP_PEERS + 1, 0);
    for (int i = 0; i < n; i++) {
        uint32_t what = ready[i].data.u32;
        uint64_t raised;
        if (what == WAKE) {
            /* It does not say whose messages were left. */
            if (read(all->wake, &raised, sizeof(raised)) > 0)
                for (int k = 0; k < HOP_PEERS; k++)
                    all->instance[k].touched = all->instance[k].state != UNUSED;
            continue;
        }
        struct instance *instance = &all->instance[what / 2];
        if (instance->state == UNUSED)
            continue; /* closed a moment ago, by its other socket's event */
        if (what & MONITOR)
            look_at_monitor(all, instance, now);
        else
            whole &= receive(all, instance, now, MESSAGES_TURN);
    }
    return whole;
}

bool instances_receive_touched(struct instances *all, uint64_t now)
{
    bool whole = true;
    for (int i = 0; i < HOP_PEERS; i++)
        if (all->instance[i].touched)
            whole &= receive(all, &all->instance[i], now, MESSAGES_TURN);
    return whole;
}

bool instances_touched(const struct instances *all)
{
    bool any = false;
    for (int i = 0; i < HOP_PEERS; i++)
        any |= all->instance[i].touched;
    return any;
}

/* Finding. */

static void watch(struct instances *all, int descriptor, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    epoll_ctl(all->epoll, EPOLL_CTL_ADD, descriptor, &event);
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

static void open_instance(struct instances *all, struct instance *instance, const struct registry_entry *entry,
                          uint64_t now)
{
    *instance = (struct instance){
        .state = CONNECTING, .listed = true, .life = entry->life, .opened = now, .protocol = PROTOCOL_OLDEST};
    snprintf(instance->name, sizeof(instance->name), "%s/%s", all->options.stage, entry->instance);
    if (!connect_instance(instance, &all->side, entry->path)) {
        log_limited(&all->socket_limit, LOG_LEVEL_ERROR, "%s cannot be connected to: %s; trying again", instance->name,
                    zmq_strerror(zmq_errno()));
        zsock_destroy(&instance->monitor);
        zsock_destroy(&instance->dealer);
        instance->state = UNUSED;
        return;
    }
    watch(all, zsock_fd(instance->dealer), number_of(all, instance) * 2);
    watch(all, zsock_fd(instance->monitor), number_of(all, instance) * 2 + MONITOR);
    show_first(all, instance);
    look_at_monitor(all, instance, now);
}

/* Connects to a life that was not known. Without a free place it takes that of one to which no connection could be
 * made. */
static void meet(struct instances *all, const struct registry_entry *entry, uint64_t now)
{
    struct instance *place = NULL;
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &all->instance[i];
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
        close_instance(all, place);
    open_instance(all, place, entry, now);
}

void instances_find(struct instances *all, uint64_t now)
{
    const char *run_dir = all->options.settings->run_dir;
    int n = registry_list(run_dir, all->options.stage, all->entries, LIST_MAX);
    bool whole = n < 0 ? errno == ENOENT : n < LIST_MAX;
    if (n < 0 && !whole)
        log_limited(&all->registry_limit, LOG_LEVEL_ERROR, "%s/%s cannot be read: %s; the instances known are kept",
                    run_dir, all->options.stage, strerror(errno));
    for (int i = 0; i < HOP_PEERS; i++)
        all->instance[i].listed = !whole; /* who is not in half a list has not gone */
    for (int e = 0; e < n; e++)
        meet(all, &all->entries[e], now);
    for (int i = 0; i < HOP_PEERS; i++) {
        struct instance *instance = &all->instance[i];
        if (instance->state == CONNECTED)
            say(all, instance, MESSAGE_HELLO); /* once more: it may have had no room for a new neighbour */
        else if (instance->state == GREETED && !instance->listed)
            hop_peer_leaving(all->hop, now, (unsigned)i);
        else if (instance->state == CONNECTING && (!instance->listed || now - instance->opened > CONNECT_FOR))
            close_instance(all, instance);
        show(all, instance);
    }
}
