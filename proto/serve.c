#include "serve.h"

#include <ctype.h>
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
#include "stage.h"

#define PEERS_MAX      256
#define PEER_GONE      (30 * SECOND) /* a left side pings five times a second; after this its entry may be another's */
#define PEER_SILENT    SECOND        /* the same when all entries are taken */
#define MESSAGES_TURN  256           /* received in one turn at most, so that the loop's other work is not starved */
#define BYE_PATIENCE   SECOND
#define ROUTING_ID_MAX 255 /* ZeroMQ's own limit */
#define OUTBOX         16  /* answers that wait to be sent together: one by one each wakes libzmq's thread */

/* A left neighbour, as far as it is known: a ROUTER is not told of connections. */
struct peer {
    unsigned char routing_id[ROUTING_ID_MAX];
    size_t routing_id_n;
    char name[2 * LIMIT_NAME + 2]; /* "cacher/1", or "?" before its HELLO */
    uint32_t protocol;             /* to answer it in */
    uint64_t heard;                /* ns */
    uint32_t held; /* its open tickets; they point here, so the entry is its own until they are closed */
    bool bye;
};

struct ticket {
    struct ticket *next, *previous; /* in serve.open */
    struct peer *peer;
    uint64_t id, deadline, arrived;
};

struct outgoing {
    unsigned char routing_id[ROUTING_ID_MAX];
    size_t routing_id_n;
    enum message_type type;
    struct buffer head; /* its memory is kept for the next */
    zmq_msg_t body;
};

struct serve {
    struct serve_options options;
    zsock_t *router;
    void *socket; /* the same, raw: a message costs 86 ns raw and 450 as a zmsg */
    int epoll,
        wake;     /* the descriptor shown to the owner; an eventfd in it, raised when work was left for the next turn */
    bool touched; /* something was sent since the last look that found nothing: the descriptor's edge may be gone */
    struct outgoing outbox[OUTBOX];
    unsigned outbox_n;
    struct peer peers[PEERS_MAX];
    uint32_t peers_n;
    struct ticket *open;
    uint32_t held;
    bool draining, leaving; /* takes no new work; has let its name go too */
    uint64_t draining_since;
    struct frame_side side;
    struct message answer; /* what this module itself says: large, so not on the stack */
    struct counter *late, *refused, *held_gauge, *latency;
    uint64_t held_part;
    struct log_limit peers_limit, versions_limit, limits_limit;
};

static const char *name_peer(const void *owner, void *socket, const void *routing_id, size_t n)
{
    const struct serve *serve = owner;
    (void)socket;
    for (const struct peer *p = serve->peers; p < serve->peers + serve->peers_n; p++)
        if (p->routing_id_n == n && memcmp(p->routing_id, routing_id, n) == 0)
            return p->name;
    return "?";
}

struct serve *serve_new(const struct serve_options *options, char *error, size_t error_size)
{
    struct serve *serve = calloc(1, sizeof(*serve));
    if (!serve) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    serve->options = *options;
    serve->epoll = epoll_create1(EPOLL_CLOEXEC);
    serve->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < OUTBOX; i++)
        serve->outbox[i].head.limit = LIMIT_HEAD_BYTES;
    if (!serve->options.credit)
        serve->options.credit = (uint32_t)options->settings->credit;
    if (!serve->options.most)
        serve->options.most = (uint32_t)options->settings->queue;
    if (!serve->options.side)
        serve->options.side = "left";
    frame_open(&serve->side, serve->options.side, options->settings);
    frame_name_peers(&serve->side, name_peer, serve);
    serve->router = zsock_new(ZMQ_ROUTER);
    if (!serve->router) {
        snprintf(error, error_size, "a ZeroMQ socket cannot be made: %s", zmq_strerror(zmq_errno()));
        serve_free(&serve);
        return NULL;
    }
    serve->socket = zsock_resolve(serve->router);
    /* A peer has no more than twice its credit here (on_request), and for each of them an answer; the rest is for
     * pings. */
    frame_limit_socket(&serve->side, serve->socket, (int)(2 * serve->options.credit + 64));
    zsock_set_router_mandatory(serve->router, 1);
    if (zsock_bind(serve->router, "ipc://%s", claim_bind_path(options->claim)) < 0) {
        snprintf(error, error_size, "%s cannot be bound: %s", claim_bind_path(options->claim),
                 zmq_strerror(zmq_errno()));
        serve_free(&serve);
        return NULL;
    }
    struct epoll_event request = {.events = EPOLLIN, .data.fd = zsock_fd(serve->router)};
    struct epoll_event wake = {.events = EPOLLIN, .data.fd = serve->wake};
    if (serve->epoll < 0 || serve->wake < 0 || epoll_ctl(serve->epoll, EPOLL_CTL_ADD, request.data.fd, &request) < 0 ||
        epoll_ctl(serve->epoll, EPOLL_CTL_ADD, serve->wake, &wake) < 0) {
        snprintf(error, error_size, "the sockets' descriptors cannot be watched: %s", strerror(errno));
        serve_free(&serve);
        return NULL;
    }
    serve->late = counter_of(serve->options.side, "dropped.late", COUNTER_SUM);
    serve->refused = counter_of(serve->options.side, "busy", COUNTER_SUM);
    serve->held_gauge = counter_of(serve->options.side, "held", COUNTER_GAUGE);
    serve->latency = counter_of(serve->options.side, "answered.ns", COUNTER_HISTOGRAM);
    gauge(counter_of(serve->options.side, "credit", COUNTER_GAUGE), serve->options.credit);
    return serve;
}

