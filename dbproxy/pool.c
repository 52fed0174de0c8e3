#include "pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "answers.h"
#include "clock.h"
#include "connection.h"
#include "counters.h"
#include "fault.h"
#include "job.h"
#include "log.h"

#define SENDS_MOST  3
#define LONG_FACTOR 10                  /* what long statements and writes may take, compared with short ones */
#define LONG_SHARE  2                   /* of a neighbour's credit, one of so many parts is for long statements */
#define LONG_DEPTH  2                   /* in flight on a long connection: the next one need not wait for the network */
#define TICK_LATE   (200 * MILLISECOND) /* a longer gap between ticks is our own freeze */
#define AWAY_REPORT (10 * SECOND)       /* how often the log repeats that the database is away */

static const char *const lane_names[LANES] = {"short", "long", "write"};

struct lane_state {
    struct job_list queue;
    unsigned waiting;
    unsigned first, n; /* its connections */
    unsigned depth;    /* batches in flight on each, at most */
};

struct pool {
    struct pool_options options;
    struct answers *answers;
    struct lane_state lane[LANES];
    struct connection **connection;
    char (*names)[24];
    unsigned n, ready;
    uint64_t ticked;
    uint64_t away_since; /* ns; 0: some connection is ready, or none was lost yet */
    uint64_t away_said;  /* when a loss was last logged */
    struct counter *batches, *retries, *reconnects, *failures, *refused, *round_trip, *waiting, *connections;
};

static void on_ready(void *user, struct connection *connection);
static void on_done(void *user, struct connection *connection, struct job *job);
static void on_read(void *user);
static void on_lost(void *user, struct connection *connection, struct job_list *in_flight, bool was_ready,
                    const char *reason);

static const char *const prepare_words[] = {[PREPARE_AUTO] = "auto", [PREPARE_ON] = "on", [PREPARE_OFF] = "off"};

static int prepare_of(const char *word)
{
    for (int i = PREPARE_AUTO; i <= PREPARE_OFF; i++)
        if (strcmp(word, prepare_words[i]) == 0)
            return i;
    return -1;
}

bool pool_prepare_known(const char *word)
{
    return prepare_of(word) >= 0;
}

/* A quarter for long statements, one for writing, the rest for short ones; the setting is 3 or more. */
static void share_out(struct pool *pool)
{
    unsigned n = pool->n, longs = n / 4 ? n / 4 : 1;
    unsigned shares[LANES] = {[LANE_SHORT] = n - longs - 1, [LANE_LONG] = longs, [LANE_WRITE] = 1};
    unsigned first = 0;
    for (int i = 0; i < LANES; i++) {
        TAILQ_INIT(&pool->lane[i].queue);
        pool->lane[i].first = first;
        pool->lane[i].n = shares[i];
        pool->lane[i].depth = i == LANE_LONG ? LONG_DEPTH : CONNECTION_DEPTH;
        first += shares[i];
    }
}

/* Nobody waits for a read any longer than the deadline; a write may be waited for much longer. */
static uint64_t timeout_of(const struct settings *settings, enum lane lane)
{
    uint64_t timeout = settings->db_timeout * (lane == LANE_SHORT ? 1 : LONG_FACTOR);
    return lane != LANE_WRITE && timeout > settings->deadline ? settings->deadline : timeout;
}

static bool make_connections(struct pool *pool)
{
    const struct settings *settings = pool->options.settings;
    for (int lane = 0; lane < LANES; lane++) {
        for (unsigned i = 0; i < pool->lane[lane].n; i++) {
            unsigned at = pool->lane[lane].first + i;
            snprintf(pool->names[at], sizeof(pool->names[at]), "%s %u", lane_names[lane], i + 1);
            pool->connection[at] = connection_new(&(struct connection_options){
                .loop = pool->options.loop,
                .endpoints = pool->options.endpoints,
                .catalogue = pool->options.catalogue,
                .lane = (enum lane)lane,
                .prepare = (enum prepare)prepare_of(settings->db_prepare),
                .timeout = timeout_of(settings, (enum lane)lane),
                .name = pool->names[at],
                .on_ready = on_ready,
                .on_done = on_done,
                .on_lost = on_lost,
                .on_read = on_read,
                .user = pool,
            });
            if (!pool->connection[at])
                return false;
        }
    }
    return true;
}

