#include "connection.h"

#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"
#include "session.h"

#define BACK_OFF_LEAST (50 * MILLISECOND)
#define BACK_OFF_MOST  (1 * SECOND)
#define SETTLED        (1 * SECOND) /* a connection that lived this long did not fail at once */
#define NETWORK_SLACK  (2 * SECOND) /* beyond statement_timeout; after that the other end is gone or frozen */
#define NULLS_MOST     4            /* between two results libpq gives one; an endless row means it lost count */

enum state { AWAY, CONNECTING, PROBING, PREPARING, READY };

struct connection {
    struct connection_options options;
    enum state state;
    PGconn *pq;
    zmq_pollitem_t item; /* as the loop has it; events 0: it has none */
    uint64_t again;      /* AWAY: when to try, ns */
    uint64_t started;    /* when this attempt began, or when it became READY */
    uint64_t heard;      /* READY: last sign of life while something was in flight */
    unsigned attempts;   /* failed in a row, or ended at once */
    bool unsettled;      /* AWAY: it was READY, and ended at once */
    bool named;          /* statements are prepared under their names */
    bool direct;         /* PROBING: no pooler between */
    uint32_t preparing;  /* PREPARING: whose answer comes next */
    bool *prepared;      /* by the statement's number */
    char broken[256];    /* not "": it is of no use any more, and why */
    struct job_list in_flight;
    unsigned load;
    char batch_sql[SESSION_SQL_BYTES];
};

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *argument);

struct connection *connection_new(const struct connection_options *options)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->options = *options;
    TAILQ_INIT(&c->in_flight);
    c->prepared = calloc(options->catalogue->n, sizeof(*c->prepared));
    if (!c->prepared)
        connection_free(&c);
    return c;
}

/* The loop watches at most one descriptor of ours, the one libpq has now: it may change while connecting, and is closed
 * when lost. */
static void watch(struct connection *c, short events)
{
    int fd = events ? PQsocket(c->pq) : -1;
    if (c->item.events == events && c->item.fd == fd)
        return;
    if (c->item.events)
        zloop_poller_end(c->options.loop, &c->item);
    c->item = (zmq_pollitem_t){.fd = fd, .events = events};
    if (!events)
        return;
    zloop_poller(c->options.loop, &c->item, on_event, c);
    zloop_poller_set_tolerant(c->options.loop, &c->item);
}

void connection_free(struct connection **slot)
{
    struct connection *c = *slot;
    struct job *job;
    if (!c)
        return;
    if (c->item.events)
        zloop_poller_end(c->options.loop, &c->item);
    PQfinish(c->pq);
    while ((job = TAILQ_FIRST(&c->in_flight))) {
        TAILQ_REMOVE(&c->in_flight, job, link);
        job_free(&job);
    }
    free(c->prepared);
    free(c);
    *slot = NULL;
}

static void mark_broken(struct connection *c, const char *reason)
{
    if (!c->broken[0])
        endpoints_one_line(*reason ? reason : "the connection ended", c->broken, sizeof(c->broken));
}

static uint64_t back_off(const struct connection *c, uint64_t now)
{
    unsigned free_attempts = endpoints_count(c->options.endpoints); /* each address is tried once at once */
    if (c->attempts < free_attempts)
        return 0;
    unsigned doublings = c->attempts - free_attempts;
    uint64_t delay = doublings > 5 ? BACK_OFF_MOST : BACK_OFF_LEAST << doublings;
    if (delay > BACK_OFF_MOST)
        delay = BACK_OFF_MOST;
    return delay / 2 + now % (delay / 2); /* the clock's last digits keep many clients from coming at the same moment */
}

/* The only way out of every other state. */
static void lose(struct connection *c, const char *reason)
{
    uint64_t now = clock_now();
    struct job_list in_flight = TAILQ_HEAD_INITIALIZER(in_flight);
    bool was_ready = c->state == READY, settled = was_ready && now - c->started > SETTLED;

    mark_broken(c, reason);
    watch(c, 0);
    if (PQsocket(c->pq) >= 0)
        shutdown(PQsocket(c->pq), SHUT_RDWR); /* PQfinish says goodbye, which must not wait for a frozen peer */
    PQfinish(c->pq);
    c->pq = NULL;
    c->attempts = settled ? 0 : c->attempts + 1;
    c->unsettled = was_ready && !settled;
    c->again = now + back_off(c, now);
    c->state = AWAY;
    TAILQ_CONCAT(&in_flight, &c->in_flight, link);
    c->load = 0;
    c->options.on_lost(c->options.user, c, &in_flight, was_ready, c->broken);
}