static void send_outbox(struct serve *serve)
{
    for (unsigned i = 0; i < serve->outbox_n; i++) {
        struct outgoing *out = &serve->outbox[i];
        frame_write_packed(&serve->side, serve->socket, out->routing_id, out->routing_id_n, out->type, &out->head,
                           &out->body);
        serve->touched = true;
    }
    serve->outbox_n = 0;
}

void serve_free(struct serve **slot)
{
    struct serve *serve = *slot;
    if (!serve)
        return;
    for (struct ticket *t = serve->open, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    send_outbox(serve);
    for (unsigned i = 0; i < OUTBOX; i++)
        buffer_release(&serve->outbox[i].head);
    zsock_destroy(&serve->router);
    if (serve->epoll >= 0)
        close(serve->epoll);
    if (serve->wake >= 0)
        close(serve->wake);
    frame_close(&serve->side);
    free(serve);
    *slot = NULL;
}

int serve_fd(const struct serve *serve)
{
    return serve->epoll;
}

unsigned serve_held(const struct serve *serve)
{
    return serve->held;
}

const struct claim *serve_claim(const struct serve *serve)
{
    return serve->options.claim;
}

void serve_inspect(struct serve *serve, struct inspect *inspect)
{
    inspect_add(inspect, &serve->side);
}

uint64_t ticket_deadline(const struct ticket *ticket)
{
    return ticket->deadline;
}

/* Peers. */

/* The entry for one who was not known: of one that is gone, or a new one; NULL when there are too many. */
static struct peer *new_peer(struct serve *serve, uint64_t now)
{
    struct peer *silent = NULL;
    for (struct peer *p = serve->peers; p < serve->peers + serve->peers_n; p++)
        if (p->held == 0 && (!silent || p->heard < silent->heard))
            silent = p;
    bool full = serve->peers_n == PEERS_MAX;
    if (silent && now - silent->heard > (full ? PEER_SILENT : PEER_GONE))
        return silent;
    if (!full)
        return &serve->peers[serve->peers_n++];
    log_limited(&serve->peers_limit, LOG_LEVEL_WARNING, "more than %d left neighbours: a new one is not heard",
                PEERS_MAX);
    return NULL;
}

static struct peer *find_peer(struct serve *serve, zmq_msg_t *routing_id, uint64_t now)
{
    const void *id = zmq_msg_data(routing_id);
    size_t n = zmq_msg_size(routing_id);
    for (struct peer *p = serve->peers; p < serve->peers + serve->peers_n; p++)
        if (p->routing_id_n == n && memcmp(p->routing_id, id, n) == 0) {
            p->heard = now;
            return p;
        }
    struct peer *peer = n <= ROUTING_ID_MAX ? new_peer(serve, now) : NULL;
    if (peer) {
        *peer = (struct peer){.name = "?", .protocol = PROTOCOL_OLDEST, .heard = now, .routing_id_n = n};
        memcpy(peer->routing_id, id, n);
    }
    return peer;
}

/* Sending. */

/* At once: for what is said seldom. */
static bool send_to(struct serve *serve, const struct peer *peer, const struct message *message)
{
    serve->touched = true;
    return frame_write(&serve->side, serve->socket, peer->routing_id, peer->routing_id_n, message, peer->protocol,
                       NULL);
}

static void send_hello(struct serve *serve, const struct peer *peer)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_HELLO;
    m->id = 0;
    m->stage = str_of(serve->options.stage);
    m->instance = str_of(claim_instance(serve->options.claim));
    m->oldest = PROTOCOL_OLDEST;
    m->newest = frame_newest_protocol();
    m->credit = serve->options.credit;
    m->pid = (uint64_t)getpid();
    m->release = STR(FILMYFLY_RELEASE);
    send_to(serve, peer, m);
}

static void send_pong(struct serve *serve, const struct peer *peer, uint64_t id)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_PONG;
    m->id = id;
    m->credit = serve->options.credit;
    m->held = serve->held;
    send_to(serve, peer, m);
}

