#include "changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "answers.h"
#include "buffer.h"
#include "clock.h"
#include "counters.h"
#include "fault.h"
#include "listener.h"
#include "log.h"

#define STATEMENT     "changes_since"
#define TRIM          "changes_trim"
#define ASK_EVERY     (500 * MILLISECOND) /* while nobody tells of changes */
#define LAST_LOOK     (500 * MILLISECOND) /* before the deadline: there is time for one more look, and an answer */
#define WAITERS_MOST  256
#define TRIM_MOST     (600 * SECOND) /* between two trimmings; less when little is kept */
#define TRIM_LEAST    SECOND
#define TRIM_DEADLINE (30 * SECOND)
#define TRIM_PORTION  20000 /* rows that changes_trim.sql deletes at a time */
#define KEPT_PARTS    24    /* the log is trimmed so often in the time that it is kept */

/* Somebody who asked. */
struct waiter {
    LIST_ENTRY(waiter) link;
    struct changes *changes;
    struct ticket *ticket;
    uint64_t deadline, asked; /* asked: when the statement was last sent, ns */
    bool running;             /* the statement is under way */
    bool woken;               /* … and something changed since it was sent */
    bool last;                /* … and its answer is given whatever it brings */
    char trace[LIMIT_NAME + 1];
    struct buffer cursor;
};

struct changes {
    struct changes_options options;
    struct claim *claim;
    struct serve *serve;
    struct answers *answers;
    struct endpoints *listen_endpoints; /* of DATABASE_LISTEN_URL; NULL: the database's */
    struct listener *listener;
    LIST_HEAD(waiters, waiter) waiters;
    struct message query; /* large, so kept */
    uint64_t trim_at;
    struct counter *looks, *waiting;
};

static void on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body);
static void on_wake(void *user);

bool changes_can(const struct catalogue *catalogue)
{
    const struct statement *since = catalogue_find(catalogue, STR(STATEMENT));
    const struct statement *trim = catalogue_find(catalogue, STR(TRIM));
    return since && since->n == 1 && !since->writes && trim && trim->n == 1 && trim->writes;
}

static uint64_t trim_every(const struct changes *c)
{
    uint64_t every = c->options.settings->changes_kept / KEPT_PARTS;
    return every < TRIM_LEAST ? TRIM_LEAST : every > TRIM_MOST ? TRIM_MOST : every;
}

struct changes *changes_new(const struct changes_options *options, char *error, size_t error_size)
{
    const struct settings *settings = options->settings;
    struct changes *c = calloc(1, sizeof(*c));
    if (!c) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    c->options = *options;
    LIST_INIT(&c->waiters);
    bool own_way = *settings->database_listen_url;
    if ((own_way && !(c->listen_endpoints =
                          endpoints_new("DATABASE_LISTEN_URL", settings->database_listen_url, error, error_size))) ||
        !(c->claim = claim_new(settings->run_dir, "changes", options->instance, error, error_size)) ||
        !(c->serve = serve_new(&(struct serve_options){.stage = "dbproxy",
                                                       .takes = MESSAGE_QUERY,
                                                       .side = "changes",
                                                       .settings = settings,
                                                       .claim = c->claim,
                                                       .most = WAITERS_MOST,
                                                       .on_request = on_request,
                                                       .user = c},
                               error, error_size))) {
        changes_free(&c);
        return NULL;
    }
    c->answers = answers_new(c->serve, settings->body_max);
    c->listener =
        listener_new(&(struct listener_options){.loop = options->loop,
                                                .endpoints = own_way ? c->listen_endpoints : options->endpoints,
                                                .trusted = own_way,
                                                .on_wake = on_wake,
                                                .user = c});
    if (!c->listener) {
        snprintf(error, error_size, "out of memory");
        changes_free(&c);
        return NULL;
    }
    uint64_t now = clock_now();
    c->trim_at = now + trim_every(c) / 2 + now % (trim_every(c) / 2); /* not all dbproxies at once */
    c->looks = counter("changes.looks", COUNTER_SUM);
    c->waiting = counter("changes.waiting", COUNTER_GAUGE);
    return c;
}

static void forget(struct waiter *waiter)
{
    LIST_REMOVE(waiter, link);
    buffer_release(&waiter->cursor);
    free(waiter);
}

void changes_free(struct changes **slot)
{
    struct changes *c = *slot;
    if (!c)
        return;
    for (struct waiter *waiter = LIST_FIRST(&c->waiters), *next; waiter; waiter = next) {
        next = LIST_NEXT(waiter, link);
        forget(waiter);
    }
    listener_free(&c->listener);
    answers_free(&c->answers);
    serve_free(&c->serve);
    claim_free(&c->claim);
    endpoints_free(&c->listen_endpoints);
    free(c);
    *slot = NULL;
}

struct serve *changes_serve(struct changes *c)
{
    return c->serve;
}

bool changes_publish(struct changes *c)
{
    return claim_publish(c->claim);
}

/* Looking. */

static void look(struct waiter *waiter, uint64_t now);

/* The next look begins where this one ended. False: nothing was brought that is worth an answer. */
static bool brings_news(struct waiter *waiter, const PGresult *result)
{
    if (PQntuples(result) != 1 || PQnfields(result) < 1 || !waiter->cursor.n)
        return true;
    buffer_reset(&waiter->cursor);
    buffer_append(&waiter->cursor, PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0));
    return waiter->cursor.failed;
}

