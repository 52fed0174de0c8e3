/*
 * One thread: an event loop of libh2o with its listening sockets, and its own way to the cacher. Loops share nothing
 * that changes but the counters and the state of the process.
 *
 * A turn: libh2o reads and dispatches, each request that needs the cacher only queues itself; then the whole queue is
 * sent, and the answers that are there are taken. So a stream that is reset in the same read never reaches the cacher.
 */
#ifndef FILMYFLY_GATEWAY_LOOP_H
#define FILMYFLY_GATEWAY_LOOP_H

#include <h2o.h>
#include <pthread.h>
#include <stdatomic.h>

#include "access_log.h"
#include "connection.h"
#include "encoding.h"
#include "files.h"
#include "listener.h"
#include "messages.h"
#include "redirect.h"
#include "registry.h"
#include "settings.h"
#include "store_reader.h"
#include "upstream.h"

enum process_state {
    STATE_SERVING,
    STATE_LEAVING,  /* those who are connected are asked to go; whoever comes is served, for a successor is not there */
    STATE_CLOSING,  /* no new connections; what is open is finished */
    STATE_DRAINING, /* the same, and then it waits to be told to leave */
};

struct loop;

/* What all loops see. Owned by main. */
struct gateway {
    const struct settings *settings;
    const struct files *files; /* may be NULL: no static files */
    const struct hosts *hosts;
    const char *instance;
    const struct claim *claim;
    _Atomic int state;     /* enum process_state */
    atomic_uint asked;     /* by those who look after it: a bit for each enum inspect_command */
    bool handed;           /* the listening sockets are held by others too: what comes after us finds them open */
    atomic_uint drained;   /* loops whose connections from before STATE_LEAVING have gone, or could have */
    atomic_uint left;      /* loops that finished */
    atomic_uint lost;      /* connections that were cut because they did not end in time */
    pthread_mutex_t mutex; /* over tls */
    SSL_CTX *tls;          /* NULL without HTTPS */
    atomic_uint tls_version;
    struct redirect redirect;   /* of what comes by HTTP */
    struct store_source *store; /* NULL: pages are not looked for in a store */
    uint64_t leave_limit;       /* ns that open connections have to end */
    struct quota *quota;
    struct proxies proxies;
    struct access_log *access_log; /* NULL: none is written */
    struct loop *loops[LISTENERS_MAX];
    unsigned n_loops;
};

struct exchange;
struct hits;

struct loop {
    struct gateway *gateway;
    unsigned number;
    pthread_t thread;
    char name[80]; /* "1.0": instance and loop */

    h2o_globalconf_t config;
    h2o_context_t context;
    struct connections connections;
    unsigned tls_version;
    _Atomic uint64_t progressed; /* CLOCK_MONOTONIC, ns: the last tick; main looks whether this goes on */
    uint64_t leaving_since, closing_since, shutdown_asked; /* 0: not yet */
    bool drained;                                          /* counted in gateway->drained */
    bool given_up;                                         /* what did not end in time was counted in gateway->lost */

    struct hits *hits; /* NULL without a store */
    struct upstream *upstream;
    struct inspect *inspect; /* NULL: it could not be made, and nobody can look on */
    h2o_socket_t *upstream_socket;
    struct exchange *queue, **queue_end; /* to be sent at the end of the turn */
    unsigned answered;                   /* of the exchanges */
    struct message message;              /* scratch: large */
    struct gunzip *gunzip;
};

/*
 * Takes the descriptors over (-1: none). NULL with one sentence in error. The loop lives to the end of the process:
 * libh2o keeps memory per thread that nobody can give back.
 */
struct loop *loop_new(struct gateway *gateway, unsigned number, int http, int https, bool handed, char *error,
                      size_t error_size);

/* The thread's function; argument: the loop. Counts itself into gateway->left when every connection is done, and waits
 * for the process's end. */
void *loop_run(void *loop);

/* The loop that a request belongs to. */
struct loop *loop_of(const h2o_req_t *req);

#endif
