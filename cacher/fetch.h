/*
 * Misses: however many visitors wait for the same page, one renderer is asked once. A fetch is a canonical request on
 * its way and the requests that wait for it; it owns their tickets until it answers them. What turns out not to be for
 * all is asked for singly, and the key is remembered for a while so that its visitors never queue behind each other.
 */
#ifndef FILMYFLY_FETCH_H
#define FILMYFLY_FETCH_H

#include "serve.h"
#include "upstream.h"

struct fetches;

/* Both must outlive it. NULL when memory is out. */
struct fetches *fetches_new(struct serve *serve, struct upstream *renderers);
void fetches_free(struct fetches **fetches);

/* A request from a gateway; takes the ticket and the body over. */
void fetches_request(struct fetches *fetches, struct ticket *ticket, const struct message *request, zmq_msg_t *body);

#endif
