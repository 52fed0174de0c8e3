#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "acme.h"
#include "clock.h"
#include "cors.h"
#include "deadlines.h"
#include "exchange.h"
#include "fault.h"
#include "hit.h"
#include "inspect.h"
#include "log.h"
#include "meters.h"
#include "pages.h"
#include "patience.h"
#include "reply.h"
#include "request.h"
#include "visit.h"

#define TICK       (20 * MILLISECOND)
#define IDLE_GRACE (1 * SECOND) /* how long an idle HTTP/1 connection is still listened to when leaving */
#define ASK_AGAIN  (1500 * MILLISECOND)
#define ASK_SOON   (300 * MILLISECOND) /* in which a handshake ends that had begun before */

struct loop *loop_of(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct loop, context, req->conn->ctx);
}

/* Requests. */

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct loop *loop = loop_of(req);
    fault("gateway-request", request_path(req));
    visit_arrived(visit_open(req), req);
    enum page refusal = request_normalize(req, loop->gateway->hosts, loop->gateway->settings->body_max);

    if (refusal != PAGE_NONE) {
        page_send(req, refusal, 0);
    } else if (cors_answer_preflight(req)) {
        return 0;
    } else if (str_eq(request_path(req), STR("/healthz"))) {
        reply_header(req, H2O_TOKEN_CONTENT_TYPE, "text/plain; charset=utf-8");
        reply_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
        reply_bytes(req, 200, STR("ok\n"));
    } else if (acme_answer(loop->gateway->settings->acme_dir, req) || redirect_answer(&loop->gateway->redirect, req)) {
        return 0;
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
    struct access_log *access_log = loop_of(req)->gateway->access_log;
    count(meters.requests, 1);
    count(meters.status[status >= 100 && status <= 999 ? status / 100 : 0], 1);
    patience_praise(connection_of(req->conn->callbacks->get_socket(req->conn)), req);
    if (access_log) {
        access_log_add(access_log, req);
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
    config->max_request_entity_size = settings->body_max + 1; /* that one byte too much came is seen, and answered */
    config->http1.upgrade_to_http2 = 0;
    config->http1.req_timeout = settings->client_wait / MILLISECOND;
    config->http2.idle_timeout = settings->client_wait / MILLISECOND;
    config->http2.max_concurrent_requests_per_connection = settings->streams;

    /* It would put large bodies into files in /tmp, which blocks, and may not be written to. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;

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

static void on_command(void *user, enum inspect_command command)
{
    struct loop *loop = user;
    atomic_fetch_or(&loop->gateway->asked, 1u << command);
}

static void open_inspect(struct loop *loop)
{
    char error[256];
    const struct inspect_options options = {
        .claim = loop->gateway->claim, .thread = (int)loop->number, .on_command = on_command, .user = loop};
    loop->inspect = inspect_new(&options, error, sizeof(error));
    if (loop->inspect)
        upstream_inspect(loop->upstream, loop->inspect);
    else
        log_warning("nobody can look on: %s", error);
}

struct loop *loop_new(struct gateway *gateway, unsigned number, int http, int https, bool handed, char *error,
                      size_t error_size)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop || getrandom(&loop->connections.random, sizeof(uint64_t), 0) != sizeof(uint64_t)) {
        snprintf(error, error_size, "Out of memory or of random bytes.");
        free(loop);
        return NULL;
    }
    loop->gateway = gateway;
    loop->number = number;
    atomic_store(&loop->progressed, clock_now());
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
    connections->settings = gateway->settings;
    connections->quota = gateway->quota;
    connections->proxies = &gateway->proxies;
    connections->precise = gateway->access_log != NULL;
    connections->now = clock_now();
    connections_listen(connections, &connections->http, &loop->context, http, handed);
    connections_listen(connections, &connections->https, &loop->context, https, handed);
    take_tls(loop);
    open_inspect(loop);
    return loop;
}

/* Leaving. */

/*
 * Two steps, so that visitors hardly wait for who leaves. First (STATE_LEAVING) those who are connected are asked to
 * go; somebody holds the listening sockets for us, and whoever comes meanwhile is still served here. When they have
 * gone, in all loops, the sockets are closed (STATE_CLOSING): now the few who came in between are asked, and as soon as
 * they have gone a successor takes over.
 */

/* HTTP/2: GOAWAY, which clients follow at once, and a second after the last asking one that names the last stream that
 * is answered. HTTP/1: from now on every answer says that it is the last. */
static void ask_to_leave(struct loop *loop, uint64_t now)
{
    h2o_timeout_entry_t *second = &loop->context.http2._graceful_shutdown_timeout;

    loop->shutdown_asked = now;
    /* libh2o asks once; cleared, it asks those that came since too. */
    h2o_timeout_unlink(second);
    second->cb = NULL;
    h2o_context_request_shutdown(&loop->context);
}

static void begin_leaving(struct loop *loop, uint64_t now)
{
    loop->leaving_since = now;
    connections_mark_early(&loop->connections);
    ask_to_leave(loop, now);
    /* The second GOAWAY goes to all connections: it would end those that came since without a warning. */
    h2o_timeout_unlink(&loop->context.http2._graceful_shutdown_timeout);
}

static void begin_closing(struct loop *loop, uint64_t now)
{
    loop->closing_since = now;
    connections_stop_listening(&loop->connections);
    ask_to_leave(loop, now);
}

/* Those who were connected before have gone; or all that still are had time to go and ask nothing; or they take too
 * long. */
static bool is_drained(const struct loop *loop, uint64_t now)
{
    uint64_t since = now - loop->leaving_since;
    return !connections_have_early(&loop->connections, since >= IDLE_GRACE) || since >= loop->gateway->leave_limit / 2;
}

/* Asks those who have not been: who came, or whose handshake ended, since. While a successor waits that is soon. */
static void ask_again(struct loop *loop, uint64_t now)
{
    bool soon = loop->gateway->handed && now - loop->closing_since < ASK_SOON;
    if (now - loop->shutdown_asked >= (soon ? ASK_SOON / 3 : ASK_AGAIN)) {
        ask_to_leave(loop, now);
    }
}

/* True when every connection is done, or was given up on. */
static bool go_on_leaving(struct loop *loop, uint64_t now)
{
    struct gateway *gateway = loop->gateway;
    struct connections *connections = &loop->connections;

    if (loop->closing_since && connections->open == 0) {
        return true;
    }
    if (now - loop->leaving_since >= gateway->leave_limit) {
        if (!loop->given_up) { /* a drained gateway comes here more than once */
            loop->given_up = true;
            atomic_fetch_add(&gateway->lost, (unsigned)connections->open);
            connections_shut_all(connections);
        }
        return true;
    }
    if (!loop->drained && is_drained(loop, now)) {
        loop->drained = true;
        atomic_fetch_add(&gateway->drained, 1);
    }
    connections_shut_idle(connections, &loop->context, IDLE_GRACE);
    if (connections_have_uploads(connections)) {
        /* The second GOAWAY would end them, as nothing that is read after it counts; all are asked again. */
        h2o_timeout_unlink(&loop->context.http2._graceful_shutdown_timeout);
    }
    if (loop->closing_since) {
        ask_again(loop, now);
    }
    return false;
}

static bool tick(struct loop *loop, uint64_t now)
{
    atomic_store_explicit(&loop->progressed, now, memory_order_relaxed);
    take_tls(loop);
    deadlines_tick(&loop->connections);
    if (loop->hits)
        hits_report(loop);
    upstream_turn(loop->upstream);
    if (loop->inspect)
        inspect_turn(loop->inspect);
    int state = atomic_load(&loop->gateway->state);
    if (state == STATE_SERVING) {
        return false;
    }
    if (!loop->leaving_since) {
        begin_leaving(loop, now);
    }
    if (!loop->closing_since && state != STATE_LEAVING) {
        begin_closing(loop, now);
    }
    return go_on_leaving(loop, now) && state != STATE_DRAINING;
}

void *loop_run(void *argument)
{
    struct loop *loop = argument;
    uint64_t next_tick = clock_now();
    int32_t wait = 0;

    for (bool done = false; !done;) {
        h2o_evloop_run(loop->context.loop, wait); /* an interrupted wait is no error */
        unsigned answered = loop->answered;
        if (exchange_send_queue(loop)) {
            upstream_turn(loop->upstream);
        }
        uint64_t now = clock_now();
        loop->connections.now = now;
        loop->connections.turn++;
        if (now >= next_tick) {
            next_tick = now + TICK;
            done = tick(loop, now);
        }
        if (loop->hits)
            hits_turn_ends(loop->hits);
        /* libh2o goes on with what was answered here, outside of its run, only after its next wait. */
        wait = loop->answered == answered ? TICK / MILLISECOND : 0;
    }
    inspect_free(&loop->inspect);
    upstream_free(&loop->upstream);
    hits_free(&loop->hits);
    atomic_fetch_add(&loop->gateway->left, 1);
    for (;;) {
        pause();
    }
    return NULL;
}
