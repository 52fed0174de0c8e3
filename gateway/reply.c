#include "reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "cors.h"
#include "fields.h"
#include "headers.h"
#include "http_store.h"
#include "log.h"
#include "meters.h"
#include "pages.h"
#include "request.h"
#include "visit.h"

/* A body that stays until the request is gone. */
struct kept {
    zmq_msg_t body;
    unsigned char *inflated;
};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return ""; /* a reason is optional and says nothing (RFC 9112 section 4) */
}

void reply_header(h2o_req_t *req, const h2o_token_t *name, const char *value)
{
    h2o_add_header(&req->pool, &req->res.headers, name, NULL, value, strlen(value));
}

void reply_line(h2o_req_t *req, const h2o_token_t *token, struct str name, struct str value)
{
    /* A Vary that libh2o knows as one is written as "cache-control: private" for old browsers, into a buffer that has
     * room for one such exchange only. */
    if (token && token != H2O_TOKEN_VARY) {
        h2o_add_header(&req->pool, &req->res.headers, token, NULL, value.p, value.n);
    } else {
        h2o_add_header_by_str(&req->pool, &req->res.headers, name.p, name.n, 0, NULL, value.p, value.n);
    }
}

void reply_range(h2o_req_t *req, const struct part *part, bool satisfiable)
{
    enum { ROOM = 64 };
    char *text = h2o_mem_alloc_pool(&req->pool, ROOM);
    int n = satisfiable ? snprintf(text, ROOM, "bytes %u-%u/%u", part->first, part->first + part->n - 1, part->whole)
                        : snprintf(text, ROOM, "bytes */%u", part->whole);
    reply_line(req, H2O_TOKEN_CONTENT_RANGE, STR_NONE, (struct str){text, (uint32_t)n});
}

/* length: SIZE_MAX when nothing is to be said of it. */
static void send_response(h2o_req_t *req, int status, struct str body, size_t length)
{
    static h2o_generator_t generator = {NULL, NULL};
    bool bodiless = status == 204 || status == 304;

    struct visit *visit = visit_open(req);

    if (visit) {
        visit_answer(visit, body.p ? body.n : 0);
    }
    if (visit && visit_is_recorded(visit)) {
        reply_line(req, NULL, STR("x-request-id"), visit_name(visit));
    }
    headers_add_table(req);
    cors_add_lines(req);
    req->res.status = status;
    req->res.reason = reason_of(status);
    req->res.content_length = bodiless ? SIZE_MAX : length;
    req->res.mime_attr = &h2o_mime_attributes_as_is;
    if (req->conn->ctx->shutdown_requested) {
        req->http1_is_persistent = 0;
    }
    h2o_start_response(req, &generator);
    if (bodiless || body.n == 0 || request_is(req, "HEAD")) {
        h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
    } else {
        h2o_iovec_t bytes = h2o_iovec_init(body.p, body.n);
        h2o_send(req, &bytes, 1, H2O_SEND_STATE_FINAL);
    }
}

void reply_bytes(h2o_req_t *req, int status, struct str body)
{
    send_response(req, status, body, body.n);
}

static void dispose_kept(void *p)
{
    struct kept *kept = p;
    zmq_msg_close(&kept->body);
    free(kept->inflated);
}

/* Lines that libh2o writes itself, from what it knows: two would be wrong. It gives Date at each answer. */
static bool is_written_by_library(struct str name)
{
    return str_eq_nocase(name, STR("content-length")) || str_eq_nocase(name, STR("date"));
}

/* What would be wrong on the wire, or NULL. */
static const char *find_fault(const struct message *answer)
{
    if (answer->status < 200 || answer->status > 999) {
        return "its status is none of a final response";
    }
    for (uint32_t i = 0; i < answer->headers.n; i++) {
        if (!field_is_token(answer->headers.item[i].name)) {
            return "a header's name is no token";
        }
        if (!field_value_is_safe(answer->headers.item[i].value)) {
            return "a header's value has a line end in it";
        }
    }
    return NULL;
}

/* Copies the header lines into the request's memory; the plain form of a coded body has other headers than the coded
 * one. */
static void add_headers(h2o_req_t *req, const struct headers *headers, bool plain)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < headers->n; i++) {
        bytes += headers->item[i].name.n + headers->item[i].value.n + 2;
    }
    char *to = h2o_mem_alloc_pool(&req->pool, bytes + 1);

    for (uint32_t i = 0; i < headers->n; i++) {
        struct str name = headers->item[i].name, value = headers->item[i].value;
        if (is_written_by_library(name) || header_is_hop_by_hop(headers, name) ||
            (plain && str_eq_nocase(name, STR("content-encoding")))) {
            continue;
        }
        char *lower = to;
        memcpy(lower, name.p, name.n);
        h2o_strtolower(lower, name.n); /* HTTP/2 knows no capitals in names (RFC 9113 section 8.2.1) */
        if (headers_own((struct str){lower, name.n})) {
            continue;
        }
        to += name.n;
        char *copy = to;
        if (plain && str_eq_nocase(name, STR("etag")) && value.n > 0 && *value.p == '"') {
            *to++ = 'W'; /* a strong validator would be of the coded bytes (RFC 9110 section 8.8.1) */
            *to++ = '/';
        }
        memcpy(to, value.p, value.n);
        to += value.n;
        reply_line(req, h2o_lookup_token(lower, name.n), (struct str){lower, name.n},
                   (struct str){copy, (uint32_t)(to - copy)});
    }
}

