#include "frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* tests/bench/tap.py compares with a build without the tap what the tap costs while nobody watches. */
#ifdef FILMYFLY_NO_TAP
#define IS_BODY_LOOKED_AT(side, bytes) ((bytes) > (side)->part_max)
#define IS_HEAD_LOOKED_AT(side, bytes) ((bytes) > LIMIT_HEAD_BYTES)
#else
#define IS_BODY_LOOKED_AT(side, bytes) ((bytes) >= (side)->body_stop)
#define IS_HEAD_LOOKED_AT(side, bytes) ((bytes) >= (side)->head_stop)
#endif

/* Not on the way of a message that is neither too long nor watched. */
#define COLD __attribute__((cold, noinline))

void frame_open(struct frame_side *side, const char *name, const struct settings *settings)
{
    char text[64];
    memset(side, 0, sizeof(*side));
    for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPES; type++) {
        snprintf(text, sizeof(text), "%s.in.%s", name, message_name((enum message_type)type));
        side->in[type] = counter(text, COUNTER_SUM);
        snprintf(text, sizeof(text), "%s.out.%s", name, message_name((enum message_type)type));
        side->out[type] = counter(text, COUNTER_SUM);
    }
    snprintf(text, sizeof(text), "%s.in.bytes", name);
    side->bytes_in = counter(text, COUNTER_SUM);
    snprintf(text, sizeof(text), "%s.out.bytes", name);
    side->bytes_out = counter(text, COUNTER_SUM);
    snprintf(text, sizeof(text), "%s.in.bad", name);
    side->bad = counter(text, COUNTER_SUM);
    snprintf(text, sizeof(text), "%s.out.unsent", name);
    side->unsent = counter(text, COUNTER_SUM);
    side->head.limit = LIMIT_HEAD_BYTES + 64;
    side->part_max = settings->body_max > LIMIT_HEAD_BYTES ? settings->body_max : LIMIT_HEAD_BYTES;
    snprintf(side->name, sizeof(side->name), "%s", name);
    frame_watch(side, NULL, NULL);
}

void frame_close(struct frame_side *side)
{
    buffer_release(&side->head);
}

void frame_watch(struct frame_side *side, frame_watcher *watcher, void *user)
{
    side->watcher = watcher;
    side->user = user;
    side->body_stop = watcher ? 0 : side->part_max + 1;
    side->head_stop = watcher ? 0 : LIMIT_HEAD_BYTES + 1;
}

void frame_name_peers(struct frame_side *side, frame_peer *peer, const void *owner)
{
    side->peer = peer;
    side->owner = owner;
}

void frame_limit_socket(const struct frame_side *side, void *socket, int hwm)
{
    int64_t part_max = (int64_t)side->part_max;
    int linger = 1000; /* ms: what is still to be sent when a stage leaves */
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &part_max, sizeof(part_max));
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
}

static void bad(struct frame_side *side, const char *peer, const char *what, const char *why)
{
    count(side->bad, 1);
    log_limited(&side->limit, LOG_LEVEL_WARNING, "%s sent a bad %s: %s; dropped", peer, what, why);
}

void frame_misplaced(struct frame_side *side, const char *peer, const struct message *message, const char *why)
{
    bad(side, peer, message_name(message->type), why);
}

/* Reads to the end of a message that has more parts than it may. */
COLD static const char *refuse_parts(void *socket)
{
    bool more = true;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        more = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    return "more than two parts";
}

/* Reads what follows the head; whatever is not exactly head and body is read to its end and refused. */
static const char *read_rest(void *socket, zmq_msg_t *head, zmq_msg_t *body)
{
    if (!zmq_msg_more(head))
        return "no body part";
    if (zmq_msg_recv(body, socket, ZMQ_DONTWAIT) < 0)
        return "no body";
    return zmq_msg_more(body) ? refuse_parts(socket) : NULL;
}

/* Unpacks what is too long or watched, or was found to be bad by `why` already. */
COLD static const char *look_at_read(struct frame_side *side, const char *peer, zmq_msg_t *head, zmq_msg_t *body,
                                     const char *why)
{
    if (!why)
        why = message_unpack(zmq_msg_data(head), zmq_msg_size(head), &side->message);
    if (side->watcher)
        side->watcher(side->user, &(struct frame_passed){side->name, peer, true, zmq_msg_data(head), zmq_msg_size(head),
                                                         body, why});
    return why;
}

