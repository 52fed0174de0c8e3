#include "serve.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "frame.h"
#include "log.h"
#include "stage.h"

#define PEERS_MAX      256
#define PEER_SILENT    (30 * SECOND) /* a left side pings five times a second; after this it is gone */
#define MESSAGES_TURN  256           /* received in one turn at most, so that the loop's other work is not starved */
#define BYE_PATIENCE   SECOND
#define ROUTING_ID_MAX 16

/* A left neighbour, as far as it is known: a ROUTER is not told of connections. */
struct peer {
    unsigned char routing_id[ROUTING_ID_MAX];
    uint32_t routing_id_n;
    char name[2 * LIMIT_NAME + 2]; /* "cacher/1", or "?" before its HELLO */
    uint32_t protocol;             /* to answer it in */
    uint64_t heard;                /* ns */
    uint32_t held;                 /* its open tickets */
    bool greeted, bye;
};

struct ticket {
    struct ticket *next, *previous; /* in serve.open, or (next) in serve.spare */
    struct peer peer;               /* a copy: the table's entry may go before the answer */
    uint64_t id, deadline, arrived;
};

struct serve {
    struct serve_options options;
    zsock_t *router;
    void *socket; /* the same, raw: a message costs 86 ns raw and 450 as a zmsg */
    struct peer peers[PEERS_MAX];
    uint32_t peers_n;
    struct ticket *open, *spare;
    uint32_t held;
    bool leaving;
    uint64_t leaving_since;
    struct frame_side side;
    struct message answer; /* what this module itself says: large, so not on the stack */
    struct counter *late, *refused, *held_gauge, *latency;
    struct log_limit peers_limit;
};

struct serve *serve_new(const struct serve_options *options, char *error, size_t error_size)
{
    struct serve *serve = calloc(1, sizeof(*serve));
    if (!serve) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    serve->options = *options;
    if (!serve->options.credit)
        serve->options.credit = (uint32_t)options->settings->credit;
    if (!serve->options.most)
        serve->options.most = (uint32_t)options->settings->queue;
    frame_open(&serve->side, "left", options->settings);
    serve->router = zsock_new(ZMQ_ROUTER);
    if (!serve->router) {
        snprintf(error, error_size, "a ZeroMQ socket cannot be made: %s", zmq_strerror(zmq_errno()));
        serve_free(&serve);
        return NULL;
    }
    serve->socket = zsock_resolve(serve->router);
    frame_limit_socket(&serve->side, serve->socket, (int)(serve->options.most + 64));
    zsock_set_router_mandatory(serve->router, 1);

