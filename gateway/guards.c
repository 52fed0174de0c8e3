#include "guards.h"

#include <dlfcn.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "counters.h"
#include "framing.h"
#include "meters.h"
#include "pages.h"
#include "patience.h"
#include "request.h"
#include "target.h"
#include "visit.h"

#define EXPORTED __attribute__((visibility("default"), used))

#define STREAM_BYTES 8192 /* about what the library keeps for a stream, its request's pool included */

enum { FRAME_HEAD = 9, FLAG_ACK = 1, FLAG_END_STREAM = 1 };

typedef ssize_t decode_frame(void *, const uint8_t *, size_t, const void *, const char **);
typedef int decode_data(struct h2_data *, const struct h2_frame *, const char **);
typedef int parse_headers(h2o_req_t *, void *, const uint8_t *, size_t, int *, size_t *, void *, const char **);
typedef int parse_request(const char *, size_t, const char **, size_t *, const char **, size_t *, int *,
                          struct phr_header *, size_t *, size_t);
typedef ssize_t decode_chunked(struct phr_chunked_decoder *, char *, size_t *);
typedef size_t strtosize(const char *, size_t);
typedef void read_start(h2o_socket_t *, h2o_socket_cb);
typedef void encode_reset(h2o_buffer_t **, uint32_t, int);

static decode_frame *library_decode_frame;
static decode_data *library_decode_data;
static parse_headers *library_parse_headers;
static parse_request *library_parse_request;
static strtosize *library_strtosize;
static read_start *library_read_start;
static encode_reset *library_encode_reset;
static pthread_once_t found = PTHREAD_ONCE_INIT;
static atomic_bool proving;
enum seen {
    SEEN_FRAME,
    SEEN_DATA,
    SEEN_HEADERS,
    SEEN_REQUEST,
    SEEN_CHUNKED,
    SEEN_LENGTH,
    SEEN_ERROR,
    SEEN_HOST,
    SEEN_READ,
    SEEN_RESET,
    SEEN_COUNT
};
static atomic_uint seen[SEEN_COUNT]; /* calls, by guards_prove only */

/* What the frame and the header block at hand said. */
static _Thread_local uint8_t frame_flags;
static _Thread_local unsigned lengths;

static void note(enum seen what)
{
    if (atomic_load_explicit(&proving, memory_order_relaxed)) {
        atomic_fetch_add(&seen[what], 1);
    }
}