enum frame_found frame_read(struct frame_side *side, void *socket, const char *peer, zmq_msg_t *head, zmq_msg_t *body)
{
    struct message *m = &side->message;
    zmq_msg_init(head);
    zmq_msg_init(body);
    if (zmq_msg_recv(head, socket, ZMQ_DONTWAIT) < 0)
        return FRAME_NONE;
    m->type = MESSAGE_NONE;
    const char *why = read_rest(socket, head, body);
    size_t n = zmq_msg_size(head);
    if (why || IS_HEAD_LOOKED_AT(side, n))
        why = look_at_read(side, peer, head, body, why);
    else
        why = message_unpack_within(zmq_msg_data(head), n, m);
#ifdef FILMYFLY_FAULTS
    if (!why && m->protocol > frame_newest_protocol())
        why = "a protocol that the release before does not know";
#endif
    if (why) {
        bad(side, peer, m->type ? message_name(m->type) : "message", why);
        return FRAME_BAD;
    }
    count(side->in[m->type], 1);
    count(side->bytes_in, n + zmq_msg_size(body));
    return FRAME_GOOD;
}

/*
 * Sends the parts, the first of them the routing frame where there is one. A socket that accepted one part of a message
 * accepts the others (it drops them when the peer goes meanwhile), so all memory is taken before: half a message would
 * make the next one its other half.
 */
static bool send_parts(void *socket, const void *routing_id, size_t routing_id_n, const void *head, size_t n,
                       zmq_msg_t *body)
{
    zmq_msg_t parts[2];
    zmq_msg_init(&parts[0]);
    zmq_msg_init(&parts[1]);
    bool sent = zmq_msg_init_size(&parts[0], routing_id_n) == 0 && zmq_msg_init_size(&parts[1], n) == 0;
    if (sent) {
        memcpy(zmq_msg_data(&parts[1]), head, n);
        if (routing_id) {
            memcpy(zmq_msg_data(&parts[0]), routing_id, routing_id_n);
            sent = zmq_msg_send(&parts[0], socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
        }
        sent = sent && zmq_msg_send(&parts[1], socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
               zmq_msg_send(body, socket, ZMQ_DONTWAIT) >= 0;
    }
    int why = errno;
    zmq_msg_close(&parts[0]);
    zmq_msg_close(&parts[1]);
    errno = why;
    return sent;
}

/* The way of a message that is too long, or watched. */
COLD static bool write_looked_at(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                                 enum message_type type, const struct buffer *head, zmq_msg_t *body)
{
    /* A longer part would end the connection at the receiver's ZMQ_MAXMSGSIZE, and all that is in flight on it. */
    if (head->n == 0 || zmq_msg_size(body) > side->part_max) {
        zmq_msg_close(body);
        zmq_msg_init(body);
        count(side->unsent, 1);
        errno = EINVAL;
        return false;
    }
    zmq_msg_t passed; /* the same bytes: sending takes the body's away */
    zmq_msg_init(&passed);
    zmq_msg_copy(&passed, body);
    side->body_stop = side->part_max + 1; /* this time it goes on */
    bool sent = frame_write_packed(side, socket, routing_id, routing_id_n, type, head, body);
    int why = errno;
    side->body_stop = 0;
    if (sent)
        side->watcher(side->user,
                      &(struct frame_passed){side->name, side->peer(side->owner, socket, routing_id, routing_id_n),
                                             false, head->p, head->n, &passed, NULL});
    zmq_msg_close(&passed);
    errno = why;
    return sent;
}

bool frame_write_packed(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                        enum message_type type, const struct buffer *head, zmq_msg_t *body)
{
    zmq_msg_t none;
    zmq_msg_init(&none);
    if (!body)
        body = &none;
    size_t bytes = zmq_msg_size(body);
    if (head->n == 0 || IS_BODY_LOOKED_AT(side, bytes))
        return write_looked_at(side, socket, routing_id, routing_id_n, type, head, body);
    bool sent = send_parts(socket, routing_id, routing_id_n, head->p, head->n, body);
    int why = errno;
    zmq_msg_close(body);
    zmq_msg_init(body);
    if (sent) {
        count(side->out[type], 1);
        count(side->bytes_out, head->n + bytes);
    } else {
        count(side->unsent, 1);
    }
    errno = why;
    return sent;
}

bool frame_write(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                 const struct message *message, uint32_t protocol, zmq_msg_t *body)
{
    buffer_reset(&side->head);
    message_pack(message, protocol, &side->head); /* beyond the limits it leaves no head */
    return frame_write_packed(side, socket, routing_id, routing_id_n, message->type, &side->head, body);
}

bool frame_waits(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

uint32_t frame_newest_protocol(void)
{
#ifdef FILMYFLY_FAULTS
    const char *text = getenv("FILMYFLY_PROTOCOL");
    if (text && strcmp(text, "1") == 0)
        return 1;
#endif
    return PROTOCOL_NEWEST;
}