/* Is the client to get the plain form of a coded body? A range of that cannot be had. */
static bool wants_plain(h2o_req_t *req, const struct message *answer)
{
    struct str coding = headers_get(&answer->headers, STR("content-encoding"));
    return coding.p && answer->status != 206 &&
           (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip"))) &&
           !encoding_accepts_gzip(request_header(req, H2O_TOKEN_ACCEPT_ENCODING));
}

static void answer_response(h2o_req_t *req, const struct message *answer, zmq_msg_t *body, struct gunzip *gunzip,
                            size_t inflated_max, const char *trace)
{
    static _Thread_local struct log_limit limit;
    const char *fault = find_fault(answer);
    struct kept *kept = h2o_mem_alloc_shared(&req->pool, sizeof(*kept), dispose_kept);
    zmq_msg_init(&kept->body);
    zmq_msg_move(&kept->body, body);
    kept->inflated = NULL;
    struct str bytes = {zmq_msg_data(&kept->body), (uint32_t)zmq_msg_size(&kept->body)};
    bool plain = !fault && wants_plain(req, answer);

    if (plain && bytes.n > 0) { /* HEAD has none, and the same headers */
        size_t n = 0;
        kept->inflated = gunzip_run(gunzip, bytes.p, bytes.n, inflated_max, &n);
        bytes = (struct str){(char *)kept->inflated, (uint32_t)n};
        fault = kept->inflated ? NULL : "its gzip body is broken or too long";
        count(meters.inflated, 1);
    }
    if (fault) {
        count(meters.bad_answers, 1);
        log_limited(&limit, LOG_LEVEL_ERROR, "request %s: the answer is not sent: %s; the client gets 502", trace,
                    fault);
        page_send(req, PAGE_BAD_GATEWAY, 0);
        return;
    }
    add_headers(req, &answer->headers, plain);
    /* An origin may answer HEAD without the body, and then nobody knows its length. */
    bool unknown = bytes.n == 0 && request_is(req, "HEAD");
    send_response(req, (int)answer->status, bytes, unknown ? SIZE_MAX : bytes.n);
}

static void answer_failed(h2o_req_t *req, const struct message *answer, const char *trace)
{
    static _Thread_local struct log_limit limit;
    static const struct {
        enum page page;
        unsigned retry_after;
    } pages[CAUSE_COUNT] = {
        [CAUSE_DEADLINE] = {PAGE_UNAVAILABLE, 5}, [CAUSE_UNAVAILABLE] = {PAGE_UNAVAILABLE, 5},
        [CAUSE_UNKNOWN] = {PAGE_UNKNOWN, 1},      [CAUSE_POISON] = {PAGE_BROKEN, 0},
        [CAUSE_HANGUP] = {PAGE_BAD_GATEWAY, 0},   [CAUSE_INTERNAL] = {PAGE_BROKEN, 0},
    };
    enum cause cause = cause_of(answer->cause);
    enum page page = pages[cause].page;
    if (page == PAGE_UNAVAILABLE && cause == CAUSE_DEADLINE && !request_is_safe(req)) {
        page = PAGE_UNKNOWN; /* who had it may have done it just before the time was over */
    }
    count(meters.failed[cause], 1);
    log_limited(&limit, LOG_LEVEL_WARNING, "request %s failed (%s): " STR_FMT "; the client gets a page of ours", trace,
                cause_name(cause), STR_ARG(answer->text));
    page_send(req, page, pages[cause].retry_after);
}

void reply_answer(h2o_req_t *req, const struct message *answer, zmq_msg_t *body, struct gunzip *gunzip,
                  size_t inflated_max, const char *trace)
{
    switch ((int)answer->type) {
    case MESSAGE_RESPONSE:
        answer_response(req, answer, body, gunzip, inflated_max, trace);
        break;
    case MESSAGE_FAILED:
        answer_failed(req, answer, trace);
        break;
    case MESSAGE_BUSY:
        count(meters.busy, 1);
        page_send(req, PAGE_BUSY, answer->retry_after ? (unsigned)answer->retry_after : 1);
        break;
    default: /* RESULT and REFUSED are no answers to a REQUEST */
        count(meters.bad_answers, 1);
        log_error("request %s: a %s came for it, which is no answer; the client gets 502", trace,
                  message_name(answer->type));
        page_send(req, PAGE_BAD_GATEWAY, 0);
        break;
    }
}
