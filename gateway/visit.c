#include "visit.h"

#include "clock.h"
#include "meters.h"
#include "request.h"
#include "target.h"

#define SEND_RATE       8192 /* bytes a second that a client must take at least, after FILMYFLY_SEND_WAIT */
#define REQUESTS_A_TURN 100  /* of one HTTP/1 connection, when it sends them without waiting for answers */
#define NAME_DIGITS     16

static uint64_t clock_of(const struct connections *connections)
{
    return connections->precise ? clock_now() : connections->now;
}

/* splitmix64: names need to differ, not to be secret. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void make_name(struct visit *visit)
{
    uint64_t bits = next_random(&visit->connection->owner->random);
    for (int i = 0; i < NAME_DIGITS; i++, bits >>= 4) {
        visit->name[i] = "0123456789abcdef"[bits & 15];
    }
    visit->name_n = NAME_DIGITS;
}

/* The request is over, however that came. */
static void dispose_visit(void *p)
{
    struct visit *visit = p;
    struct connection *connection = visit->connection;
    visit_told(visit);
    connection_hold(connection, -(ptrdiff_t)visit->held);
    connection->answers -= visit->answer;
    *visit->link = visit->next;
    if (visit->next) {
        visit->next->link = visit->link;
    }
    if (!connection->visits) {
        connection->idle_since = connection->owner->now;
    }
}

struct visit *visit_begin(h2o_req_t *req, struct connection *connection)
{
    struct connections *owner = connection->owner;
    struct visit *visit = h2o_mem_alloc_shared(&req->pool, sizeof(*visit), dispose_visit);
    *visit = (struct visit){.connection = connection,
                            .next = connection->visits,
                            .link = &connection->visits,
                            .req = req,
                            .stream = req->version == 0x200 ? connection->stream : 0,
                            .began = clock_of(owner),
                            .deadline = owner->now + owner->settings->client_wait,
                            .room = owner->settings->body_max + 1,
                            .peer = connection->peer,
                            .client = connection->client};
    make_name(visit);
    if (visit->next) {
        visit->next->link = &visit->next;
    }
    connection->visits = visit;
    return visit;
}

struct visit *visit_of(const h2o_req_t *req)
{
    struct connection *connection = connection_of(req->conn->callbacks->get_socket(req->conn));
    struct visit *visit = connection ? connection->visits : NULL;
    while (visit && visit->req != req) {
        visit = visit->next;
    }
    return visit;
}

struct visit *visit_open(h2o_req_t *req)
{
    struct visit *visit = visit_of(req);
    struct connection *connection = connection_of(req->conn->callbacks->get_socket(req->conn));
    return visit || !connection ? visit : visit_begin(req, connection);
}

bool visit_is_recorded(const struct visit *visit)
{
    return visit->asked || visit->connection->trusted || visit->connection->owner->precise;
}

struct str visit_name(const struct visit *visit)
{
    return (struct str){visit->name, visit->name_n};
}

static bool is_name(struct str text)
{
    for (uint32_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return text.n > 0 && text.n <= VISIT_NAME;
}

/* What a proxy that is trusted says of the request. */
static void take_word(struct visit *visit, h2o_req_t *req)
{
    struct str name = header_line(&req->headers, STR("x-request-id"));
    visit->peer = proxies_client(visit->connection->owner->proxies, &visit->connection->peer,
                                 request_header(req, H2O_TOKEN_X_FORWARDED_FOR),
                                 header_line(&req->headers, STR("cf-connecting-ip")));
    visit->client = address_client(&visit->peer);
    if (name.p && is_name(name)) {
        memcpy(visit->name, name.p, name.n);
        visit->name_n = name.n;
    }
}

/* A client that sends requests without waiting for the answers keeps the loop from all others for as long as what it
 * has sent lasts. */
static void bound_turn(struct connection *connection, h2o_req_t *req)
{
    if (connection->turn != connection->owner->turn) {
        connection->turn = connection->owner->turn;
        connection->in_turn = 0;
    }
    if (++connection->in_turn >= REQUESTS_A_TURN || connection->cut) {
        req->http1_is_persistent = 0;
    }
}

void visit_arrived(struct visit *visit, h2o_req_t *req)
{
    visit->deadline = 0;
    if (req->version < 0x200) {
        bound_turn(visit->connection, req);
    }
    if (visit->connection->trusted) {
        take_word(visit, req);
    }
}

void visit_hold(struct visit *visit, size_t bytes)
{
    visit->held += bytes;
    connection_hold(visit->connection, (ptrdiff_t)bytes);
}

static struct visit *visit_of_stream(const struct connection *connection, uint32_t stream)
{
    struct visit *visit = connection->visits;
    while (visit && visit->stream != stream) {
        visit = visit->next;
    }
    return visit;
}

void visit_more(struct connection *connection, uint32_t stream, bool last)
{
    struct visit *visit = visit_of_stream(connection, stream);
    if (visit && last) {
        visit->deadline = 0;
    }
}

bool visit_expect(struct visit *visit, size_t length)
{
    uint64_t body_max = visit->connection->owner->settings->body_max;
    uint64_t limit = target_body_limit(str_of_iovec(visit->req->input.path), body_max);
    visit->room = limit + 1;
    return length <= limit;
}

size_t visit_take(struct connection *connection, uint32_t stream, size_t bytes)
{
    struct visit *visit = visit_of_stream(connection, stream);
    if (!visit) {
        return bytes; /* to a stream that is not open: the library refuses it */
    }
    size_t taken = bytes < visit->room ? bytes : visit->room;
    visit->room -= taken;
    visit_hold(visit, taken);
    return taken;
}

unsigned visit_ask(struct visit *visit)
{
    struct connections *owner = visit->connection->owner;
    unsigned retry_after = 0;
    visit->grant = quota_ask(owner->quota, &visit->client, owner->now, &retry_after);
    if (visit->grant == QUOTA_REFUSED) {
        count(meters.limited_requests, 1);
        return retry_after;
    }
    visit->asked = clock_of(owner);
    return 0;
}

void visit_told(struct visit *visit)
{
    struct connections *owner = visit->connection->owner;
    if (visit->asked && !visit->waited) {
        visit->waited = clock_of(owner) - visit->asked + 1;
        quota_answered(owner->quota, &visit->client, visit->grant);
    }
}

void visit_note_stages(struct visit *visit, h2o_req_t *req, const struct headers *headers)
{
    struct str text = visit->connection->owner->precise ? headers_get(headers, STR("server-timing")) : STR_NONE;
    if (text.p) {
        h2o_iovec_t copy = h2o_strdup(&req->pool, text.p, text.n);
        visit->stages = (struct str){copy.base, text.n};
    }
}

void visit_answer(struct visit *visit, size_t bytes)
{
    struct connections *owner = visit->connection->owner;
    visit->answered = true;
    visit->answer += bytes;
    visit->connection->answers += bytes;
    visit_hold(visit, bytes);
    visit->deadline = owner->now + owner->settings->send_wait + visit->connection->answers / SEND_RATE * SECOND;
}