static void send_busy(struct serve *serve, const struct peer *peer, uint64_t id)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_BUSY;
    m->id = id;
    m->retry_after = 1;
    count(serve->refused, 1);
    send_to(serve, peer, m);
}

static void send_leave(struct serve *serve, struct peer *peer)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_LEAVE;
    m->id = 0;
    /* One that cannot be told is gone: no BYE of its is to be waited for. */
    if (!send_to(serve, peer, m))
        peer->bye = true;
}

/* Answers. */

static struct ticket *open_ticket(struct serve *serve, struct peer *peer, const struct message *m, uint64_t now)
{
    struct ticket *ticket = malloc(sizeof(*ticket));
    if (!ticket)
        return NULL;
    *ticket = (struct ticket){.next = serve->open, .peer = peer, .id = m->id, .deadline = m->deadline, .arrived = now};
    if (serve->open)
        serve->open->previous = ticket;
    serve->open = ticket;
    serve->held++;
    peer->held++;
    return ticket;
}

static void close_ticket(struct serve *serve, struct ticket **slot)
{
    struct ticket *ticket = *slot;
    if (ticket->next)
        ticket->next->previous = ticket->previous;
    *(ticket->previous ? &ticket->previous->next : &serve->open) = ticket->next;
    serve->held--;
    ticket->peer->held--;
    free(ticket);
    *slot = NULL;
}

/* Puts an answer with what is to be sent together. False: it is beyond the protocol's limits. */
static bool put(struct serve *serve, const struct peer *peer, const struct message *message, zmq_msg_t *body)
{
    struct outgoing *out = &serve->outbox[serve->outbox_n];
    buffer_reset(&out->head);
    if ((body && zmq_msg_size(body) > serve->side.part_max) || !message_pack(message, peer->protocol, &out->head))
        return false;
    memcpy(out->routing_id, peer->routing_id, peer->routing_id_n);
    out->routing_id_n = peer->routing_id_n;
    out->type = message->type;
    zmq_msg_init(&out->body);
    if (body)
        zmq_msg_move(&out->body, body);
    if (++serve->outbox_n == OUTBOX)
        send_outbox(serve);
    return true;
}

static void put_failed(struct serve *serve, const struct ticket *ticket, enum cause cause, const char *text)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_FAILED;
    m->id = ticket->id;
    m->cause = str_of(cause_name(cause));
    m->text = str_of(text);
    if (m->text.n > LIMIT_TEXT)
        m->text.n = LIMIT_TEXT;
    put(serve, ticket->peer, m, NULL);
}

void serve_answer(struct serve *serve, struct ticket **slot, struct message *message, zmq_msg_t *body)
{
    struct ticket *ticket = *slot;
    message->id = ticket->id;
    histogram(serve->latency, clock_now() - ticket->arrived);
    if (!put(serve, ticket->peer, message, body)) {
        log_limited(&serve->limits_limit, LOG_LEVEL_ERROR,
                    "the %s for %s is beyond the protocol's limits or FILMYFLY_BODY_MAX; FAILED is answered instead",
                    message_name(message->type), ticket->peer->name);
        put_failed(serve, ticket, CAUSE_INTERNAL, "the answer is beyond the protocol's limits");
        if (body) {
            zmq_msg_close(body);
            zmq_msg_init(body);
        }
    }
    close_ticket(serve, slot);
}

void serve_fail(struct serve *serve, struct ticket **slot, enum cause cause, const char *text)
{
    struct ticket *ticket = *slot;
    histogram(serve->latency, clock_now() - ticket->arrived);
    put_failed(serve, ticket, cause, text);
    close_ticket(serve, slot);
}

/* Receiving. */

static bool is_patience_over(const struct serve *serve, uint64_t now)
{
    return serve->draining && now - serve->draining_since > BYE_PATIENCE;
}

static void on_hello(struct serve *serve, struct peer *peer, const struct message *m)
{
    uint32_t newest = frame_newest_protocol();
    snprintf(peer->name, sizeof(peer->name), STR_FMT "/" STR_FMT, STR_ARG(m->stage), STR_ARG(m->instance));
    for (char *c = peer->name; *c; c++) /* it is said in logs */
        if (!isalnum((unsigned char)*c) && !strchr("/-_.", *c))
            *c = '?';
    peer->protocol = m->newest < newest ? (uint32_t)m->newest : newest;
    peer->bye = false;
    if (m->oldest > newest || m->newest < PROTOCOL_OLDEST) {
        log_limited(&serve->versions_limit, LOG_LEVEL_ERROR,
                    "%s speaks protocols %u to %u, this is %u to %u: nothing can be done for it", peer->name,
                    (unsigned)m->oldest, (unsigned)m->newest, PROTOCOL_OLDEST, newest);
        peer->protocol = PROTOCOL_OLDEST;
    }
    send_hello(serve, peer);
    if (serve->draining)
        send_leave(serve, peer);
}

