#include "frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
}

void frame_close(struct frame_side *side)
{
    buffer_release(&side->head);
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

/* Reads the parts of one message; whatever is not exactly head and body is read to its end and refused. */
static const char *read_parts(void *socket, zmq_msg_t *head, zmq_msg_t *body)
{
    if (zmq_msg_recv(head, socket, ZMQ_DONTWAIT) < 0)
        return "no head";
    if (!zmq_msg_more(head))
        return "no body part";
    if (zmq_msg_recv(body, socket, ZMQ_DONTWAIT) < 0)
        return "no body";
    if (!zmq_msg_more(body))
        return NULL;
    bool more = true;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        more = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    return "more than two parts";
}

bool frame_read(struct frame_side *side, void *socket, const char *peer, zmq_msg_t *head, zmq_msg_t *body)
{
    struct message *m = &side->message;
    zmq_msg_init(head);
    zmq_msg_init(body);
    const char *why = read_parts(socket, head, body);
    if (!why) {
        why = message_unpack(zmq_msg_data(head), zmq_msg_size(head), m);
        if (why) {
            bad(side, peer, message_kind(m->type) ? message_name(m->type) : "message", why);
            return false;
        }
        count(side->in[m->type], 1);
        count(side->bytes_in, zmq_msg_size(head) + zmq_msg_size(body));
        return true;
    }
    bad(side, peer, "message", why);
    return false;
}

bool frame_write_packed(struct frame_side *side, void *socket, enum message_type type, const void *head, size_t n,
                        zmq_msg_t *body)
{
    zmq_msg_t part, none;
    if (!body) {
        zmq_msg_init(&none);
        body = &none;
    }
    size_t bytes = n + zmq_msg_size(body);
    bool sent = false;
    if (zmq_msg_init_size(&part, n) == 0) {
        memcpy(zmq_msg_data(&part), head, n);
        /* Once the first part is accepted so is the second: the high-water mark counts whole messages. */
        if (zmq_msg_send(&part, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
            zmq_msg_close(&part);
        else
            sent = zmq_msg_send(body, socket, ZMQ_DONTWAIT) >= 0;
    }
    if (!sent)
        zmq_msg_close(body);
    count(sent ? side->out[type] : side->unsent, 1);
    if (sent)
        count(side->bytes_out, bytes);
    return sent;
}

bool frame_write(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                 const struct message *message, uint32_t protocol, zmq_msg_t *body)
{
    buffer_reset(&side->head);
    bool ready = message_pack(message, protocol, &side->head);
    /* A longer part would end the connection at the receiver's ZMQ_MAXMSGSIZE, and all that is in flight on it. */
    if (ready && body && zmq_msg_size(body) > side->part_max) {
        errno = EINVAL;
        ready = false;
    }
    if (ready && routing_id) {
        zmq_msg_t part;
        ready = zmq_msg_init_size(&part, routing_id_n) == 0;
        if (ready) {
            memcpy(zmq_msg_data(&part), routing_id, routing_id_n);
            ready = zmq_msg_send(&part, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
            if (!ready)
                zmq_msg_close(&part);
        }
    }
    if (!ready) {
        int why = errno;
        count(side->unsent, 1);
        if (body)
            zmq_msg_close(body);
        errno = why;
        return false;
    }
    return frame_write_packed(side, socket, message->type, side->head.p, side->head.n, body);
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
