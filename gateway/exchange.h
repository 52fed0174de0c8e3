/*
 * One request and its way to the cacher and back. It lives in the request's own memory and ends with it: when the
 * client goes first, the request's disposal takes it out of the queue or has the upstream forget it, so that a late
 * answer finds nothing.
 */
#ifndef FILMYFLY_GATEWAY_EXCHANGE_H
#define FILMYFLY_GATEWAY_EXCHANGE_H

#include "loop.h"

/* Queues the request for the end of the turn. */
void exchange_start(struct loop *loop, h2o_req_t *req);

/* Sends what is queued; true when there was anything. */
bool exchange_send_queue(struct loop *loop);

#endif
