#include "exchange.h"

#include <stdio.h>

#include "clock.h"
#include "hit.h"
#include "log.h"
#include "meters.h"
#include "pages.h"
#include "reply.h"
#include "request.h"
#include "visit.h"

/*
 * QUEUED: linked into the loop's queue. SENT: the upstream has it under id. OVER: an answer was given; only the memory
 * is left.
 */
enum exchange_state { EXCHANGE_QUEUED, EXCHANGE_SENT, EXCHANGE_OVER };

struct exchange {
    enum exchange_state state;
    struct exchange *next, **link; /* in the queue; link is what points here */
    struct loop *loop;
    h2o_req_t *req;
    struct visit *visit; /* ends with the request, as this does */
    uint64_t id, started;
    char trace[VISIT_NAME + 1];
};

static void queue_append(struct loop *loop, struct exchange *exchange)
{
    exchange->link = loop->queue_end;
    *loop->queue_end = exchange;
    loop->queue_end = &exchange->next;
}

static void queue_remove(struct loop *loop, struct exchange *exchange)
{
    *exchange->link = exchange->next;
    if (exchange->next) {
        exchange->next->link = exchange->link;
    } else {
        loop->queue_end = exchange->link;
    }
    exchange->next = NULL;
}

/* The request is gone, answered or not. */
static void dispose_exchange(void *p)
{
    struct exchange *exchange = p;
    switch (exchange->state) {
    case EXCHANGE_QUEUED:
        queue_remove(exchange->loop, exchange);
        count(meters.abandoned, 1);
        break;
    case EXCHANGE_SENT:
        upstream_forget(exchange->loop->upstream, exchange->id);
        count(meters.abandoned, 1);
        break;
    case EXCHANGE_OVER:
        break;
    }
    exchange->state = EXCHANGE_OVER;
}

void exchange_start(struct loop *loop, h2o_req_t *req)
{
    if (loop->hits && hit_answer(loop, req))
        return;
    struct visit *visit = visit_of(req);
    unsigned retry_after = visit_ask(visit);
    if (retry_after > 0) {
        page_send(req, PAGE_TOO_MANY, retry_after);
        return;
    }
    struct exchange *exchange = h2o_mem_alloc_shared(&req->pool, sizeof(*exchange), dispose_exchange);
    *exchange =
        (struct exchange){.state = EXCHANGE_QUEUED, .loop = loop, .req = req, .visit = visit, .started = clock_now()};
    struct str name = visit_name(visit);
    snprintf(exchange->trace, sizeof(exchange->trace), STR_FMT, STR_ARG(name));
    queue_append(loop, exchange);
}

static void on_answer(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct exchange *exchange = user;
    struct loop *loop = exchange->loop;
    exchange->state = EXCHANGE_OVER;
    loop->answered++;
    histogram(meters.wait, clock_now() - exchange->started);
    visit_told(exchange->visit);
    visit_note_stages(exchange->visit, exchange->req, &answer->headers);
    if (loop->hits && (answer->type == MESSAGE_FAILED || answer->type == MESSAGE_BUSY) &&
        hit_rescue(loop, exchange->req))
        return;
    reply_answer(exchange->req, answer, body, loop->gunzip, GUNZIP_TIMES * loop->gateway->settings->body_max,
                 exchange->trace);
}

static void send_exchange(struct exchange *exchange)
{
    struct loop *loop = exchange->loop;
    const struct settings *settings = loop->gateway->settings;
    struct message *message = &loop->message;
    h2o_req_t *req = exchange->req;
    char client[ADDRESS_TEXT];
    zmq_msg_t body;

    enum page refusal = request_read(req, message);
    if (refusal == PAGE_NONE && zmq_msg_init_size(&body, req->entity.len) < 0) {
        refusal = PAGE_BUSY; /* no memory: without its body it would be another request */
    }
    if (refusal != PAGE_NONE) {
        exchange->state = EXCHANGE_OVER;
        loop->answered++;
        page_send(req, refusal, 0);
        return;
    }
    bool reads = request_is(req, "GET") || request_is(req, "HEAD");
    message->type = MESSAGE_REQUEST;
    message->deadline = exchange->started + (reads ? settings->deadline : settings->write_deadline);
    message->client = address_print(&exchange->visit->peer, client);
    message->trace = str_of(exchange->trace);
    if (req->entity.len > 0) {
        memcpy(zmq_msg_data(&body), req->entity.base, req->entity.len);
    }
    uint64_t key = upstream_key(0, message->method);
    key = upstream_key(key, message->headers.item[0].value);
    key = upstream_key(key, message->target);
    exchange->state = EXCHANGE_SENT;
    exchange->id = upstream_send(loop->upstream, message, &body, key, request_is_safe(req), on_answer, exchange);
    zmq_msg_close(&body);
}

bool exchange_send_queue(struct loop *loop)
{
    bool any = loop->queue != NULL;
    while (loop->queue) {
        struct exchange *exchange = loop->queue;
        queue_remove(loop, exchange);
        send_exchange(exchange);
    }
    return any;
}