static void on_request(struct serve *serve, struct peer *peer, struct message *m, zmq_msg_t *body, uint64_t now)
{
    if (m->deadline <= now) {
        count(serve->late, 1);
        return;
    }
    /* A longer deadline than any stage sets would hold the ticket, and us when we leave, for as long. */
    const struct settings *settings = serve->options.settings;
    uint64_t longest = settings->deadline > settings->write_deadline ? settings->deadline : settings->write_deadline;
    if (m->deadline - now > longest)
        m->deadline = now + longest;
    struct ticket *ticket = NULL;
    /* A left side that gave up on some counts them no more while they are still held here: twice its credit is still
     * honest. */
    if (serve->held < serve->options.most && peer->held < 2 * serve->options.credit && !is_patience_over(serve, now))
        ticket = open_ticket(serve, peer, m, now);
    if (ticket)
        serve->options.on_request(serve->options.user, ticket, m, body);
    else
        send_busy(serve, peer, m->id);
}

static void on_message(struct serve *serve, struct peer *peer, struct message *m, zmq_msg_t *body, uint64_t now)
{
    switch ((int)m->type) {
    case MESSAGE_HELLO:
        on_hello(serve, peer, m);
        return;
    case MESSAGE_PING:
        send_pong(serve, peer, m->id);
        return;
    case MESSAGE_BYE:
        peer->bye = true;
        return;
    }
    if (m->type == serve->options.takes)
        on_request(serve, peer, m, body, now);
    else
        frame_misplaced(&serve->side, peer->name, m, "not for this side of a hop");
}

/* Hands on one message; false when none is there. */
static bool receive(struct serve *serve)
{
    zmq_msg_t routing_id, head, body;
    zmq_msg_init(&routing_id);
    if (zmq_msg_recv(&routing_id, serve->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&routing_id);
        serve->touched = false;
        return false;
    }
    uint64_t now = clock_now();
    struct peer *peer = find_peer(serve, &routing_id, now);
    zmq_msg_close(&routing_id);
    /* A ROUTER's routing frame is always followed by what the peer sent, at least one part. */
    if (frame_read(&serve->side, serve->socket, peer ? peer->name : "?", &head, &body) == FRAME_GOOD && peer) {
        if (serve->side.message.type != MESSAGE_HELLO)
            peer->protocol = serve->side.message.protocol;
        on_message(serve, peer, &serve->side.message, &body, now);
    }
    zmq_msg_close(&head);
    zmq_msg_close(&body);
    return true;
}

static void wake_later(struct serve *serve)
{
    uint64_t one = 1;
    if (write(serve->wake, &one, sizeof(one)) < 0)
        log_debug("the wake-up is raised already");
}

void serve_flush(struct serve *serve)
{
    send_outbox(serve);
    /* A send can swallow the descriptor's edge: without this look requests would lie there for good. */
    if (serve->touched && frame_waits(serve->socket))
        wake_later(serve);
    serve->touched = false;
    gauge_part(serve->held_gauge, &serve->held_part, serve->held);
}

void serve_turn(struct serve *serve)
{
    struct epoll_event ready[2];
    uint64_t raised;
    int left = MESSAGES_TURN;
    int n = epoll_wait(serve->epoll, ready, 2, 0);
    for (int i = 0; i < n; i++)
        if (ready[i].data.fd == serve->wake && read(serve->wake, &raised, sizeof(raised)) < 0)
            log_debug("the wake-up was not raised");
    while (n > 0 && left > 0 && receive(serve))
        left--;
    if (left == 0)
        wake_later(serve);
    serve_flush(serve);
}

/* Leaving. */

static void take_no_more(struct serve *serve)
{
    if (serve->draining)
        return;
    serve->draining = true;
    serve->draining_since = clock_now();
    claim_hide(serve->options.claim);
    for (uint32_t i = 0; i < serve->peers_n; i++)
        send_leave(serve, &serve->peers[i]);
    serve_flush(serve);
}

void serve_drain(struct serve *serve)
{
    if (serve->draining)
        return;
    log_info("draining: no new work, %u requests to finish", serve->held);
    take_no_more(serve);
}

void serve_leave(struct serve *serve)
{
    if (serve->leaving)
        return;
    serve->leaving = true;
    log_info("leaving: no new work, %u requests to finish", serve->held);
    take_no_more(serve);
    claim_withdraw(serve->options.claim);
}

bool serve_left(const struct serve *serve)
{
    if (!serve->leaving || serve->held > 0 || serve->outbox_n > 0)
        return false;
    bool bye = true;
    for (uint32_t i = 0; i < serve->peers_n; i++)
        bye &= serve->peers[i].bye;
    return bye || is_patience_over(serve, clock_now());
}