    /* The socket must be writable for the hop's group, whatever the caller's umask is. */
    mode_t before = umask(007);
    int bound = zsock_bind(serve->router, "ipc://%s", claim_bind_path(options->claim));
    umask(before);
    if (bound < 0) {
        snprintf(error, error_size, "%s cannot be bound: %s", claim_bind_path(options->claim),
                 zmq_strerror(zmq_errno()));
        serve_free(&serve);
        return NULL;
    }
    serve->late = counter("left.dropped.late", COUNTER_SUM);
    serve->refused = counter("left.busy", COUNTER_SUM);
    serve->held_gauge = counter("left.held", COUNTER_GAUGE);
    serve->latency = counter("left.answered.ns", COUNTER_HISTOGRAM);
    return serve;
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
    for (struct ticket *t = serve->spare, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    zsock_destroy(&serve->router);
    frame_close(&serve->side);
    free(serve);
    *slot = NULL;
}

void *serve_socket(const struct serve *serve)
{
    return serve->socket;
}

unsigned serve_held(const struct serve *serve)
{
    return serve->held;
}

uint64_t ticket_id(const struct ticket *ticket)
{
    return ticket->id;
}

uint64_t ticket_deadline(const struct ticket *ticket)
{
    return ticket->deadline;
}

/* Peers. */

static bool same_peer(const struct peer *a, const struct peer *b)
{
    return a->routing_id_n == b->routing_id_n && memcmp(a->routing_id, b->routing_id, a->routing_id_n) == 0;
}

static void drop_silent_peers(struct serve *serve, uint64_t now)
{
    for (uint32_t i = 0; i < serve->peers_n;) {
        if (now - serve->peers[i].heard > PEER_SILENT)
            serve->peers[i] = serve->peers[--serve->peers_n];
        else
            i++;
    }
}

/* The entry of a routing id, a new one if need be; NULL when there are too many peers. */
static struct peer *find_peer(struct serve *serve, zmq_msg_t *routing_id, uint64_t now)
{
    struct peer seen = {.name = "?", .protocol = PROTOCOL_OLDEST, .heard = now};
    if (zmq_msg_size(routing_id) > ROUTING_ID_MAX)
        return NULL;
    seen.routing_id_n = (uint32_t)zmq_msg_size(routing_id);
    memcpy(seen.routing_id, zmq_msg_data(routing_id), seen.routing_id_n);
    for (uint32_t i = 0; i < serve->peers_n; i++)
        if (same_peer(&serve->peers[i], &seen)) {
            serve->peers[i].heard = now;
            return &serve->peers[i];
        }
    if (serve->peers_n == PEERS_MAX)
        drop_silent_peers(serve, now);
    if (serve->peers_n == PEERS_MAX) {
        log_limited(&serve->peers_limit, LOG_LEVEL_WARNING, "more than %d left neighbours: a new one is not heard",
                    PEERS_MAX);
        return NULL;
    }
    serve->peers[serve->peers_n] = seen;
    return &serve->peers[serve->peers_n++];
}

/* Sending. */

static bool send_to(struct serve *serve, const struct peer *peer, const struct message *message, zmq_msg_t *body)
{
    return frame_write(&serve->side, serve->socket, peer->routing_id, peer->routing_id_n, message, peer->protocol, body);
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
    send_to(serve, peer, m, NULL);
}

static void send_pong(struct serve *serve, const struct peer *peer, uint64_t id)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_PONG;
    m->id = id;
    m->credit = serve->options.credit;
    m->held = serve->held;
    send_to(serve, peer, m, NULL);
}

static void send_busy(struct serve *serve, const struct peer *peer, uint64_t id)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_BUSY;
    m->id = id;
    m->retry_after = 1;
    count(serve->refused, 1);
    send_to(serve, peer, m, NULL);
}

static void send_leave(struct serve *serve, const struct peer *peer)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_LEAVE;
    m->id = 0;
    send_to(serve, peer, m, NULL);
}

/* Answers. */

static struct ticket *open_ticket(struct serve *serve, struct peer *peer, const struct message *m, uint64_t now)
{
    struct ticket *ticket = serve->spare;
    if (ticket)
        serve->spare = ticket->next;
    else if (!(ticket = malloc(sizeof(*ticket))))
        return NULL;
    *ticket = (struct ticket){
        .next = serve->open, .peer = *peer, .id = m->id, .deadline = m->deadline, .arrived = now};
    if (serve->open)
        serve->open->previous = ticket;
    serve->open = ticket;
    serve->held++;
    peer->held++;
    return ticket;
}

static void close_ticket(struct serve *serve, struct ticket *ticket)
{
    if (ticket->next)
        ticket->next->previous = ticket->previous;
    if (ticket->previous)
        ticket->previous->next = ticket->next;
    else
        serve->open = ticket->next;
    serve->held--;
    for (uint32_t i = 0; i < serve->peers_n; i++)
        if (same_peer(&serve->peers[i], &ticket->peer))
            serve->peers[i].held--;
    ticket->next = serve->spare;
    serve->spare = ticket;
}

static void send_failed(struct serve *serve, const struct ticket *ticket, enum cause cause, const char *text)
{
    struct message *m = &serve->answer;
    m->type = MESSAGE_FAILED;
    m->id = ticket->id;
    m->cause = str_of(cause_name(cause));
    m->text = str_of(text);
    if (m->text.n > LIMIT_TEXT)
        m->text.n = LIMIT_TEXT;
    send_to(serve, &ticket->peer, m, NULL);
}

