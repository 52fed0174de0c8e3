/*
 * The one place of a process through which every message goes, in and out: it bounds, decodes, counts and logs what is
 * bad by the peer's name, and tells who watches. To be watched costs an unwatched side nothing: it rides on two checks
 * that are there anyway.
 */
#ifndef FILMYFLY_FRAME_H
#define FILMYFLY_FRAME_H

#include <zmq.h>

#include "buffer.h"
#include "counters.h"
#include "log.h"
#include "messages.h"
#include "settings.h"

/* A message that passed a watched side. Everything belongs to the caller and lives until the watcher returns. */
struct frame_passed {
    const char *side; /* "left" */
    const char *peer; /* "gateway/1.0"; "?" when it has said no name */
    bool in;
    const void *head;
    size_t head_n;
    zmq_msg_t *body;
    const char *bad; /* why it was refused; NULL: it was good */
};
typedef void frame_watcher(void *user, const struct frame_passed *passed);

/* The name of the peer that a message is sent to, static or the owner's. */
typedef const char *frame_peer(const void *owner, void *socket, const void *routing_id, size_t routing_id_n);

/* The side of a hop: its counters and its scratch memory. */
struct frame_side {
    struct counter *in[MESSAGE_TYPES], *out[MESSAGE_TYPES];
    struct counter *bytes_in, *bytes_out, *bad, *unsent;
    struct log_limit limit;
    struct buffer head;
    struct message message; /* what frame_read read: large, so not on the stack */
    uint64_t part_max;      /* bytes of the longest part */
    /* Bytes from which on a message is looked at: one more than the longest body and head, or 0 while it is watched. */
    uint64_t body_stop, head_stop;
    char name[24];
    frame_peer *peer;
    const void *owner;
    frame_watcher *watcher;
    void *user;
};

/* name: "left" or "right", the first word of its counters' names. */
void frame_open(struct frame_side *side, const char *name, const struct settings *settings);
void frame_close(struct frame_side *side);

/* Every message that passes from now on is told to the watcher; NULL: to nobody. */
void frame_watch(struct frame_side *side, frame_watcher *watcher, void *user);
/* Who says to whom a message goes, for the watcher. */
void frame_name_peers(struct frame_side *side, frame_peer *peer, const void *owner);

/* Sets a socket's limits, as every socket of a hop has them; hwm: messages per peer and direction. */
void frame_limit_socket(const struct frame_side *side, void *socket, int hwm);

enum frame_found {
    FRAME_NONE, /* nothing is there */
    FRAME_BAD,  /* what was there is not usable; it was counted and logged under the peer's name */
    FRAME_GOOD, /* side->message is good, its texts point into *head */
};

/* Reads head and body that are next on the socket (after the routing frame, on a ROUTER). Both are initialised in any
 * case and the caller closes both. */
enum frame_found frame_read(struct frame_side *side, void *socket, const char *peer, zmq_msg_t *head, zmq_msg_t *body);

/*
 * Packs a message and sends it; body is taken over (left empty), may be NULL. routing_id may be NULL. False: not sent,
 * counted. errno EINVAL: the message is beyond the protocol's limits or the body beyond FILMYFLY_BODY_MAX; anything
 * else: the peer is gone or takes nothing.
 */
bool frame_write(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                 const struct message *message, uint32_t protocol, zmq_msg_t *body);

/* The same with a head that is packed already. */
bool frame_write_packed(struct frame_side *side, void *socket, const void *routing_id, size_t routing_id_n,
                        enum message_type type, const struct buffer *head, zmq_msg_t *body);

/* Whether a message is there to be read. Asking also takes the edge off the socket's descriptor (ZMQ_FD), as every send
 * and receive may. */
bool frame_waits(void *socket);

/* Counts and logs a message that was well-formed but has no place here. */
void frame_misplaced(struct frame_side *side, const char *peer, const struct message *message, const char *why);

/* PROTOCOL_NEWEST; test builds can be told to be of the release before: FILMYFLY_PROTOCOL=1. */
uint32_t frame_newest_protocol(void);

#endif
