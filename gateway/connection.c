#include "connection.h"

#include <errno.h>

#include "log.h"
#include "meters.h"
#include "visit.h"

#define ACCEPT_BATCH 64         /* connections taken from a listener in one turn */
#define HELD_TIMES   4          /* a connection may hold so many times FILMYFLY_BODY_MAX */
#define HELD_LOOP    (24 << 20) /* bytes that all of a loop may hold; beyond it those that hold much are cut */
#define HELD_MUCH    (64 << 10)

const char *const cut_words[CUT_COUNT] = {
    [CUT_SLOW_REQUEST] = "its request did not arrive in FILMYFLY_CLIENT_WAIT",
    [CUT_SLOW_READER] = "it did not take its answer in FILMYFLY_SEND_WAIT",
    [CUT_MEMORY] = "it held too much memory",
    [CUT_IDLE] = "it was idle and others waited for room",
};

_Thread_local struct connection *connection_reading;

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
    quota_disconnect(owner->quota, &connection->client, connection->grant);
    owner->held -= connection->held;
    if (connection_reading == connection) {
        connection_reading = NULL;
    }
    owner->open--;
    free(connection);
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
    if (connections->open < connections->settings->connections) {
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

struct connection *connection_of(const h2o_socket_t *socket)
{
    return socket->on_close.cb == on_closed ? socket->on_close.data : NULL;
}

/* False when the client has as many connections as it may: it is closed before it costs a handshake. */
static bool is_allowed(struct connections *connections, struct connection *connection)
{
    struct sockaddr_storage from;
    if (h2o_socket_getpeername(connection->socket, (struct sockaddr *)&from) != 0) {
        connection->peer = address_of(&from);
    }
    connection->client = address_client(&connection->peer);
    connection->trusted = proxies_trust(connections->proxies, &connection->peer);
    connection->grant =
        connection->trusted ? QUOTA_EXEMPT : quota_connect(connections->quota, &connection->client, connections->now);
    return connection->grant != QUOTA_REFUSED;
}

static void refuse(struct connection *connection)
{
    static _Thread_local struct log_limit limit;
    char text[ADDRESS_TEXT];
    count(meters.limited_connections, 1);
    log_limited(&limit, LOG_LEVEL_INFO,
                "a connection of %s is refused: it has or had too many (FILMYFLY_CLIENT_CONNECTIONS, "
                "FILMYFLY_CLIENT_CONNECTS)",
                address_print(&connection->peer, text).p);
    h2o_socket_close(connection->socket);
    free(connection);
}

/* False: the socket was closed. */
static bool add(struct connections *connections, h2o_socket_t *socket, SSL_CTX *tls)
{
    struct connection *connection = h2o_mem_alloc(sizeof(*connection));
    *connection = (struct connection){.owner = connections,
                                      .next = connections->list,
                                      .link = &connections->list,
                                      .socket = socket,
                                      .tls = tls,
                                      .idle_since = connections->now};
    if (!is_allowed(connections, connection)) {
        refuse(connection);
        return false;
    }
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
    return true;
}

/* Takes one connection; false when there is none, or no room. */
static bool accept_one(struct connections *connections, struct listener *listener)
{
    h2o_socket_t *socket = connections->full ? NULL : h2o_evloop_socket_accept(listener->socket);
    if (!socket) {
        return false;
    }
    if (add(connections, socket, listener->accept.ssl_ctx)) {
        stop_at_limit(connections);
        h2o_accept(&listener->accept, socket);
    }
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
                        bool handed)
{
    listener->accept = (h2o_accept_ctx_t){.ctx = context, .hosts = context->globalconf->hosts, .ssl_ctx = NULL};
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

void connection_cut(struct connection *connection, enum cut why)
{
    static _Thread_local struct log_limit limit;
    static const struct linger at_once = {.l_onoff = 1};
    char text[ADDRESS_TEXT];
    if (connection->cut) {
        return;
    }
    connection->cut = true;
    count(meters.cut[why], 1);
    log_limited(&limit, LOG_LEVEL_INFO, "a connection of %s is cut: %s", address_print(&connection->peer, text).p,
                cut_words[why]);
    /* The kernel need not keep what the client does not take. */
    setsockopt(h2o_socket_get_fd(connection->socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    shut(connection->socket);
}

/* Ends who holds most, whoever it was that came last. Its memory is given back when libh2o has noticed. */
static void cut_greatest(struct connections *owner, size_t most)
{
    struct connection *greatest = NULL;
    size_t held = owner->held;
    for (struct connection *each = owner->list; each; each = each->next) {
        if (each->cut) {
            held -= each->held;
        } else if (!greatest || each->held > greatest->held) {
            greatest = each;
        }
    }
    if (held > most && greatest && greatest->held > HELD_MUCH) {
        connection_cut(greatest, CUT_MEMORY);
    }
}

void connection_hold(struct connection *connection, ptrdiff_t bytes)
{
    struct connections *owner = connection->owner;
    size_t most = HELD_TIMES * owner->settings->body_max, most_of_loop = HELD_LOOP > most ? HELD_LOOP : most;
    connection->held += (size_t)bytes;
    owner->held += (size_t)bytes;
    if (bytes > 0 && (connection->held > most || owner->held > 2 * most_of_loop)) {
        connection_cut(connection, CUT_MEMORY); /* many at once may hold much before those that were cut are gone */
    } else if (bytes > 0 && owner->held > most_of_loop && owner->weighed != owner->turn) {
        owner->weighed = owner->turn;
        cut_greatest(owner, most_of_loop);
    }
}

static bool has_unread(h2o_socket_t *socket)
{
    char byte;
    return socket->input->size > 0 ||
           !(recv(h2o_socket_get_fd(socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

void connections_mark_early(struct connections *connections)
{
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        connection->early = true;
    }
}

bool connections_have_early(const struct connections *connections, bool busy)
{
    for (const struct connection *connection = connections->list; connection; connection = connection->next) {
        if (connection->early && (connection->visits || !busy)) {
            return true;
        }
    }
    return false;
}

bool connections_have_uploads(const struct connections *connections)
{
    for (const struct connection *connection = connections->list; connection; connection = connection->next) {
        for (const struct visit *visit = connection->visits; visit; visit = visit->next) {
            if (visit->stream && visit->deadline && !visit->answered) {
                return true;
            }
        }
    }
    return false;
}

static bool is_silent(const struct connection *connection, uint64_t ns)
{
    return connection->owner->now - connection->silent_since >= ns && !has_unread(connection->socket);
}

static int shut_between_requests(h2o_req_t *req, void *data)
{
    const uint64_t *ns = data;
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    const struct connection *connection = socket ? connection_of(socket) : NULL;
    /* A request that has begun to be read has no version yet, but bytes; one that is being answered has a version. */
    if (req->version == 0 && connection && !h2o_socket_is_writing(socket) && is_silent(connection, *ns)) {
        shut(socket);
    }
    return 0;
}

void connections_shut_idle(struct connections *connections, h2o_context_t *context, uint64_t ns)
{
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        if (connection->heard || !connection->silent_since) {
            connection->heard = false;
            connection->silent_since = connections->now;
        } else if (!connection->visits && connection->socket->bytes_read == 0 && is_silent(connection, ns)) {
            shut(connection->socket);
        }
    }
    context->globalconf->http1.callbacks.foreach_request(context, shut_between_requests, &ns);
}

void connections_shut_all(struct connections *connections)
{
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        shut(connection->socket);
    }
}