void serve_answer(struct serve *serve, struct ticket **slot, struct message *message, zmq_msg_t *body)
{
    struct ticket *ticket = *slot;
    message->id = ticket->id;
    histogram(serve->latency, clock_now() - ticket->arrived);
    if (!send_to(serve, &ticket->peer, message, body) && errno == EINVAL) {
        log_error("the %s for %s is beyond the protocol's limits or FILMYFLY_BODY_MAX; FAILED is answered instead",
                  message_name(message->type), ticket->peer.name);
        send_failed(serve, ticket, CAUSE_INTERNAL, "the answer is beyond the protocol's limits");
    }
    if (body)
        zmq_msg_init(body);
    close_ticket(serve, ticket);
    *slot = NULL;
}

void serve_fail(struct serve *serve, struct ticket **slot, enum cause cause, const char *text)
{
    struct ticket *ticket = *slot;
    histogram(serve->latency, clock_now() - ticket->arrived);
    send_failed(serve, ticket, cause, text);
    close_ticket(serve, ticket);
    *slot = NULL;
}

/* Receiving. */

static void on_hello(struct serve *serve, struct peer *peer, const struct message *m)
{
    uint32_t newest = frame_newest_protocol();
    if (m->oldest > newest || m->newest < PROTOCOL_OLDEST) {
        log_error(STR_FMT "/" STR_FMT " speaks protocols %u to %u, this is %u to %u: nothing is answered to it",
                  STR_ARG(m->stage), STR_ARG(m->instance), (unsigned)m->oldest, (unsigned)m->newest, PROTOCOL_OLDEST,
                  newest);
        return;
    }
    peer->protocol = m->newest < newest ? (uint32_t)m->newest : newest;
    peer->greeted = true;
    peer->bye = false;
    snprintf(peer->name, sizeof(peer->name), STR_FMT "/" STR_FMT, STR_ARG(m->stage), STR_ARG(m->instance));
    log_debug("%s said hello, protocol %u", peer->name, peer->protocol);
    send_hello(serve, peer);
    if (serve->leaving)
        send_leave(serve, peer);
}

static void on_request(struct serve *serve, struct peer *peer, struct message *m, zmq_msg_t *body, uint64_t now)
{
    if (m->deadline <= now) {
        count(serve->late, 1);
        return;
    }
    struct ticket *ticket = NULL;
    /* A left side that gave up on some counts them no more while they are still held here: twice its credit is still honest. */
    if (serve->held < serve->options.most && peer->held < 2 * serve->options.credit)
        ticket = open_ticket(serve, peer, m, now);
    if (!ticket) {
        send_busy(serve, peer, m->id);
        return;
    }
    serve->options.on_request(serve->options.user, ticket, m, body);
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

void serve_turn(struct serve *serve)
{
    uint64_t now = clock_now();
    for (int i = 0; i < MESSAGES_TURN; i++) {
        zmq_msg_t routing_id, head, body;
        zmq_msg_init(&routing_id);
        if (zmq_msg_recv(&routing_id, serve->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&routing_id);
            break;
        }
        struct peer *peer = find_peer(serve, &routing_id, now);
        zmq_msg_close(&routing_id);
        /* A ROUTER's routing frame is always followed by what the peer sent, at least one part. */
        if (frame_read(&serve->side, serve->socket, peer ? peer->name : "?", &head, &body) && peer) {
            if (!peer->greeted)
                peer->protocol = serve->side.message.protocol;
            on_message(serve, peer, &serve->side.message, &body, now);
        }
        zmq_msg_close(&head);
        zmq_msg_close(&body);
    }
    gauge(serve->held_gauge, serve->held);
}

/* Leaving. */

void serve_leave(struct serve *serve)
{
    if (serve->leaving)
        return;
    serve->leaving = true;
    serve->leaving_since = clock_now();
    claim_withdraw(serve->options.claim);
    log_info("leaving: no new work, %u requests to finish", serve->held);
    for (uint32_t i = 0; i < serve->peers_n; i++)
        if (serve->peers[i].greeted)
            send_leave(serve, &serve->peers[i]);
}

bool serve_left(const struct serve *serve)
{
    if (!serve->leaving || serve->held > 0)
        return false;
    if (clock_now() - serve->leaving_since > BYE_PATIENCE)
        return true;
    for (uint32_t i = 0; i < serve->peers_n; i++)
        if (serve->peers[i].greeted && !serve->peers[i].bye)
            return false;
    return true;
}
