/*
 * A request from its first bytes to its end, as the limits, the deadlines and the access log see it. Lives in the
 * request's own memory and is known to its connection for as long.
 */
#ifndef FILMYFLY_GATEWAY_VISIT_H
#define FILMYFLY_GATEWAY_VISIT_H

#include "connection.h"

struct headers;

#define VISIT_NAME 64 /* bytes of a request's name */

struct visit {
    struct connection *connection;
    struct visit *next, **link; /* of the connection; link is what points here */
    const h2o_req_t *req;
    uint32_t stream;       /* HTTP/2; else 0 */
    uint64_t began;        /* CLOCK_MONOTONIC, ns; by the turn unless connections->precise */
    uint64_t deadline;     /* the client must have done its part by then; 0: it is we who are waited for */
    uint64_t asked;        /* when the pipeline was asked; 0: never */
    uint64_t waited;       /* ns that it took */
    struct str stages;     /* what those behind the cacher say that they took (Server-Timing), or STR_NONE */
    size_t room;           /* bytes that may still be kept of its body; HTTP/2 */
    size_t held;           /* bytes: of its body, and of the answer that is not sent, */
    size_t answer;         /* which are so many */
    struct address peer;   /* the client, by a trusted proxy's word where there is one */
    struct address client; /* what the limits know it as */
    enum quota_grant grant;
    bool answered;
    uint32_t name_n;
    char name[VISIT_NAME]; /* X-Request-Id, and the trace of the pipeline's messages */
};

/* A request begins: its header block is read. */
struct visit *visit_begin(h2o_req_t *req, struct connection *connection);

/* The request's; NULL when it has none: libh2o refused it by itself, or it is one of guards_prove. */
struct visit *visit_of(const h2o_req_t *req);

/* The same, but libh2o's refusals begin one. */
struct visit *visit_open(h2o_req_t *req);

struct str visit_name(const struct visit *visit);
/* Does anybody but us know the name: the pipeline, the access log, the proxy that gave it? Otherwise it says nothing to
 * anybody, and as each is another it would push the usual lines out of HPACK's table. */
bool visit_is_recorded(const struct visit *visit);

/* The request is here whole: from now on nothing is asked of the client. */
void visit_arrived(struct visit *visit, h2o_req_t *req);

/* More of the request that is this stream of HTTP/2 arrived; last: that is all of it. */
void visit_more(struct connection *connection, uint32_t stream, bool last);

/* A body follows its header block, of that length; 0: not said. False: it is longer than its route takes. */
bool visit_expect(struct visit *visit, size_t length);

/* So many bytes more are kept until it is over. */
void visit_hold(struct visit *visit, size_t bytes);

/* So many bytes of its body are here: how many are to be kept, of all at most one more than its route takes. */
size_t visit_take(struct connection *connection, uint32_t stream, size_t bytes);

/* May it ask the pipeline? 0: yes, and visit_told is to be called, or the request's end does it. Else in how many
 * seconds. */
unsigned visit_ask(struct visit *visit);
void visit_told(struct visit *visit);

/* Keeps what an answer says of the time that it took, for the access log; where there is none it does nothing. */
void visit_note_stages(struct visit *visit, h2o_req_t *req, const struct headers *headers);

/* An answer of so many bytes is on its way to the client. */
void visit_answer(struct visit *visit, size_t bytes);

#endif
