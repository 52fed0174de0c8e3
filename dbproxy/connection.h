/*
 * One connection to PostgreSQL, never waited for: it connects, sets its session up, prepares the statements, and then
 * carries up to CONNECTION_DEPTH batches in one libpq pipeline. Each batch ends with a Sync of its own, so it is one
 * implicit transaction: with the session's default of REPEATABLE READ it sees one snapshot, an error undoes all of it,
 * and the next batch begins afresh. Nothing but the statements crosses the network.
 *
 *   AWAY        no socket; the next attempt is due at `again`
 *   CONNECTING  PQconnectPoll is under way
 *   PROBING     the session's settings are sent; the answer also says whether a transaction pooler stands between
 *   PREPARING   the statements are being prepared, all in one pipeline
 *   READY       takes batches
 *
 * Behind a transaction pooler nothing outlives a transaction: statements are unnamed there, and each batch carries its
 * settings in front.
 */
#ifndef FILMYFLY_CONNECTION_H
#define FILMYFLY_CONNECTION_H

#include <czmq.h>

#include "endpoints.h"
#include "job.h"

#define CONNECTION_DEPTH 16

struct connection;

enum prepare { PREPARE_AUTO, PREPARE_ON, PREPARE_OFF };

struct connection_options {
    zloop_t *loop;
    struct endpoints *endpoints;
    const struct catalogue *catalogue;
    enum lane lane;
    enum prepare prepare;
    uint64_t timeout; /* statement_timeout, ns */
    const char *name; /* "short 1", for logs; lives as long as the connection */
    /* It became READY. */
    void (*on_ready)(void *user, struct connection *connection);
    /* A batch is over: all its results are there, or its error is. It belongs to the owner again. */
    void (*on_done)(void *user, struct connection *connection, struct job *job);
    /* It was lost, or an attempt failed; what was in flight belongs to the owner again and the list is empty
     * afterwards. was_ready: it had been READY. */
    void (*on_lost)(void *user, struct connection *connection, struct job_list *in_flight, bool was_ready,
                    const char *reason);
    /* All that had arrived on it has been handed over. */
    void (*on_read)(void *user);
    void *user;
};

/* NULL when memory is out. It starts with the next tick. */
struct connection *connection_new(const struct connection_options *options);
/* Batches in flight are freed with it. */
void connection_free(struct connection **connection);

/* Time passes; every 20 ms. late: our own loop did not run for a while, so silence proves nothing. */
void connection_tick(struct connection *connection, uint64_t now, bool late);

bool connection_is_ready(const struct connection *connection);
/* Batches in flight; below CONNECTION_DEPTH another one can be sent. */
unsigned connection_load(const struct connection *connection);
struct job_list *connection_in_flight(struct connection *connection);
/* Takes the batch over and sends it; errors come as on_lost at the next tick. READY connections with room only. */
void connection_send(struct connection *connection, struct job *job, uint64_t now);

/* The database has just been reached by another connection: no need to wait longer, unless this one ended as soon as it
 * was READY. */
void connection_hurry(struct connection *connection);
/* Named statements turned out not to work here (a pooler that nobody noticed): from now on unnamed ones. False when
 * that was known. */
bool connection_use_unnamed(struct connection *connection);
/* The prepared forms are out of date (the schema changed, and seldom for one statement only): from now on statements
 * are sent unnamed. */
void connection_forget_prepared(struct connection *connection);

#endif