static void flush_and_watch(struct connection *c)
{
    int left = PQflush(c->pq);
    if (left < 0)
        mark_broken(c, PQerrorMessage(c->pq));
    else
        watch(c, left ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN);
}

/* Connecting and setting up. */

static void on_notice(void *argument, const char *message)
{
    struct connection *c = argument;
    char line[256];
    log_debug("database connection %s: %s", c->options.name, endpoints_one_line(message, line, sizeof(line)));
}

static void connect_now(struct connection *c, uint64_t now)
{
    const struct endpoint *endpoint = endpoints_pick(c->options.endpoints, c->attempts);
    c->broken[0] = '\0';
    c->started = now;
    c->state = CONNECTING;
    c->pq = PQconnectStartParams(endpoint->keywords, endpoint->values, 0);
    if (!c->pq || PQstatus(c->pq) == CONNECTION_BAD) {
        lose(c, c->pq ? PQerrorMessage(c->pq) : "out of memory");
        return;
    }
    PQsetNoticeProcessor(c->pq, on_notice, c);
    watch(c, ZMQ_POLLOUT);
}

static void become_ready(struct connection *c)
{
    c->state = READY;
    c->started = clock_now();
    watch(c, ZMQ_POLLIN);
    c->options.on_ready(c->options.user, c);
}

static void become_ready_unnamed(struct connection *c)
{
    connection_use_unnamed(c);
    become_ready(c);
}

static void set_up(struct connection *c)
{
    char sql[SESSION_SQL_BYTES], pid[16];
    const char *parameters[] = {c->options.prepare == PREPARE_AUTO ? pid : NULL};
    if (PQsetnonblocking(c->pq, 1) != 0 || !PQenterPipelineMode(c->pq)) {
        lose(c, PQerrorMessage(c->pq));
        return;
    }
    memset(c->prepared, 0, c->options.catalogue->n * sizeof(*c->prepared));
    if (c->options.prepare == PREPARE_OFF) {
        become_ready_unnamed(c);
        return;
    }
    c->named = true;
    c->direct = false;
    c->state = PROBING;
    snprintf(pid, sizeof(pid), "%d", PQbackendPID(c->pq));
    session_sql(sql, c->options.lane, c->options.timeout, PQserverVersion(c->pq));
    if (!PQsendQueryParams(c->pq, sql, 1, NULL, parameters, NULL, NULL, 0) || !PQpipelineSync(c->pq))
        lose(c, PQerrorMessage(c->pq));
    else
        flush_and_watch(c);
}

static void go_on_connecting(struct connection *c)
{
    watch(c, 0); /* PQconnectPoll may close the socket and open another with the same number */
    switch (PQconnectPoll(c->pq)) {
    case PGRES_POLLING_READING:
        watch(c, ZMQ_POLLIN);
        return;
    case PGRES_POLLING_WRITING:
        watch(c, ZMQ_POLLOUT);
        return;
    case PGRES_POLLING_OK:
        set_up(c);
        return;
    default:
        lose(c, PQerrorMessage(c->pq));
    }
}

/* The first statement from that number on which this connection prepares; writing ones are only ever sent in the lane
 * for them. */
static uint32_t next_to_prepare(const struct connection *c, uint32_t number)
{
    const struct catalogue *catalogue = c->options.catalogue;
    while (number < catalogue->n && catalogue->item[number].writes && c->options.lane != LANE_WRITE)
        number++;
    return number;
}

/* A Sync behind each: one that PostgreSQL refuses does not take the others with it. */
static void prepare_all(struct connection *c)
{
    const struct catalogue *catalogue = c->options.catalogue;
    c->state = PREPARING;
    c->preparing = next_to_prepare(c, 0);
    for (uint32_t i = c->preparing; i < catalogue->n; i = next_to_prepare(c, i + 1)) {
        const struct statement *s = &catalogue->item[i];
        if (!PQsendPrepare(c->pq, s->name, s->sql, (int)s->n, s->oids) || !PQpipelineSync(c->pq)) {
            mark_broken(c, PQerrorMessage(c->pq));
            return;
        }
    }
    if (c->preparing == catalogue->n)
        become_ready(c);
}

