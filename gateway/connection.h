/*
 * The connections of a loop: taking them from the listening sockets, never more than FILMYFLY_CONNECTIONS in all and
 * never more of one client than the limits allow, and letting them go when the loop leaves. A connection is kept
 * account of for as long as libh2o has its socket: who is at the other end, which requests it has open, what memory it
 * costs.
 */
#ifndef FILMYFLY_GATEWAY_CONNECTION_H
#define FILMYFLY_GATEWAY_CONNECTION_H

#include <h2o.h>
#include <stdbool.h>

#include "address.h"
#include "quota.h"

struct visit;

struct connection {
    struct connections *owner;
    struct connection *next, **link; /* link is what points here */
    h2o_socket_t *socket;
    SSL_CTX *tls; /* what it was accepted with, or NULL: libh2o counts no reference until the client's first byte */

    struct address peer, client; /* client: what the limits know the peer as */
    enum quota_grant grant;
    bool early;           /* it was open when connections_mark_early was called */
    bool heard;           /* something came since connections_shut_idle looked */
    bool trusted;         /* the peer is a proxy whose word about its clients counts */
    bool cut;             /* shut down; what is still read is of no interest */
    struct visit *visits; /* the newest first */
    size_t held;          /* bytes: input not understood yet, and what its visits hold */
    size_t input;         /* the first part of that */
    size_t answers;       /* the part of its visits' answers */

    /* What the guards know. */
    h2o_socket_cb on_read;  /* libh2o's */
    bool uploads;           /* the head of an HTTP/1 request is read, and its body is coming */
    size_t room;            /* bytes that may still be kept of that */
    uint32_t stream;        /* of the HTTP/2 frame that is being read */
    int64_t patience;       /* for frames that bring us nothing; see guards.c */
    uint64_t patience_at;   /* when that was true */
    unsigned turn, in_turn; /* HTTP/1 requests in this turn of the loop */

    /* CLOCK_MONOTONIC, ns. */
    uint64_t idle_since;    /* no visit since then */
    uint64_t silent_since;  /* nothing came since then, as far as connections_shut_idle looked; 0: not yet */
    uint64_t partial_since; /* an HTTP/2 frame has begun and not ended; 0: none */
    uint64_t stuck_since;   /* bytes wait for a client without a visit; 0: no */
};

struct listener {
    h2o_socket_t *socket; /* NULL: none, or closed */
    h2o_accept_ctx_t accept;
    bool handed; /* somebody else holds it too: what waits in its queue is not lost when we close it */
};

struct connections {
    struct listener http, https;
    struct connection *list;
    uint64_t open;
    bool full; /* the listeners are not read, for open is at the limit */

    /* To be set before connections_listen; they outlive this. */
    const struct settings *settings;
    struct quota *quota;
    const struct proxies *proxies;
    bool precise; /* visits are timed by the clock, not by the turn */

    /* To be set at each turn of the loop. */
    uint64_t now; /* CLOCK_MONOTONIC, ns */
    unsigned turn;
    unsigned weighed; /* the turn in which it was last looked who holds most */

    size_t held;        /* bytes of all connections */
    size_t peak;        /* bytes, estimated, since memory was last given back */
    unsigned calm;      /* looks since much less was needed */
    uint64_t next_look; /* of the deadlines */
    uint64_t random;    /* state of the generator of request names */
};

/* Why a connection is cut; see cut_words. */
enum cut { CUT_SLOW_REQUEST, CUT_SLOW_READER, CUT_MEMORY, CUT_IDLE, CUT_COUNT };
extern const char *const cut_words[CUT_COUNT];

/* The one whose bytes libh2o is looking at now, or did last; NULL when that is gone. */
extern _Thread_local struct connection *connection_reading;

/* NULL for other sockets. */
struct connection *connection_of(const h2o_socket_t *socket);

/* More bytes are held for it, or fewer; it is cut when they are too many. */
void connection_hold(struct connection *connection, ptrdiff_t bytes);

/* Ends it at once; libh2o sees that at its next read or write and cleans up. */
void connection_cut(struct connection *connection, enum cut why);

/* Reads from the listener; fd: taken over, or -1 for none. */
void connections_listen(struct connections *connections, struct listener *listener, h2o_context_t *context, int fd,
                        bool handed);

/* Closes the listening sockets, after taking what waits where nobody else could. */
void connections_stop_listening(struct connections *connections);

/* Marks those that are open now, and tells later whether any of them still is; busy: with a request under way. */
void connections_mark_early(struct connections *connections);
bool connections_have_early(const struct connections *connections, bool busy);

/* Whether a request of HTTP/2 is on its way whose body is not here whole. */
bool connections_have_uploads(const struct connections *connections);

/*
 * For use at every tick when leaving, while every answer says "Connection: close": ends what is seen to say nothing for
 * so many ns, connections whose handshake is not done or that have sent no byte of a request, and HTTP/1 connections
 * between two requests. Whoever was busy is gone by then, and for the others the moment between our look and their
 * notice is as short as at any idle timeout.
 */
void connections_shut_idle(struct connections *connections, h2o_context_t *context, uint64_t ns);

/* Ends all. */
void connections_shut_all(struct connections *connections);

#endif
