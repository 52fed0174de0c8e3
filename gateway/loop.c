#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "exchange.h"
#include "hit.h"
#include "log.h"
#include "meters.h"
#include "pages.h"
#include "reply.h"
#include "request.h"

#define TICK        (20 * MILLISECOND)
#define IDLE_GRACE  (1 * SECOND) /* how long an idle HTTP/1 connection is still listened to when leaving */
#define CLIENT_WAIT 30000        /* ms that a client may take for a request, or be idle */
#define ASK_AGAIN   (1500 * MILLISECOND)

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

/* Takes the newest certificate. Connections hold the one they began with. */
static void take_tls(struct loop *loop)
{
    struct gateway *gateway = loop->gateway;
    if (loop->tls_version == atomic_load(&gateway->tls_version)) {
        return;
    }
    SSL_CTX *old = loop->connections.https.accept.ssl_ctx;
    pthread_mutex_lock(&gateway->mutex);
    loop->tls_version = atomic_load(&gateway->tls_version);
    loop->connections.https.accept.ssl_ctx = gateway->tls;
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
    loop->hits = gateway->store ? hits_new(gateway->store) : NULL;
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
        hits_free(&loop->hits);
        gunzip_free(&loop->gunzip);
        free(loop);
        return NULL;
    }
    configure(loop);
    loop->upstream_socket = h2o_evloop_socket_create(loop->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    loop->upstream_socket->data = loop;
    h2o_socket_read_start(loop->upstream_socket, on_upstream_readable);
    struct connections *connections = &loop->connections;
    connections->limit = gateway->settings->connections;
    connections_listen(connections, &connections->http, &loop->context, http, handed, NULL);
    connections_listen(connections, &connections->https, &loop->context, https, handed, NULL);
    take_tls(loop);
    return loop;
}

/* Leaving. */

/* HTTP/2: GOAWAY, twice. HTTP/1: from now on every answer says that it is the last. */
static void ask_to_leave(struct loop *loop, uint64_t now)
{
    loop->shutdown_asked = now;
    /* libh2o asks once; cleared, it asks those that came since too. */
    loop->context.http2._graceful_shutdown_timeout.cb = NULL;
    h2o_context_request_shutdown(&loop->context);
}

static void begin_leaving(struct loop *loop, uint64_t now)
{
    connections_stop_listening(&loop->connections);
    loop->leaving_since = now;
    ask_to_leave(loop, now);
}

/* True when every connection is done, or was given up on. */
static bool go_on_leaving(struct loop *loop, uint64_t now)
{
    struct gateway *gateway = loop->gateway;
    h2o_context_t *context = &loop->context;

    if (loop->connections.open == 0) {
        return true;
    }
    if (now - loop->leaving_since >= gateway->leave_limit) {
        connections_shut_all(&loop->connections);
        atomic_fetch_add(&gateway->lost, (unsigned)loop->connections.open);
        return true;
    }
    if (now - loop->leaving_since >= IDLE_GRACE) {
        connections_shut_idle(&loop->connections, context);
    }
    /* Connections whose handshake ended only now have not been asked. */
    if (now - loop->shutdown_asked >= ASK_AGAIN && !h2o_timeout_is_linked(&context->http2._graceful_shutdown_timeout)) {
        ask_to_leave(loop, now);
    }
    return false;
}

static bool tick(struct loop *loop, uint64_t now)
{
    take_tls(loop);
    if (loop->hits)
        hits_report(loop);
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
        if (loop->hits)
            hits_turn_ends(loop->hits);
    }
    upstream_free(&loop->upstream);
    hits_free(&loop->hits);
    atomic_fetch_add(&loop->gateway->left, 1);
    for (;;) {
        pause();
    }
    return NULL;
}
