#include "guards.h"

#include <dlfcn.h>
#include <errno.h>
#include <h2o/http2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "counters.h"
#include "meters.h"

#define EXPORTED __attribute__((visibility("default"), used))

enum { FRAME_HEAD = 9, TYPE_SETTINGS = 4, TYPE_CONTINUATION = 9, FLAG_ACK = 1 };

/* struct st_h2o_http2_frame_t of 2.2.5. */
struct frame {
    uint32_t length;
    uint8_t type, flags;
    uint32_t stream_id;
    const uint8_t *payload;
};

typedef ssize_t decode_frame(void *, const uint8_t *, size_t, const void *, const char **);
typedef int parse_headers(h2o_req_t *, void *, const uint8_t *, size_t, int *, size_t *, void *, const char **);

static decode_frame *library_decode_frame;
static parse_headers *library_parse_headers;
static pthread_once_t found = PTHREAD_ONCE_INIT;
static atomic_uint frames_seen, headers_seen; /* by guards_prove only */
static atomic_bool proving;

static void find_library(void)
{
    /* POSIX has functions fit into void *, ISO C has no cast for it: copied as an object. */
    void *symbol = dlsym(RTLD_NEXT, "h2o_http2_decode_frame");
    memcpy(&library_decode_frame, &symbol, sizeof(symbol));
    symbol = dlsym(RTLD_NEXT, "h2o_hpack_parse_headers");
    memcpy(&library_parse_headers, &symbol, sizeof(symbol));
}

EXPORTED ssize_t h2o_http2_decode_frame(void *frame, const uint8_t *src, size_t len, const void *settings,
                                        const char **error)
{
    pthread_once(&found, find_library);
    if (atomic_load_explicit(&proving, memory_order_relaxed)) {
        atomic_fetch_add(&frames_seen, 1);
    }
    if (len >= FRAME_HEAD && src[3] == TYPE_CONTINUATION) {
        *error = "CONTINUATION is not taken here; keep headers within one frame";
        count(meters.refused_frames, 1);
        return H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM;
    }
    ssize_t used = library_decode_frame(frame, src, len, settings, error);
    struct frame *decoded = frame;
    if (used > 0 && decoded->type > TYPE_CONTINUATION) {
        /* Frames of unknown types must be ignored (RFC 9113 section 5.5). The library does, but writes a line to
         * standard error for each: a peer could fill the log or block the loop. An acknowledged SETTINGS does nothing
         * either. */
        *decoded = (struct frame){.type = TYPE_SETTINGS, .flags = FLAG_ACK, .payload = decoded->payload};
    }
    return used;
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

EXPORTED int h2o_hpack_parse_headers(h2o_req_t *req, void *table, const uint8_t *src, size_t len,
                                     int *pseudo_header_exists, size_t *content_length, void *digests,
                                     const char **error)
{
    (void)digests; /* Cache-Digest is an expired draft: its decoder is not given a peer's bytes */
    pthread_once(&found, find_library);
    if (atomic_load_explicit(&proving, memory_order_relaxed)) {
        atomic_fetch_add(&headers_seen, 1);
    }
    if (guards_count_fields(src, len) > GUARD_FIELDS) {
        *error = "too many header fields";
        count(meters.refused_frames, 1);
        return H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM;
    }
    size_t before = req->headers.size;
    int result = library_parse_headers(req, table, src, len, pseudo_header_exists, content_length, NULL, error);
    if (!pseudo_header_exists) {
        /* A trailer section: what stands there must not be merged into the headers (RFC 9110 section 6.5.1). */
        req->headers.size = before;
    }
    return result;
}

static int answer_nothing(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    req->res.status = 204;
    h2o_send_inline(req, "", 0);
    return 0;
}

bool guards_prove(char *error, size_t error_size)
{
    static const char request[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\0\4\0\0\0\0\0"              /* SETTINGS */
                                  "\0\0\3\1\5\0\0\0\1\x82\x84\x86"; /* HEADERS: GET / http */
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
        snprintf(error, error_size, "A socket pair cannot be made: %s.", strerror(errno));
        return false;
    }
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
    bool written = write(pair[1], request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1;
    h2o_http2_accept(&accept, h2o_evloop_socket_create(context.loop, pair[0], 0), (struct timeval){0});
    for (int turns = 0; turns < 100 && written && atomic_load(&headers_seen) == 0; turns++) {
        h2o_evloop_run(context.loop, 10);
    }
    close(pair[1]);
    for (int turns = 0; turns < 100 && !h2o_linklist_is_empty(&context.http2._conns); turns++) {
        h2o_evloop_run(context.loop, 10);
    }
    atomic_store(&proving, false);

    bool proven = atomic_load(&frames_seen) > 0 && atomic_load(&headers_seen) > 0;
    if (!proven) {
        snprintf(error, error_size,
                 "libh2o 0.%d.%d does not call the program's guards against floods: it was expected to be 0.13 (h2o "
                 "2.2), and the program to be linked with -rdynamic.",
                 H2O_LIBRARY_VERSION_MINOR, H2O_LIBRARY_VERSION_PATCH);
    }
    return proven;
}
