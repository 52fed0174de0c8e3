/*
 * The connections to the database and the batches that wait for one: three lanes, each with a queue and connections of
 * its own. It answers every ticket it takes exactly once.
 *
 * A batch waits in its lane's queue, also while the database is away, until a connection has room or its deadline
 * passes; of long ones so many at most that short ones have room, the others fail at once. A reading batch whose
 * connection is lost is sent again, three times at most; of a writing one nobody knows whether it was done, and the
 * answer says so.
 */
#ifndef FILMYFLY_POOL_H
#define FILMYFLY_POOL_H

#include <czmq.h>

#include "endpoints.h"
#include "job.h"
#include "serve.h"
#include "settings.h"
#include "statements.h"

struct pool;

struct pool_options {
    const struct settings *settings;
    const struct catalogue *catalogue; /* kept by the caller, longer than the pool, as are the others */
    struct endpoints *endpoints;
    struct serve *serve;
    zloop_t *loop;
};

/* NULL with one sentence in error. */
struct pool *pool_new(const struct pool_options *options, char *error, size_t error_size);
/* Tickets that are still open stay with the serve. */
void pool_free(struct pool **pool);

/* Takes a QUERY. Its answer may come at once. */
void pool_take(struct pool *pool, struct ticket *ticket, const struct message *query);
/* Takes over a batch of dbproxy's own, which has no ticket: its `over` is told. */
void pool_run(struct pool *pool, struct job *job);
/* Sends what can be sent; to be called after pool_take and pool_run, once for any number of them. */
void pool_dispatch(struct pool *pool);
/* Time passes; call every 20 ms. */
void pool_tick(struct pool *pool);

/* True when the word is one of FILMYFLY_DB_PREPARE's: on, off, auto. */
bool pool_prepare_known(const char *word);

#endif
