#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "exchange.h"
#include "log.h"
#include "meters.h"
#include "pages.h"
#include "reply.h"
#include "request.h"

#define TICK          (20 * MILLISECOND)
#define ACCEPT_BATCH  64              /* connections taken from a listener in one turn */
#define IDLE_GRACE    (1 * SECOND)    /* how long an idle HTTP/1 connection is still listened to when leaving */
#define CLIENT_WAIT   30000           /* ms that a client may take for a request, or be idle */
#define WINDOW_AGAIN  (1500 * MILLISECOND)

struct loop *loop_of(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct loop, context, req->conn->ctx);
}

/* Requests. */

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct loop *loop = loop_of(req);
    enum page refusal = request_normalize(req);

    if (refusal != PAGE_NONE) {
        page_send(req, refusal, 0);
    } else if (str_eq(request_path(req), STR("/healthz"))) {
        reply_header(req, H2O_TOKEN_CONTENT_TYPE, "text/plain; charset=utf-8");
        reply_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
        reply_bytes(req, 200, STR("ok\n"));
    } else if (!loop->gateway->files || !files_answer(loop->gateway->files, req)) {
        exchange_start(loop, req);
    }
    return 0;
}

/* Called at the end of every request, whatever its end was. */
static void on_request_over(h2o_logger_t *self, h2o_req_t *req)
{
    (void)self;
    int status = req->res.status;
    count(meters.requests, 1);
    count(meters.status[status >= 100 && status <= 999 ? status / 100 : 0], 1);
}

/* Connections. */

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

static void on_connection_closed(void *data)
{
    struct loop *loop = data;
    loop->open--;
    count(meters.connections, (uint64_t)-1);
    if (loop->full) {
        loop->full = false;
        start_listener(&loop->http);
        start_listener(&loop->https);
    }
}

/* Beyond the limit the loop accepts nothing: out of descriptors libh2o would spin. What waits in the kernel's queue gets its turn. */
static void stop_at_limit(struct loop *loop)
{
    static _Thread_local struct log_limit limit;
    if (loop->open < loop->gateway->settings->connections) {
        return;
    }
    loop->full = true;
    stop_listener(&loop->http);
    stop_listener(&loop->https);
    count(meters.at_limit, 1);
    log_limited(&limit, LOG_LEVEL_WARNING,
                "loop %u has %llu open connections, as many as FILMYFLY_CONNECTIONS allows; new ones wait", loop->number,
                (unsigned long long)loop->open);
}

/* Takes one connection; false when there is none, or no room. */
static bool accept_one(struct loop *loop, struct listener *listener)
{
    h2o_socket_t *socket = loop->full ? NULL : h2o_evloop_socket_accept(listener->socket);
    if (!socket) {
        return false;
    }
    loop->open++;
    count(meters.connections, 1);
    count(meters.accepted, 1);
    socket->on_close.cb = on_connection_closed;
    socket->on_close.data = loop;
    stop_at_limit(loop);
    h2o_accept(&listener->accept, socket);
    return true;
}

static void on_accept(h2o_socket_t *socket, const char *error)
{
    struct loop *loop = socket->data;
    struct listener *listener = socket == loop->http.socket ? &loop->http : &loop->https;
    if (error) {
        return;
    }
    for (int i = 0; i < ACCEPT_BATCH && accept_one(loop, listener); i++) {
    }
}

/* Set-up. */

static void on_upstream_readable(h2o_socket_t *socket, const char *error)
{
    (void)error;
    upstream_turn(((struct loop *)socket->data)->upstream);
}

static void configure(struct loop *loop)
{
    const struct settings *settings = loop->gateway->settings;
    h2o_globalconf_t *config = &loop->config;

    h2o_config_init(config);
    config->server_name = (h2o_iovec_t){NULL, 0};
    config->max_request_entity_size = settings->body_max;
    config->http1.upgrade_to_http2 = 0;
    config->http1.req_timeout = CLIENT_WAIT;
    config->http2.idle_timeout = CLIENT_WAIT;

    /* The host stands in for the one that a client of HTTP/1.0 does not say. */
    const char *host = strstr(settings->site, "://");
    host = host ? host + 3 : settings->site;
    h2o_hostconf_t *hostconf = h2o_config_register_host(config, h2o_iovec_init(host, strcspn(host, "/")), 65535);
    hostconf->http2.reprioritize_blocking_assets = 0;
    h2o_pathconf_t *path = &hostconf->fallback_path;
    path->error_log.emit_request_errors = 0;
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = on_request_over;
    h2o_context_init(&loop->context, h2o_evloop_create(), config);
}