static void on_probed(struct connection *c, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        c->direct = PQntuples(result) == 1;
        return;
    case PGRES_PIPELINE_SYNC:
        if (c->direct) {
            prepare_all(c);
        } else {
            log_info("database connection %s: a transaction pooler stands between; statements are sent unnamed",
                     c->options.name);
            become_ready_unnamed(c);
        }
        return;
    default:
        mark_broken(c, PQresultErrorMessage(result));
    }
}

static bool has_state(const PGresult *result, const char *state)
{
    const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return found && strcmp(found, state) == 0;
}

static void on_prepared(struct connection *c, const PGresult *result)
{
    const struct statement *s = &c->options.catalogue->item[c->preparing];
    char line[512];
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
        c->prepared[s->number] = true;
        return;
    case PGRES_PIPELINE_SYNC:
        c->preparing = next_to_prepare(c, c->preparing + 1);
        if (c->preparing == c->options.catalogue->n)
            become_ready(c);
        return;
    default:
        /* query_canceled, lock_not_available: somebody had locked a table. The next connection may have more luck. */
        if (has_state(result, "57014") || has_state(result, "55P03")) {
            mark_broken(c, PQresultErrorMessage(result));
            return;
        }
        /* Whoever asks for it is answered with the same error. */
        log_error("statement %s (%s) cannot be prepared: %s", s->name, s->file,
                  endpoints_one_line(PQresultErrorMessage(result), line, sizeof(line)));
    }
}

/* Batches. */

static bool send_item(struct connection *c, const struct job_item *item)
{
    const struct statement *s = item->statement;
    if (c->named && c->prepared[s->number])
        return PQsendQueryPrepared(c->pq, s->name, (int)s->n, item->parameter, NULL, NULL, 0);
    return PQsendQueryParams(c->pq, s->sql, (int)s->n, s->oids, item->parameter, NULL, NULL, 0);
}

static bool send_all(struct connection *c, struct job *job)
{
    if (!c->named) {
        job->prelude = SESSION_BATCH_STATEMENTS;
        if (!PQsendQueryParams(c->pq, session_isolation_sql, 0, NULL, NULL, NULL, NULL, 0) ||
            !PQsendQueryParams(c->pq, c->batch_sql, 0, NULL, NULL, NULL, NULL, 0))
            return false;
    }
    for (uint32_t i = 0; i < job->n; i++)
        if (!send_item(c, &job->item[i]))
            return false;
    return PQpipelineSync(c->pq);
}

void connection_send(struct connection *c, struct job *job, uint64_t now)
{
    job->sent = now;
    job->sends++;
    if (c->load++ == 0)
        c->heard = now;
    TAILQ_INSERT_TAIL(&c->in_flight, job, link);
    if (!send_all(c, job))
        mark_broken(c, PQerrorMessage(c->pq));
    else
        flush_and_watch(c);
}

static bool is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* Returns whether it keeps the result. */
static bool on_item_result(struct connection *c, struct job *job, PGresult *result)
{
    unsigned place = job->received++;
    bool ours = place >= job->prelude && place < job->prelude + job->n;
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (ours)
            job->item[place - job->prelude].result = result;
        return ours;
    case PGRES_FATAL_ERROR:
        if (is_fatal(result) || !PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
            mark_broken(c, PQresultErrorMessage(result)); /* the connection's end, not the statement's error */
            return false;
        }
        if (job->error)
            return false;
        job->error = result;
        job->failed = ours ? place - job->prelude : place < job->prelude ? 0 : job->n - 1;
        return true;
    case PGRES_PIPELINE_ABORTED:
        return false;
    default:
        mark_broken(c, "a statement does what no pipeline can (COPY), or is empty");
        return false;
    }
}

