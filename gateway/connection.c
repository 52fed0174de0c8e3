#include "connection.h"

#include <errno.h>

#include "log.h"
#include "meters.h"

#define ACCEPT_BATCH 64 /* connections taken from a listener in one turn */

struct connection {
    struct connections *owner;
    struct connection *next, **link; /* link is what points here */
    h2o_socket_t *socket;
    SSL_CTX *tls; /* what it was accepted with, or NULL: libh2o counts no reference until the client's first byte */
};

static void on_accept(h2o_socket_t *socket, const char *error);

static void start_listener(struct listener *listener)
{
    if (listener->socket) {
        h2o_socket_read_start(listener->socket, on_accept);
    }
}

static void stop_listener(struct listener *listener)
{
    if (listener->socket) {
        h2o_socket_read_stop(listener->socket);
    }
}

static void on_closed(void *data)
{
    struct connection *connection = data;
    struct connections *owner = connection->owner;

    *connection->link = connection->next;
    if (connection->next) {
        connection->next->link = connection->link;
    }
    SSL_CTX_free(connection->tls);
    free(connection);
    owner->open--;
    count(meters.connections, (uint64_t)-1);
    if (owner->full) {
        owner->full = false;
        start_listener(&owner->http);
        start_listener(&owner->https);
    }
}

/* Beyond the limit nothing is accepted: out of descriptors libh2o would spin. What waits in the kernel's queue gets its
 * turn. */
static void stop_at_limit(struct connections *connections)
{
    static _Thread_local struct log_limit limit;
    if (connections->open < connections->limit) {
        return;
    }
    connections->full = true;
    stop_listener(&connections->http);
    stop_listener(&connections->https);
    count(meters.at_limit, 1);
    log_limited(&limit, LOG_LEVEL_WARNING,
                "a loop has %llu open connections, as many as FILMYFLY_CONNECTIONS allows; new ones wait",
                (unsigned long long)connections->open);
}

static void add(struct connections *connections, h2o_socket_t *socket, SSL_CTX *tls)
{
    struct connection *connection = h2o_mem_alloc(sizeof(*connection));
    *connection = (struct connection){connections, connections->list, &connections->list, socket, tls};
    if (tls) {
        SSL_CTX_up_ref(tls);
    }
    if (connection->next) {
        connection->next->link = &connection->next;
    }
    connections->list = connection;
    connections->open++;
    socket->on_close.cb = on_closed;
    socket->on_close.data = connection;
    count(meters.connections, 1);
    count(meters.accepted, 1);
}

/* Takes one connection; false when there is none, or no room. */
static bool accept_one(struct connections *connections, struct listener *listener)
{
    h2o_socket_t *socket = connections->full ? NULL : h2o_evloop_socket_accept(listener->socket);
    if (!socket) {
        return false;
    }
    add(connections, socket, listener->accept.ssl_ctx);
    stop_at_limit(connections);
    h2o_accept(&listener->accept, socket);
    return true;
}

static void on_accept(h2o_socket_t *socket, const char *error)
{
    struct connections *connections = socket->data;
    struct listener *listener = socket == connections->http.socket ? &connections->http : &connections->https;
    if (error) {
        return;
    }
    for (int i = 0; i < ACCEPT_BATCH && accept_one(connections, listener); i++) {
    }
}

void connections_listen(struct connections *connections, struct listener *listener, h2o_context_t *context, int fd,
                        bool handed, SSL_CTX *tls)
{
    listener->accept = (h2o_accept_ctx_t){.ctx = context, .hosts = context->globalconf->hosts, .ssl_ctx = tls};
    listener->handed = handed;
    if (fd >= 0) {
        listener->socket = h2o_evloop_socket_create(context->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
        listener->socket->data = connections;
        start_listener(listener);
    }
}

static void close_listener(struct connections *connections, struct listener *listener)
{
    if (listener->socket) {
        /* What waits in the queue of a socket that nobody else holds would be reset. */
        while (!listener->handed && accept_one(connections, listener)) {
        }
        h2o_socket_close(listener->socket);
        listener->socket = NULL;
    }
}

void connections_stop_listening(struct connections *connections)
{
    close_listener(connections, &connections->http);
    close_listener(connections, &connections->https);
}

/* libh2o sees the end at its next read and cleans up; closing under it would not be safe. */
static void shut(h2o_socket_t *socket)
{
    shutdown(h2o_socket_get_fd(socket), SHUT_RDWR);
}

static bool has_unread(h2o_socket_t *socket)
{
    char byte;
    return socket->input->size > 0 ||
           !(recv(h2o_socket_get_fd(socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static int shut_between_requests(h2o_req_t *req, void *data)
{
    (void)data;
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    /* A request that has begun to be read has no version yet, but bytes; one that is being answered has a version. */
    if (req->version == 0 && socket && !h2o_socket_is_writing(socket) && !has_unread(socket)) {
        shut(socket);
    }
    return 0;
}

void connections_shut_idle(struct connections *connections, h2o_context_t *context)
{
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        if (connection->socket->bytes_read == 0 && !has_unread(connection->socket)) {
            shut(connection->socket);
        }
    }
    context->globalconf->http1.callbacks.foreach_request(context, shut_between_requests, NULL);
}

void connections_shut_all(struct connections *connections)
{
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        shut(connection->socket);
    }
}
