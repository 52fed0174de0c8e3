/*
 * The connections of a loop: taking them from the listening sockets, never more than FILMYFLY_CONNECTIONS, and letting
 * them go when the loop leaves. It keeps a record of each for as long as libh2o has its socket.
 */
#ifndef FILMYFLY_GATEWAY_CONNECTION_H
#define FILMYFLY_GATEWAY_CONNECTION_H

#include <h2o.h>
#include <stdbool.h>

struct connection;

struct listener {
    h2o_socket_t *socket; /* NULL: none, or closed */
    h2o_accept_ctx_t accept;
    bool handed; /* somebody else holds it too: what waits in its queue is not lost when we close it */
};

struct connections {
    struct listener http, https;
    struct connection *list;
    uint64_t open, limit;
    bool full; /* the listeners are not read, for open is at the limit */
};

/* Reads from the listener; fd: taken over, or -1 for none. tls: a reference, or NULL. */
void connections_listen(struct connections *connections, struct listener *listener, h2o_context_t *context, int fd,
                        bool handed, SSL_CTX *tls);

/* Closes the listening sockets, after taking what waits where nobody else could. */
void connections_stop_listening(struct connections *connections);

/*
 * Ends what says nothing: connections without a byte of a request yet, and HTTP/1 connections between two requests. For
 * use when leaving, after every answer said "Connection: close" for a while: whoever was busy is gone by then, and for
 * the others the moment between our look and their notice is as short as at any idle timeout.
 */
void connections_shut_idle(struct connections *connections, h2o_context_t *context);

/* Ends all. */
void connections_shut_all(struct connections *connections);

#endif