static void find_library(void)
{
    /* POSIX has functions fit into void *, ISO C has no cast for it: copied as an object. */
    void *symbol = dlsym(RTLD_NEXT, "h2o_http2_decode_frame");
    memcpy(&library_decode_frame, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_http2_decode_data_payload");
    memcpy(&library_decode_data, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_hpack_parse_headers");
    memcpy(&library_parse_headers, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "phr_parse_request");
    memcpy(&library_parse_request, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_strtosize");
    memcpy(&library_strtosize, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_socket_read_start");
    memcpy(&library_read_start, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_http2__encode_rst_stream_frame");
    memcpy(&library_encode_reset, &symbol, sizeof(symbol));
    /* HTTP/2's Host lines are dropped by this mark alone; without it they are lines like others. */
    H2O_TOKEN_HOST->http2_should_reject = 0;
}

/* False: the connection is to be ended. */
static bool take_frame(struct connection *connection, const struct h2_frame *frame)
{
    connection->stream = frame->stream;
    connection->partial_since = 0;
    if (frame->type == H2_DATA || frame->type == H2_HEADERS) {
        visit_more(connection, frame->stream, frame->flags & FLAG_END_STREAM);
    }
    return !connection->cut && patience_frame(connection, frame);
}

EXPORTED ssize_t h2o_http2_decode_frame(void *frame, const uint8_t *src, size_t len, const void *settings,
                                        const char **error)
{
    pthread_once(&found, find_library);
    note(SEEN_FRAME);
    if (len >= FRAME_HEAD && src[3] == H2_HEADERS) {
        frame_flags = src[4];
    }
    if (len >= FRAME_HEAD && src[3] == H2_CONTINUATION) {
        *error = "CONTINUATION is not taken here; keep headers within one frame";
        count(meters.refused_frames, 1);
        return H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM;
    }
    ssize_t used = library_decode_frame(frame, src, len, settings, error);
    struct h2_frame *decoded = frame;
    if (used > 0 && connection_reading && !take_frame(connection_reading, decoded)) {
        *error = "too many frames that bring nobody anything";
        count(meters.refused_frames, 1);
        return H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM;
    }
    if (used > 0 && decoded->type > H2_CONTINUATION) {
        /* Frames of unknown types must be ignored (RFC 9113 section 5.5). The library does, but writes a line to
         * standard error for each: a peer could fill the log or block the loop. An acknowledged SETTINGS does nothing
         * either. */
        *decoded = (struct h2_frame){.type = H2_SETTINGS, .flags = FLAG_ACK, .payload = decoded->payload};
    }
    return used;
}

/* What is beyond the limit is received and not kept, one byte excepted: it tells request_normalize of the rest. */
EXPORTED int h2o_http2_decode_data_payload(struct h2_data *data, const struct h2_frame *frame, const char **error)
{
    pthread_once(&found, find_library);
    note(SEEN_DATA);
    int result = library_decode_data(data, frame, error);
    if (result == 0 && connection_reading) {
        data->length = visit_take(connection_reading, frame->stream, data->length);
    }
    return result;
}

/* Reads an integer with a prefix of that many bits (RFC 7541 section 5.1); false when it is cut short or beyond what a
 * block can hold. */
static bool read_integer(const uint8_t **p, const uint8_t *end, unsigned bits, size_t *value)
{
    if (*p == end) {
        return false;
    }
    size_t mask = ((size_t)1 << bits) - 1;
    *value = *(*p)++ & mask;
    if (*value < mask) {
        return true;
    }
    for (unsigned shift = 0; *p < end && shift <= 21; shift += 7) {
        uint8_t byte = *(*p)++;
        *value += (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

static bool skip_string(const uint8_t **p, const uint8_t *end)
{
    size_t n;
    if (!read_integer(p, end, 7, &n) || n > (size_t)(end - *p)) {
        return false;
    }
    *p += n;
    return true;
}

size_t guards_count_fields(const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    size_t fields = 0, index;

    while (p < end) {
        if (*p & 0x80) { /* indexed */
            if (!read_integer(&p, end, 7, &index)) {
                break;
            }
        } else if ((*p & 0xe0) == 0x20) { /* a new size of the table: no field */
            if (!read_integer(&p, end, 5, &index)) {
                break;
            }
            continue;
        } else { /* literal, with indexing or without */
            if (!read_integer(&p, end, *p & 0x40 ? 6 : 4, &index) || (index == 0 && !skip_string(&p, end)) ||
                !skip_string(&p, end)) {
                break;
            }
        }
        fields++;
    }
    return fields;
}

EXPORTED size_t h2o_strtosize(const char *text, size_t n)
{
    pthread_once(&found, find_library);
    note(SEEN_LENGTH);
    lengths++;
    return library_strtosize(text, n);
}

/* The only line of a refused request. The library writes its name again in small letters, so it is nobody else's. */
static struct phr_header refusal_line(enum page page)
{
    static _Thread_local char name[] = REQUEST_REFUSED, value;
    value = (char)page;
    return (struct phr_header){name, sizeof(name) - 1, &value, 1};
}

static void refuse_headers(h2o_req_t *req, enum page page)
{
    struct phr_header line = refusal_line(page);
    h2o_iovec_t value = h2o_strdup(&req->pool, line.value, line.value_len);
    req->headers.size = 0;
    h2o_add_header_by_str(&req->pool, &req->headers, line.name, line.name_len, 0, NULL, value.base, value.len);
    count(meters.refused_frames, 1);
}

/* About what the library keeps of a head for as long as its stream is open. A whole request is soon answered; one that
 * does not end is held with all of its pool, and costs a client some bytes. */
static size_t head_bytes(size_t n, size_t fields, bool whole)
{
    return 2 * n + 2 * fields * sizeof(h2o_header_t) + (whole ? 0 : STREAM_BYTES);
}

EXPORTED int h2o_hpack_parse_headers(h2o_req_t *req, void *table, const uint8_t *src, size_t len,
                                     int *pseudo_header_exists, size_t *content_length, void *digests,
                                     const char **error)
{
    (void)digests; /* Cache-Digest is an expired draft: its decoder is not given a peer's bytes */
    pthread_once(&found, find_library);
    note(SEEN_HEADERS);
    size_t fields = guards_count_fields(src, len);
    if (fields > GUARD_FLOOD) {
        *error = "too many header fields";
        count(meters.refused_frames, 1);
        return H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM;
    }
    struct visit *visit = NULL;
    if (pseudo_header_exists && connection_reading) {
        visit = visit_begin(req, connection_reading);
        visit->deadline = frame_flags & FLAG_END_STREAM ? 0 : visit->deadline;
    }
    size_t before = req->headers.size;
    lengths = 0;
    int result = library_parse_headers(req, table, src, len, pseudo_header_exists, content_length, NULL, error);
    if (visit) {
        visit_hold(visit, head_bytes(len, fields, frame_flags & FLAG_END_STREAM));
    }
    if (!pseudo_header_exists) {
        /* A trailer section: what stands there must not be merged into the headers (RFC 9110 section 6.5.1). */
        req->headers.size = before;
    } else if (result == 0 && fields > GUARD_FIELDS) {
        refuse_headers(req, PAGE_FIELDS_TOO_LARGE);
    } else if (result == 0 && (lengths > 1 || (lengths == 1 && *content_length > 0 && frame_flags & FLAG_END_STREAM))) {
        refuse_headers(req, PAGE_BAD_REQUEST);
    } else if (result == 0 && visit && !(frame_flags & FLAG_END_STREAM) &&
               !visit_expect(visit, lengths == 1 ? *content_length : 0)) {
        refuse_headers(req, PAGE_BODY_TOO_LARGE);
        *content_length = SIZE_MAX; /* the library resets a stream that brings another number than this */
    }
    return result;
}

/* Is it white space between two requests? The library goes without a word. */
static bool is_line_end(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n') {
            return false;
        }
    }
    return n <= 4;
}

/* As picohttpparser: the bytes of a whole head; -2: not whole yet; -1: no HTTP. */
EXPORTED int phr_parse_request(const char *bytes, size_t n, const char **method, size_t *method_n, const char **path,
                               size_t *path_n, int *minor_version, struct phr_header *lines, size_t *lines_n,
                               size_t last_n)
{
    enum page page;
    struct framing_body body = {0};
    size_t room = *lines_n;
    pthread_once(&found, find_library);
    note(SEEN_REQUEST);
    int head = library_parse_request(bytes, n, method, method_n, path, path_n, minor_version, lines, lines_n, last_n);
    if (head >= 0) {
        page = framing_check(lines, *lines_n, *minor_version, &body);
    } else if (head == -2) {
        page = framing_check_unfinished(bytes, n);
    } else if (is_line_end(bytes, n)) {
        page = PAGE_NONE;
    } else {
        page = *method && *path && *lines_n == room ? PAGE_FIELDS_TOO_LARGE : PAGE_BAD_REQUEST;
    }
    if (page == PAGE_NONE && (body.length > 0 || body.chunked) && connection_reading) {
        uint64_t limit =
            target_body_limit((struct str){*path, (uint32_t)*path_n}, connection_reading->owner->settings->body_max);
        connection_reading->uploads = true;
        connection_reading->room = limit + 1;
        page = body.length > limit ? PAGE_BODY_TOO_LARGE : PAGE_NONE;
    }
    if (page == PAGE_NONE || room == 0) {
        return head;
    }
    if (!*method || !*path) {
        *method = "GET";
        *path = "/";
        *method_n = 3;
        *path_n = 1;
    }
    *minor_version = 0;
    *lines = refusal_line(page);
    *lines_n = 1;
    return head >= 0 ? head : (int)n;
}

/* Instead of the library's, which takes for a chunk much that others take for something else. */
EXPORTED ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder, char *bytes, size_t *n)
{
    size_t any = SIZE_MAX;
    note(SEEN_CHUNKED);
    return framing_decode(decoder, bytes, n, connection_reading ? &connection_reading->room : &any);
}

/* What h2o_process_request does before it calls a handler. */
static void begin_processing(h2o_req_t *req)
{
    h2o_hostconf_t *host = *req->conn->hosts;
    h2o_get_timestamp(req->conn->ctx, &req->pool, &req->processed_at);
    if (!req->input.authority.base) {
        req->input.authority = host->authority.hostport;
    }
    req->scheme = req->input.scheme;
    req->method = req->input.method;
    req->authority = req->input.authority;
    req->path = req->input.path;
    h2o_req_bind_conf(req, host, &host->fallback_path);
}

EXPORTED void h2o_send_error_generic(h2o_req_t *req, int status, const char *reason, const char *body, int flags)
{
    (void)reason;
    (void)body;
    note(SEEN_ERROR);
    if (!req->pathconf) {
        begin_processing(req);
    }
    if (flags & H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION) {
        req->http1_is_persistent = 0;
    }
    page_send(req, page_of_status(status), 0);
}

EXPORTED void h2o_http2__encode_rst_stream_frame(h2o_buffer_t **buf, uint32_t stream_id, int errnum)
{
    pthread_once(&found, find_library);
    note(SEEN_RESET);
    if (connection_reading) {
        patience_reset(connection_reading);
    }
    library_encode_reset(buf, stream_id, errnum);
}

/* The library has looked at what was read. What it could not use yet it keeps: in HTTP/2 the beginning of a frame, in
 * HTTP/1 the beginning of a request; and everything, where it waits for a write before it closes. */
static void note_input(struct connection *connection)
{
    size_t input = connection->socket->input->size;
    if (input == 0) {
        connection->partial_since = 0;
    } else if (!connection->partial_since) {
        connection->partial_since = connection->owner->now;
    }
    ptrdiff_t more = (ptrdiff_t)input - (ptrdiff_t)connection->input;
    connection->input = input;
    if (more != 0) {
        connection_hold(connection, more);
    }
}

static void on_read(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = connection_of(socket);
    connection_reading = connection;
    connection->heard = true;
    connection->on_read(socket, error);
    if (connection_reading == connection) { /* it is still there */
        note_input(connection);
    }
}

EXPORTED void h2o_socket_read_start(h2o_socket_t *socket, h2o_socket_cb on_library_read)
{
    struct connection *connection = connection_of(socket);
    pthread_once(&found, find_library);
    note(SEEN_READ);
    if (connection) {
        connection->on_read = on_library_read;
        /* What came with the end of a handshake, or behind the request before, is looked at without another read; what
         * that request was is not kept any more. */
        connection_reading = connection;
        connection->uploads = false;
        note_input(connection);
    }
    library_read_start(socket, connection ? on_read : on_library_read);
}

static int answer_nothing(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    if (h2o_find_header(&req->headers, H2O_TOKEN_HOST, -1) >= 0) {
        note(SEEN_HOST);
    }
    req->res.status = 204;
    h2o_send_inline(req, "", 0);
    return 0;
}

typedef void accept_connection(h2o_accept_ctx_t *, h2o_socket_t *, struct timeval);

/* Has the library read the request from a connection and close it. */
static bool pass_through(h2o_accept_ctx_t *accept, accept_connection *take, const char *request, size_t n)
{
    h2o_context_t *context = accept->ctx;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        return false;
    }
    bool written = write(pair[1], request, n) == (ssize_t)n;
    shutdown(pair[1], SHUT_WR);
    take(accept, h2o_evloop_socket_create(context->loop, pair[0], 0), (struct timeval){0});
    for (int turns = 0; turns < 100; turns++) {
        if (h2o_linklist_is_empty(&context->http1._conns) && h2o_linklist_is_empty(&context->http2._conns)) {
            break;
        }
        h2o_evloop_run(context->loop, 10);
    }
    close(pair[1]);
    return written;
}

bool guards_prove(char *error, size_t error_size)
{
    static const char by_http2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                   "\0\0\0\4\0\0\0\0\0" /* SETTINGS */
                                   "\0\0\x0b\1\5\0\0\0\1"
                                   "\x82\x84\x86\x0f\x17\1a\x0f\x0d\1" /* GET / http, host: a, content-length: 0 */
                                   "0"
                                   "\0\0\0\0\1\0\0\0\1"      /* DATA */
                                   "\0\0\1\1\5\0\0\0\3\x82"; /* and one without a path, which is reset */
    static const char by_http1[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\nContent-Length: 1\r\n\r\n";
    static const char in_chunks[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    /* Kept to the end: libh2o's way of disposing of a context loses memory. */
    static h2o_globalconf_t config;
    static h2o_context_t context;
    h2o_config_init(&config);
    h2o_hostconf_t *host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = answer_nothing;
    h2o_context_init(&context, h2o_evloop_create(), &config);
    h2o_accept_ctx_t accept = {.ctx = &context, .hosts = config.hosts};

    atomic_store(&proving, true);
    bool proven = pass_through(&accept, h2o_http2_accept, by_http2, sizeof(by_http2) - 1) &&
                  pass_through(&accept, h2o_http1_accept, by_http1, sizeof(by_http1) - 1) &&
                  pass_through(&accept, h2o_http1_accept, in_chunks, sizeof(in_chunks) - 1);
    atomic_store(&proving, false);
    for (int what = 0; what < SEEN_COUNT; what++) {
        proven = proven && atomic_load(&seen[what]) > 0;
    }
    if (!proven) {
        snprintf(error, error_size,
                 "libh2o 0.%d.%d does not call the program's guards: it was expected to be 0.13 (h2o 2.2), and the "
                 "program to be linked with -rdynamic.",
                 H2O_LIBRARY_VERSION_MINOR, H2O_LIBRARY_VERSION_PATCH);
    }
    return proven;
}