struct pool *pool_new(const struct pool_options *options, char *error, size_t error_size)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool) {
        pool->options = *options;
        pool->n = (unsigned)options->settings->db_connections;
        pool->answers = answers_new(options->serve, options->settings->body_max);
        pool->connection = calloc(pool->n, sizeof(pool->connection[0]));
        pool->names = calloc(pool->n, sizeof(pool->names[0]));
        share_out(pool);
    }
    if (!pool || !pool->connection || !pool->names || !make_connections(pool)) {
        snprintf(error, error_size, "out of memory");
        pool_free(&pool);
        return NULL;
    }
    pool->batches = counter("database.batches", COUNTER_SUM);
    pool->retries = counter("database.retries", COUNTER_SUM);
    pool->reconnects = counter("database.reconnects", COUNTER_SUM);
    pool->refused = counter("database.refused", COUNTER_SUM);
    pool->failures = counter("database.failures", COUNTER_SUM);
    pool->round_trip = counter("database.round_trip.ns", COUNTER_HISTOGRAM);
    pool->waiting = counter("database.waiting", COUNTER_GAUGE);
    pool->connections = counter("database.connections", COUNTER_GAUGE);
    return pool;
}

void pool_free(struct pool **slot)
{
    struct pool *pool = *slot;
    struct job *job;
    if (!pool)
        return;
    for (unsigned i = 0; pool->connection && i < pool->n; i++)
        connection_free(&pool->connection[i]);
    for (int lane = 0; lane < LANES; lane++) {
        while ((job = TAILQ_FIRST(&pool->lane[lane].queue))) {
            TAILQ_REMOVE(&pool->lane[lane].queue, job, link);
            job_free(&job);
        }
    }
    answers_free(&pool->answers);
    free(pool->connection);
    free(pool->names);
    free(pool);
    *slot = NULL;
}

/* The queues. */

static unsigned waiting(const struct pool *pool)
{
    return pool->lane[LANE_SHORT].waiting + pool->lane[LANE_LONG].waiting + pool->lane[LANE_WRITE].waiting;
}

static void put_back(struct pool *pool, struct job *job)
{
    struct lane_state *lane = &pool->lane[job->lane];
    job_reset(job);
    TAILQ_INSERT_HEAD(&lane->queue, job, link);
    lane->waiting++;
    count(pool->retries, 1);
}

void pool_run(struct pool *pool, struct job *job)
{
    TAILQ_INSERT_TAIL(&pool->lane[job->lane].queue, job, link);
    pool->lane[job->lane].waiting++;
}

/* Half of one neighbour's credit is for all neighbours' long statements. Beyond it they get FAILED, not BUSY: after
 * that the neighbour would send short ones elsewhere, too. */
static bool has_no_room_for_long(const struct pool *pool)
{
    const struct lane_state *lane = &pool->lane[LANE_LONG];
    uint64_t held = lane->waiting, room = pool->options.settings->credit / LONG_SHARE;
    for (unsigned i = 0; i < lane->n; i++)
        held += connection_load(pool->connection[lane->first + i]);
    return held >= (room ? room : 1);
}

void pool_take(struct pool *pool, struct ticket *ticket, const struct message *query)
{
    char error[LIMIT_TEXT];
    struct job *job = NULL;
    if (waiting(pool) < pool->options.settings->queue) {
        job = job_new(pool->options.catalogue, query, error, sizeof(error));
        if (!job && *error) {
            answer_refused(pool->answers, &ticket, error);
            return;
        }
    }
    if (!job) {
        answer_busy(pool->answers, &ticket);
        return;
    }
    job->ticket = ticket;
    if (job->lane == LANE_LONG && has_no_room_for_long(pool)) {
        count(pool->refused, 1);
        answer_failed(pool->answers, job, CAUSE_UNAVAILABLE, "too many long statements wait");
        job_free(&job);
        return;
    }
    pool_run(pool, job);
}