static void set_listener(struct loop *loop, struct listener *listener, int fd, bool handed, SSL_CTX *tls)
{
    listener->accept =
        (h2o_accept_ctx_t){.ctx = &loop->context, .hosts = loop->config.hosts, .ssl_ctx = tls};
    listener->handed = handed;
    if (fd >= 0) {
        listener->socket = h2o_evloop_socket_create(loop->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
        listener->socket->data = loop;
        start_listener(listener);
    }
}

/* Takes the newest certificate. Connections hold the one they began with. */
static void take_tls(struct loop *loop)
{
    struct gateway *gateway = loop->gateway;
    if (loop->tls_version == atomic_load(&gateway->tls_version)) {
        return;
    }
    SSL_CTX *old = loop->https.accept.ssl_ctx;
    pthread_mutex_lock(&gateway->mutex);
    loop->tls_version = atomic_load(&gateway->tls_version);
    loop->https.accept.ssl_ctx = gateway->tls;
    SSL_CTX_up_ref(gateway->tls);
    pthread_mutex_unlock(&gateway->mutex);
    SSL_CTX_free(old);
}

struct loop *loop_new(struct gateway *gateway, unsigned number, int http, int https, bool handed, char *error,
                      size_t error_size)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop || getrandom(&loop->random, sizeof(loop->random), 0) != sizeof(loop->random)) {
        snprintf(error, error_size, "Out of memory or of random bytes.");
        free(loop);
        return NULL;
    }
    loop->gateway = gateway;
    loop->number = number;
    loop->queue_end = &loop->queue;
    loop->gunzip = gunzip_new();
    snprintf(loop->name, sizeof(loop->name), "%s.%u", gateway->instance, number);
    struct upstream_options options = {
        .stage = "cacher", .own_stage = "gateway", .own_instance = loop->name, .settings = gateway->settings};
    loop->upstream = upstream_new(&options, error, error_size);
    int fd = loop->upstream ? dup(upstream_fd(loop->upstream)) : -1;
    if (fd < 0) {
        if (loop->upstream) {
            snprintf(error, error_size, "The descriptor of the hop cannot be doubled: %s.", strerror(errno));
        }
        upstream_free(&loop->upstream);
        gunzip_free(&loop->gunzip);
        free(loop);
        return NULL;
    }
    configure(loop);
    loop->upstream_socket = h2o_evloop_socket_create(loop->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    loop->upstream_socket->data = loop;
    h2o_socket_read_start(loop->upstream_socket, on_upstream_readable);
    set_listener(loop, &loop->http, http, handed, NULL);
    set_listener(loop, &loop->https, https, handed, NULL);
    take_tls(loop);
    return loop;
}

/* Leaving. */

static void close_listener(struct loop *loop, struct listener *listener)
{
    if (listener->socket) {
        /* What waits in the queue of a socket that nobody else holds would be reset. */
        while (!listener->handed && accept_one(loop, listener)) {
        }
        h2o_socket_close(listener->socket);
        listener->socket = NULL;
    }
}

/* HTTP/2: GOAWAY, twice. HTTP/1: from now on every answer says that it is the last. */
static void ask_to_leave(struct loop *loop, uint64_t now)
{
    loop->shutdown_asked = now;
    loop->context.http2._graceful_shutdown_timeout.cb = NULL; /* or libh2o would ask only the connections of the first time */
    h2o_context_request_shutdown(&loop->context);
}

static void begin_leaving(struct loop *loop, uint64_t now)
{
    close_listener(loop, &loop->http);
    close_listener(loop, &loop->https);
    loop->leaving_since = now;
    ask_to_leave(loop, now);
}

static void shut(h2o_req_t *req)
{
    shutdown(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SHUT_RDWR);
}

/*
 * Ends an HTTP/1 connection that says nothing. Whoever was busy in the last second was told "Connection: close"; for the others the moment between our look
 * and their notice is as short as at any idle timeout.
 */
static int shut_when_idle(h2o_req_t *req, void *data)
{
    (void)data;
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    char byte;
    if (req->version == 0 && socket && socket->input->size == 0 && !h2o_socket_is_writing(socket) &&
        recv(h2o_socket_get_fd(socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
        shut(req);
    }
    return 0;
}

static int shut_anyway(h2o_req_t *req, void *data)
{
    (void)data;
    shut(req);
    return 0;
}

/* True when every connection is done, or was given up on. */
static bool go_on_leaving(struct loop *loop, uint64_t now)
{
    struct gateway *gateway = loop->gateway;
    h2o_context_t *context = &loop->context;

    if (loop->open == 0) {
        return true;
    }
    if (now - loop->leaving_since >= gateway->leave_limit) {
        loop->config.http1.callbacks.foreach_request(context, shut_anyway, NULL);
        loop->config.http2.callbacks.foreach_request(context, shut_anyway, NULL);
        atomic_fetch_add(&gateway->lost, (unsigned)loop->open);
        return true;
    }
    if (now - loop->leaving_since >= IDLE_GRACE) {
        loop->config.http1.callbacks.foreach_request(context, shut_when_idle, NULL);
    }
    /* Connections whose handshake ended only now have not been asked. */
    if (now - loop->shutdown_asked >= WINDOW_AGAIN &&
        !h2o_timeout_is_linked(&context->http2._graceful_shutdown_timeout)) {
        ask_to_leave(loop, now);
    }
    return false;
}

static bool tick(struct loop *loop, uint64_t now)
{
    take_tls(loop);
    upstream_turn(loop->upstream);
    if (atomic_load(&loop->gateway->state) == STATE_SERVING) {
        return false;
    }
    if (!loop->leaving_since) {
        begin_leaving(loop, now);
    }
    return go_on_leaving(loop, now);
}

void *loop_run(void *argument)
{
    struct loop *loop = argument;
    uint64_t next_tick = clock_now();

    for (bool done = false; !done;) {
        h2o_evloop_run(loop->context.loop, TICK / MILLISECOND); /* an interrupted wait is no error */
        if (exchange_send_queue(loop)) {
            upstream_turn(loop->upstream);
        }
        uint64_t now = clock_now();
        if (now >= next_tick) {
            next_tick = now + TICK;
            done = tick(loop, now);
        }
    }
    upstream_free(&loop->upstream);
    atomic_fetch_add(&loop->gateway->left, 1);
    for (;;) {
        pause();
    }
    return NULL;
}
