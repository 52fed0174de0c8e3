/*
 * What a client must not keep us waiting for, for libh2o waits for ever: an HTTP/2 request or frame that comes byte by
 * byte, and an answer that is not taken. HTTP/1 requests, handshakes and idle connections have a time limit of
 * libh2o's. Where room for connections has run out, those that say nothing go first.
 */
#ifndef FILMYFLY_GATEWAY_DEADLINES_H
#define FILMYFLY_GATEWAY_DEADLINES_H

#include "connection.h"

/* To be called at each tick; looks at all once a second, or at each tick while there is no room. */
void deadlines_tick(struct connections *connections);

#endif
