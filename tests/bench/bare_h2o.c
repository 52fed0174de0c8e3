/*
 * The least that libh2o can do for a cached page: given responses, kept in memory, are sent as they are. What
 * FilmyFly's gateway costs beyond this is FilmyFly's own. The configuration, the loops and the TLS context are as the
 * gateway's.
 *
 *     bare_h2o PORT CERTIFICATE KEY LOOPS <LIST
 *
 * A line of LIST: the path, a space, a file with a whole HTTP/1.1 response. Serves TLS on 127.0.0.1 until it is killed.
 */
#include <arpa/inet.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS (1u << 20) /* for paths */
#define TURN  20         /* ms */

struct field {
    const h2o_token_t *token;
    h2o_iovec_t name, value;
};

struct response {
    size_t n;
    struct field field[64];
    h2o_iovec_t body;
};

static struct slot {
    h2o_iovec_t path;
    struct response *response;
} slots[SLOTS];

struct loop {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    pthread_t thread;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static h2o_iovec_t read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0)
        fail(path);
    h2o_iovec_t bytes = {NULL, (size_t)ftell(in)};
    bytes.base = h2o_mem_alloc(bytes.len + 1);
    rewind(in);
    if (fread(bytes.base, 1, bytes.len, in) != bytes.len)
        fail(path);
    bytes.base[bytes.len] = '\0';
    fclose(in);
    return bytes;
}

/* The library writes these itself. */
static int is_written_by_library(h2o_iovec_t name)
{
    return h2o_memis(name.base, name.len, H2O_STRLIT("content-length")) ||
           h2o_memis(name.base, name.len, H2O_STRLIT("date")) ||
           h2o_memis(name.base, name.len, H2O_STRLIT("connection"));
}

static struct response *read_response(const char *path)
{
    h2o_iovec_t bytes = read_file(path);
    struct response *response = h2o_mem_alloc(sizeof(*response));
    response->n = 0;
    char *end = strstr(bytes.base, "\r\n\r\n"), *line = strstr(bytes.base, "\r\n");
    if (!end) {
        fprintf(stderr, "%s: no HTTP response\n", path);
        exit(1);
    }
    response->body = h2o_iovec_init(end + 4, (size_t)(bytes.base + bytes.len - end - 4));
    while (line < end && response->n < 64) {
        char *name = line + 2, *colon = strchr(name, ':');
        line = strstr(name, "\r\n");
        struct field *field = &response->field[response->n];
        field->name = h2o_iovec_init(name, (size_t)(colon - name));
        field->value = h2o_iovec_init(colon + 2, (size_t)(line - colon - 2));
        h2o_strtolower(name, field->name.len);
        field->token = h2o_lookup_token(name, field->name.len);
        if (field->token == H2O_TOKEN_VARY) /* libh2o writes its own Vary as something else for old browsers */
            field->token = NULL;
        response->n += !is_written_by_library(field->name);
    }
    return response;
}

/* Where a path is, or where it would be put: FNV-1a, then the next free one. */
static struct slot *find_slot(h2o_iovec_t path)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < path.len; i++)
        hash = (hash ^ (uint8_t)path.base[i]) * 16777619;
    struct slot *slot;
    for (hash ^= hash >> 15; (slot = &slots[hash % SLOTS])->path.base; hash++)
        if (h2o_memis(slot->path.base, slot->path.len, path.base, path.len))
            break;
    return slot;
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};
    (void)self;
    struct response *response = find_slot(req->path)->response;
    if (!response)
        return -1;
    for (size_t i = 0; i < response->n; i++) {
        const struct field *field = &response->field[i];
        if (field->token)
            h2o_add_header(&req->pool, &req->res.headers, field->token, NULL, field->value.base, field->value.len);
        else
            h2o_add_header_by_str(&req->pool, &req->res.headers, field->name.base, field->name.len, 0, NULL,
                                  field->value.base, field->value.len);
    }
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = response->body.len;
    req->res.mime_attr = &h2o_mime_attributes_as_is;
    h2o_start_response(req, &generator);
    h2o_send(req, &response->body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct loop *loop = listener->data;
    h2o_socket_t *socket;
    while (!error && (socket = h2o_evloop_socket_accept(listener)))
        h2o_accept(&loop->accept, socket);
}

static SSL_CTX *load_tls(const char *certificate, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    h2o_ssl_register_alpn_protocols(ctx, h2o_alpn_protocols);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        fail(certificate);
    return ctx;
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0)
        fail("listen");
    return fd;
}

static void *run(void *argument)
{
    struct loop *loop = argument;
    for (;;)
        h2o_evloop_run(loop->context.loop, TURN);
    return NULL;
}

static void start(const char *port, SSL_CTX *tls)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    h2o_config_init(&loop->config);
    loop->config.server_name = (h2o_iovec_t){NULL, 0};
    loop->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host = h2o_config_register_host(&loop->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    host->http2.reprioritize_blocking_assets = 0;
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_context_init(&loop->context, h2o_evloop_create(), &loop->config);
    loop->accept = (h2o_accept_ctx_t){.ctx = &loop->context, .hosts = loop->config.hosts, .ssl_ctx = tls};
    h2o_socket_t *listener = h2o_evloop_socket_create(loop->context.loop, listen_on(port), H2O_SOCKET_FLAG_DONT_READ);
    listener->data = loop;
    h2o_socket_read_start(listener, on_accept);
    if (pthread_create(&loop->thread, NULL, run, loop) != 0)
        fail("a thread");
}

int main(int argc, char **argv)
{
    char path[2048], file[2048];
    if (argc != 5) {
        fprintf(stderr, "bare_h2o PORT CERTIFICATE KEY LOOPS <LIST\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (unsigned n = 0; n < SLOTS / 2 && scanf("%2047s %2047s", path, file) == 2; n++) {
        h2o_iovec_t key = h2o_strdup(NULL, path, SIZE_MAX);
        *find_slot(key) = (struct slot){key, read_response(file)};
    }
    SSL_CTX *tls = load_tls(argv[2], argv[3]);
    for (int i = 0; i < atoi(argv[4]); i++)
        start(argv[1], tls);
    for (;;)
        pause();
}