/* The first of equals: one connection's process at the server stays warm, as PgBouncer has it (server_round_robin). */
static struct connection *least_loaded(struct pool *pool, struct lane_state *lane)
{
    struct connection *best = NULL;
    for (unsigned i = 0; i < lane->n; i++) {
        struct connection *c = pool->connection[lane->first + i];
        if (connection_is_ready(c) && connection_load(c) < lane->depth &&
            (!best || connection_load(c) < connection_load(best)))
            best = c;
    }
    return best;
}

/* Calls the fault point once for each statement's name. */
static void fault_of_batch(const char *point, const struct job *job)
{
    for (uint32_t i = 0; i < job->n; i++)
        fault(point, str_of(job->item[i].statement->name));
}

void pool_dispatch(struct pool *pool)
{
    uint64_t now = clock_now();
    for (int i = 0; i < LANES; i++) {
        struct lane_state *lane = &pool->lane[i];
        struct connection *connection;
        struct job *job;
        while ((job = TAILQ_FIRST(&lane->queue)) && (connection = least_loaded(pool, lane))) {
            TAILQ_REMOVE(&lane->queue, job, link);
            lane->waiting--;
            if (now >= job->deadline) {
                answer_failed(pool->answers, job, CAUSE_DEADLINE, "its time was over before a connection was free");
                job_free(&job);
                continue;
            }
            connection_send(connection, job, now);
            fault_of_batch("dbproxy-batch-sent", job);
        }
    }
    gauge(pool->waiting, waiting(pool));
}

/* What becomes of a batch. */

enum verdict { ANSWER, AGAIN, AGAIN_UNNAMED, AGAIN_UNPREPARED };

/* By SQLSTATE. In each of the AGAIN cases PostgreSQL has undone the whole batch, so a writing one may be sent again,
 * too. */
static enum verdict judge(const struct job *job)
{
    static const struct {
        const char *state;
        enum verdict verdict;
    } rows[] = {
        {"40001", AGAIN},            /* serialization_failure: another transaction changed the same */
        {"40P01", AGAIN},            /* deadlock_detected */
        {"26000", AGAIN_UNNAMED},    /* invalid_sql_statement_name: a pooler gave us another session */
        {"42P05", AGAIN_UNNAMED},    /* duplicate_prepared_statement: likewise */
        {"0A000", AGAIN_UNPREPARED}, /* feature_not_supported: "cached plan must not change result type" */
    };
    const char *state = PQresultErrorField(job->error, PG_DIAG_SQLSTATE);
    if (!job_is_awaited(job) || job->sends >= SENDS_MOST)
        return ANSWER;
    for (size_t i = 0; state && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(state, rows[i].state) == 0)
            return rows[i].verdict;
    return ANSWER;
}

static void on_error(struct pool *pool, struct connection *connection, struct job *job)
{
    enum verdict verdict = judge(job);
    if (verdict == ANSWER) {
        count(pool->failures, 1);
        answer_sql_error(pool->answers, job);
        job_free(&job);
        return;
    }
    if (verdict == AGAIN_UNNAMED && connection_use_unnamed(connection))
        log_warning("named statements do not work here (SQLSTATE %s), as behind a transaction pooler: statements are "
                    "sent unnamed on this connection",
                    PQresultErrorField(job->error, PG_DIAG_SQLSTATE));
    if (verdict == AGAIN_UNPREPARED)
        connection_forget_prepared(connection);
    put_back(pool, job);
}