static void on_over(void *user, struct job *job, enum cause cause, const char *failed)
{
    struct waiter *waiter = user;
    struct changes *c = waiter->changes;
    waiter->running = false;
    if (failed) {
        serve_fail(c->serve, &waiter->ticket, cause, failed);
        serve_flush(c->serve);
        forget(waiter);
        return;
    }
    if (!brings_news(waiter, job->item[0].result) && !waiter->last) {
        if (waiter->woken)
            look(waiter, clock_now());
        return;
    }
    fault("dbproxy-changes-before-reply", STR(STATEMENT));
    job->ticket = waiter->ticket;
    answer_rows(c->answers, job);
    serve_flush(c->serve);
    forget(waiter);
}

static void fail(struct waiter *waiter, const char *error)
{
    serve_fail(waiter->changes->serve, &waiter->ticket, CAUSE_INTERNAL, *error ? error : "out of memory");
    forget(waiter);
}

static void look(struct waiter *waiter, uint64_t now)
{
    struct changes *c = waiter->changes;
    char error[LIMIT_TEXT];
    c->query.deadline = waiter->deadline;
    c->query.trace = str_of(waiter->trace);
    c->query.batch.n = 1;
    c->query.batch.item[0].name = STR(STATEMENT);
    c->query.batch.item[0].n = 1;
    c->query.batch.item[0].parameter[0] = waiter->cursor.n ? buffer_str(&waiter->cursor) : STR_NONE;
    struct job *job = job_new(c->options.catalogue, &c->query, error, sizeof(error));
    if (!job) {
        fail(waiter, error);
        return;
    }
    job->over = on_over;
    job->user = waiter;
    waiter->running = true;
    waiter->woken = false;
    waiter->asked = now;
    count(c->looks, 1);
    pool_run(c->options.pool, job);
}

/* Requests. */

static void on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body)
{
    struct changes *c = user;
    const struct statement_call *call = &message->batch.item[0];
    uint64_t now = clock_now();
    (void)body;
    if (message->batch.n != 1 || !str_eq(call->name, STR(STATEMENT)) || call->n != 1) {
        answer_refused(c->answers, &ticket, "only one call of " STATEMENT " with one parameter can be asked for here");
        return;
    }
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (!waiter) {
        answer_busy(c->answers, &ticket);
        return;
    }
    LIST_INSERT_HEAD(&c->waiters, waiter, link);
    waiter->changes = c;
    waiter->ticket = ticket;
    waiter->deadline = ticket_deadline(ticket);
    snprintf(waiter->trace, sizeof(waiter->trace), STR_FMT, STR_ARG(message->trace));
    waiter->cursor.limit = LIMIT_PARAMETER;
    buffer_append_str(&waiter->cursor, call->parameter[0]);
    look(waiter, now);
    pool_dispatch(c->options.pool);
}

static void on_wake(void *user)
{
    struct changes *c = user;
    uint64_t now = clock_now();
    struct waiter *waiter, *next;
    for (waiter = LIST_FIRST(&c->waiters); waiter; waiter = next) {
        next = LIST_NEXT(waiter, link);
        if (waiter->running)
            waiter->woken = true;
        else
            look(waiter, now);
    }
    pool_dispatch(c->options.pool);
    serve_flush(c->serve);
}

/* Time. */

static void on_trimmed(void *user, struct job *job, enum cause cause, const char *failed)
{
    struct changes *c = user;
    (void)cause;
    if (failed) {
        log_warning("the log of changes could not be trimmed: %s; trying again later", failed);
        return;
    }
    long rows = strtol(PQcmdTuples(job->item[0].result), NULL, 10);
    if (rows > 0)
        log_debug("the log of changes is trimmed by %ld rows", rows);
    if (rows >= TRIM_PORTION)
        c->trim_at = 0; /* there is more: at the next tick */
}

static void trim(struct changes *c, uint64_t now)
{
    char error[LIMIT_TEXT], seconds[24];
    int n =
        snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)(c->options.settings->changes_kept / SECOND));
    c->trim_at = now + trim_every(c);
    c->query.deadline = now + TRIM_DEADLINE;
    c->query.trace = STR(TRIM);
    c->query.batch.n = 1;
    c->query.batch.item[0].name = STR(TRIM);
    c->query.batch.item[0].n = 1;
    c->query.batch.item[0].parameter[0] = (struct str){seconds, (uint32_t)n};
    struct job *job = job_new(c->options.catalogue, &c->query, error, sizeof(error));
    if (!job)
        return;
    job->over = on_trimmed;
    job->user = c;
    pool_run(c->options.pool, job);
}

void changes_tick(struct changes *c, bool leaving)
{
    uint64_t now = clock_now();
    unsigned waiting = 0;
    struct waiter *waiter, *next;
    listener_tick(c->listener, now);
    for (waiter = LIST_FIRST(&c->waiters); waiter; waiter = next) {
        next = LIST_NEXT(waiter, link);
        waiting++;
        waiter->last |= leaving || now + LAST_LOOK >= waiter->deadline;
        if (!waiter->running && (waiter->last || (!listener_works(c->listener) && now - waiter->asked >= ASK_EVERY)))
            look(waiter, now);
    }
    if (now >= c->trim_at && !leaving)
        trim(c, now);
    gauge(c->waiting, waiting);
    pool_dispatch(c->options.pool);
}
