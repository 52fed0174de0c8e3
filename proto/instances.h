/*
 * The instances of the right neighbour, as sockets: finds them in the registry, keeps a DEALER and a monitor for each
 * life of one, greets it, tells the hop that it takes work, was heard, leaves or died, and hands on its answers. A part
 * of upstream.c, and nobody else includes it: requests, and who gets them, are there.
 *
 * It owns the sockets, the descriptor that upstream shows, and what is counted of frames. The hop is upstream's, which
 * lends it. An instance's number here is the hop's number of its peer.
 */
#ifndef FILMYFLY_INSTANCES_H
#define FILMYFLY_INSTANCES_H

#include <zmq.h>

#include "buffer.h"
#include "hop.h"
#include "messages.h"
#include "upstream.h"

struct instances;
struct inspect;

/* An answer came: RESPONSE, RESULT, REFUSED, FAILED or BUSY. False: it does not answer what was asked. message and body
 * live until it returns; the body may be taken. */
typedef bool instances_answer(void *user, unsigned number, const struct message *message, zmq_msg_t *body,
                              uint64_t now);

/* NULL with errno. */
struct instances *instances_new(const struct upstream_options *options, struct hop *hop, instances_answer *on_answer,
                                void *user);
void instances_free(struct instances **instances);

/* Readable when something came, or instances_wake was called. */
int instances_fd(const struct instances *instances);
/* Makes the descriptor readable: work was left for the next turn. */
void instances_wake(struct instances *instances);

/* Shows what passes here; to be freed before the instances. */
void instances_inspect(struct instances *instances, struct inspect *inspect);

/* Looks at the registry: who is new is connected to, who is gone from it gets no more work. */
void instances_find(struct instances *instances, uint64_t now);

/* Receives from those whose descriptors tell, a bounded number. False when more may be left. */
bool instances_receive(struct instances *instances, uint64_t now);
/* The same from those to whom something was sent since, whose descriptors may not tell any more; whether there are
 * such. */
bool instances_receive_touched(struct instances *instances, uint64_t now);
bool instances_touched(const struct instances *instances);

/* Bytes of the longest body that can be sent. */
uint64_t instances_body_max(const struct instances *instances);
/* Sends a request in the instance's protocol: head is packed in PROTOCOL_NEWEST; body is taken over (left empty). False
 * when it takes nothing: too much lies there unread. */
bool instances_send(struct instances *instances, unsigned number, enum message_type type, const struct buffer *head,
                    zmq_msg_t *body);
void instances_ping(struct instances *instances, unsigned number);

#endif