static void on_done(void *user, struct connection *connection, struct job *job)
{
    struct pool *pool = user;
    count(pool->batches, 1);
    histogram(pool->round_trip, clock_now() - job->sent);
    if (job->error) {
        on_error(pool, connection, job);
    } else {
        fault_of_batch("dbproxy-after-commit-before-reply", job);
        answer_rows(pool->answers, job);
        job_free(&job);
    }
    pool_dispatch(pool);
}

static void on_read(void *user)
{
    struct pool *pool = user;
    serve_flush(pool->options.serve);
}

static void on_ready(void *user, struct connection *connection)
{
    struct pool *pool = user;
    uint64_t now = clock_now();
    (void)connection;
    pool->ready++;
    gauge(pool->connections, pool->ready);
    if (pool->away_since) {
        log_info("the database is back after %u ms; %u batches were waiting",
                 (unsigned)((now - pool->away_since) / MILLISECOND), waiting(pool));
        pool->away_since = 0;
    }
    for (unsigned i = 0; i < pool->n; i++)
        connection_hurry(pool->connection[i]);
    pool_dispatch(pool);
}

static void report_loss(struct pool *pool, bool was_ready, const char *reason)
{
    uint64_t now = clock_now();
    bool news = was_ready || now - pool->away_said > AWAY_REPORT;
    if (pool->ready == 0 && !pool->away_since) {
        pool->away_since = now;
        news = true;
    }
    if (!news)
        return;
    pool->away_said = now;
    if (pool->ready > 0)
        log_warning("a database connection %s: %s; trying again, %u others work",
                    was_ready ? "was lost" : "cannot be made", reason, pool->ready);
    else
        log_error("the database is away: %s; trying again, requests wait within their deadline, of long ones some",
                  reason);
}

/* A lost batch in the order in which they were sent: the first one must end up in front. */
static void on_lost(void *user, struct connection *connection, struct job_list *in_flight, bool was_ready,
                    const char *reason)
{
    struct pool *pool = user;
    struct job *job;
    (void)connection;
    if (was_ready) {
        pool->ready--;
        gauge(pool->connections, pool->ready);
        count(pool->reconnects, 1);
    }
    report_loss(pool, was_ready, reason);
    while ((job = TAILQ_LAST(in_flight, job_list))) {
        TAILQ_REMOVE(in_flight, job, link);
        if (job_is_awaited(job) && job->lane != LANE_WRITE && job->sends < SENDS_MOST) {
            put_back(pool, job);
            continue;
        }
        if (job->lane == LANE_WRITE)
            answer_failed(pool->answers, job, CAUSE_UNKNOWN,
                          "the database connection was lost; whether the write was done is not known");
        else
            answer_failed(pool->answers, job, CAUSE_UNAVAILABLE,
                          "the database connection was lost each time the batch was sent");
        job_free(&job);
    }
    pool_dispatch(pool);
}

/* Time. */

static void fail_late(struct pool *pool, struct job_list *list, uint64_t now, bool keep, unsigned *n)
{
    struct job *job, *next;
    for (job = TAILQ_FIRST(list); job; job = next) {
        next = TAILQ_NEXT(job, link);
        if (!job_is_awaited(job) || now < job->deadline)
            continue;
        answer_failed(pool->answers, job, CAUSE_DEADLINE,
                      keep ? "the database has not answered in time" : "no database connection was free in time");
        if (keep)
            continue;
        TAILQ_REMOVE(list, job, link);
        job_free(&job);
        --*n;
    }
}

void pool_tick(struct pool *pool)
{
    uint64_t now = clock_now();
    bool late = now - pool->ticked > TICK_LATE;
    pool->ticked = now;
    for (int i = 0; i < LANES; i++)
        fail_late(pool, &pool->lane[i].queue, now, false, &pool->lane[i].waiting);
    for (unsigned i = 0; i < pool->n; i++) {
        fail_late(pool, connection_in_flight(pool->connection[i]), now, true, NULL);
        connection_tick(pool->connection[i], now, late);
    }
    pool_dispatch(pool);
}