static void on_batch_result(struct connection *c, PGresult *result)
{
    struct job *job = TAILQ_FIRST(&c->in_flight);
    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
        if (!on_item_result(c, job, result))
            PQclear(result);
        return;
    }
    PQclear(result);
    if (!job->error && job->received != job->prelude + job->n) {
        mark_broken(c, "the answers do not fit the questions");
        return;
    }
    /* read_only_sql_transaction. Reading connections are read-only by themselves. */
    if (job->error && c->options.lane == LANE_WRITE && has_state(job->error, "25006"))
        mark_broken(c, "the server takes no writes any more");
    TAILQ_REMOVE(&c->in_flight, job, link);
    c->load--;
    c->options.on_done(c->options.user, c, job);
}

static void on_result(struct connection *c, PGresult *result)
{
    if (c->state == READY) {
        c->heard = clock_now();
        on_batch_result(c, result);
        return;
    }
    if (c->state == PROBING)
        on_probed(c, result);
    else
        on_prepared(c, result);
    PQclear(result);
}

/* A TLS record may have been read whole while libpq had room for a part of it: the socket does not become readable for
 * the rest. */
static bool more_in_tls(PGconn *pq)
{
    SSL *ssl = PQsslInUse(pq) ? PQsslStruct(pq, "OpenSSL") : NULL;
    return ssl && SSL_pending(ssl) > 0;
}

static void receive(struct connection *c)
{
    int nulls = 0;
    bool open;
    do
        open = PQconsumeInput(c->pq);
    while (open && more_in_tls(c->pq));

    /* What came before the end still counts: a write may have been answered. */
    while (!PQisBusy(c->pq) && (c->state != READY || c->load > 0) && !c->broken[0] && nulls < NULLS_MOST) {
        PGresult *result = PQgetResult(c->pq);
        if (result)
            on_result(c, result);
        nulls = result ? 0 : nulls + 1;
    }
    if (nulls == NULLS_MOST)
        mark_broken(c, "libpq lost count of the pipeline");
    if (!open || PQstatus(c->pq) == CONNECTION_BAD)
        mark_broken(c, PQerrorMessage(c->pq));
    if (!c->broken[0])
        flush_and_watch(c);
    if (c->broken[0])
        lose(c, c->broken);
}

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *argument)
{
    struct connection *c = argument;
    (void)loop;
    (void)item;
    if (c->state == CONNECTING)
        go_on_connecting(c);
    else if (c->state != AWAY)
        receive(c);
    c->options.on_read(c->options.user);
    return 0;
}

/* Time, and what the owner may ask. */

static void tick_setting_up(struct connection *c, uint64_t now)
{
    char reason[64];
    unsigned patience = endpoints_patience(c->options.endpoints);
    if (c->broken[0]) {
        lose(c, c->broken);
    } else if (now - c->started > patience * SECOND) {
        snprintf(reason, sizeof(reason), "no connection within %u s", patience);
        lose(c, reason);
    }
}

/* How long it may be silent: the results of a batch come with its Sync, behind all of its statements. */
static uint64_t silence_most(const struct connection *c)
{
    const struct job *job = TAILQ_FIRST(&c->in_flight);
    return c->options.timeout * (job->prelude + job->n) + NETWORK_SLACK;
}

static void tick_ready(struct connection *c, uint64_t now, bool late)
{
    if (late)
        c->heard = now;
    if (c->broken[0])
        lose(c, c->broken);
    else if (c->load > 0 && now > c->heard && now - c->heard > silence_most(c))
        lose(c, "nothing was heard for longer than a batch may take");
}

void connection_tick(struct connection *c, uint64_t now, bool late)
{
    if (c->state == READY)
        tick_ready(c, now, late);
    else if (c->state != AWAY)
        tick_setting_up(c, now);
    else if (now >= c->again && endpoints_ready(c->options.endpoints, now))
        connect_now(c, now);
}

bool connection_is_ready(const struct connection *c)
{
    return c->state == READY && !c->broken[0];
}

unsigned connection_load(const struct connection *c)
{
    return c->load;
}

struct job_list *connection_in_flight(struct connection *c)
{
    return &c->in_flight;
}

void connection_hurry(struct connection *c)
{
    if (!c->unsettled)
        c->again = 0;
}

bool connection_use_unnamed(struct connection *c)
{
    bool news = c->named;
    c->named = false;
    session_batch_sql(c->batch_sql, c->options.lane, c->options.timeout, PQserverVersion(c->pq));
    return news;
}

void connection_forget_prepared(struct connection *c)
{
    memset(c->prepared, 0, c->options.catalogue->n * sizeof(*c->prepared));
}
