#include "listener.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"
#include "counters.h"
#include "log.h"

#define CHANNEL        "filmyfly_changes"
#define BACK_OFF_LEAST (50 * MILLISECOND)
#define BACK_OFF_MOST  (1 * SECOND)
#define POOLER_AGAIN   (60 * SECOND) /* somebody may have changed the way there */
#define ASK_EVERY      (10 * SECOND) /* whether the other end lives */
#define ASK_PATIENCE   (5 * SECOND)

enum state { AWAY, CONNECTING, PROBING, LISTENING, READY };

struct listener {
    struct listener_options options;
    enum state state;
    PGconn *pq;
    zmq_pollitem_t item; /* as the loop has it; events 0: it has none */
    uint64_t again;      /* AWAY: when to try, ns */
    uint64_t since;      /* when this attempt began, or the last sign of life */
    unsigned attempts;   /* failed in a row */
    bool pending;        /* a statement of ours is under way */
    bool direct;         /* PROBING: no pooler between */
    bool pooler_said, away_said;
    struct counter *wakes, *works;
};

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *argument);

struct listener *listener_new(const struct listener_options *options)
{
    struct listener *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->options = *options;
    l->wakes = counter("listener.wakes", COUNTER_SUM);
    l->works = counter("listener.works", COUNTER_GAUGE);
    return l;
}

static void watch(struct listener *l, short events)
{
    int fd = events ? PQsocket(l->pq) : -1;
    if (l->item.events == events && l->item.fd == fd)
        return;
    if (l->item.events)
        zloop_poller_end(l->options.loop, &l->item);
    l->item = (zmq_pollitem_t){.fd = fd, .events = events};
    if (!events)
        return;
    zloop_poller(l->options.loop, &l->item, on_event, l);
    zloop_poller_set_tolerant(l->options.loop, &l->item);
}

void listener_free(struct listener **slot)
{
    struct listener *l = *slot;
    if (!l)
        return;
    if (l->item.events)
        zloop_poller_end(l->options.loop, &l->item);
    PQfinish(l->pq);
    free(l);
    *slot = NULL;
}

bool listener_works(const struct listener *l)
{
    return l->state == READY;
}

/* The only way out of every other state. */
static void lose(struct listener *l, uint64_t pause, const char *reason)
{
    char line[256];
    if (!l->away_said)
        log_warning("nobody tells of changes, so the database is asked for them: %s",
                    endpoints_one_line(*reason ? reason : "the connection ended", line, sizeof(line)));
    l->away_said = true;
    watch(l, 0);
    if (PQsocket(l->pq) >= 0)
        shutdown(PQsocket(l->pq), SHUT_RDWR); /* PQfinish says goodbye, which must not wait for a frozen peer */
    PQfinish(l->pq);
    l->pq = NULL;
    l->pending = false;
    l->state = AWAY;
    l->again = clock_now() + pause;
    gauge(l->works, 0);
}

static void lose_and_retry(struct listener *l, const char *reason)
{
    unsigned doublings = l->attempts > 5 ? 5 : l->attempts;
    uint64_t pause = BACK_OFF_LEAST << doublings;
    l->attempts++;
    lose(l, pause > BACK_OFF_MOST ? BACK_OFF_MOST : pause, reason);
}

static void say(struct listener *l, enum state state, const char *sql)
{
    l->state = state;
    l->pending = true;
    l->since = clock_now();
    if (!PQsendQuery(l->pq, sql) || PQflush(l->pq) < 0)
        lose_and_retry(l, PQerrorMessage(l->pq));
    else
        watch(l, ZMQ_POLLIN); /* so few bytes are always taken at once */
}

static void connect_now(struct listener *l, uint64_t now)
{
    const struct endpoint *endpoint = endpoints_pick(l->options.endpoints, l->attempts);
    l->since = now;
    l->state = CONNECTING;
    l->pq = PQconnectStartParams(endpoint->keywords, endpoint->values, 0);
    if (!l->pq || PQstatus(l->pq) == CONNECTION_BAD)
        lose_and_retry(l, l->pq ? PQerrorMessage(l->pq) : "out of memory");
    else
        watch(l, ZMQ_POLLOUT);
}

static void on_connected(struct listener *l)
{
    char sql[80];
    if (PQsetnonblocking(l->pq, 1) != 0) {
        lose_and_retry(l, PQerrorMessage(l->pq));
        return;
    }
    l->direct = false;
    snprintf(sql, sizeof(sql), "SELECT WHERE pg_backend_pid() = %d", PQbackendPID(l->pq));
    if (l->options.trusted)
        say(l, LISTENING, "LISTEN " CHANNEL);
    else
        say(l, PROBING, sql);
}

static void go_on_connecting(struct listener *l)
{
    watch(l, 0); /* PQconnectPoll may close the socket and open another with the same number */
    switch (PQconnectPoll(l->pq)) {
    case PGRES_POLLING_READING:
        watch(l, ZMQ_POLLIN);
        return;
    case PGRES_POLLING_WRITING:
        watch(l, ZMQ_POLLOUT);
        return;
    case PGRES_POLLING_OK:
        on_connected(l);
        return;
    default:
        lose_and_retry(l, PQerrorMessage(l->pq));
    }
}

/* A statement of ours is over; READY: the other end lives. */
static void on_idle(struct listener *l)
{
    if (l->state == PROBING && !l->direct) {
        if (!l->pooler_said)
            log_info("a pooler stands before the database, and LISTEN means nothing there: the database is asked for "
                     "changes every 500 ms; DATABASE_LISTEN_URL can name a way without one");
        l->pooler_said = l->away_said = true;
        lose(l, POOLER_AGAIN, "a pooler stands between");
    } else if (l->state == PROBING) {
        say(l, LISTENING, "LISTEN " CHANNEL);
    } else if (l->state == LISTENING) {
        l->state = READY;
        l->attempts = 0;
        l->away_said = false;
        gauge(l->works, 1);
        l->options.on_wake(l->options.user);
    }
}

static bool take_results(struct listener *l)
{
    while (l->pending && !PQisBusy(l->pq)) {
        PGresult *result = PQgetResult(l->pq);
        if (!result) {
            l->pending = false;
            on_idle(l);
            return true;
        }
        ExecStatusType status = PQresultStatus(result);
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
        l->direct |= status == PGRES_TUPLES_OK && PQntuples(result) == 1;
        if (!good)
            lose_and_retry(l, PQresultErrorMessage(result));
        PQclear(result);
        if (!good)
            return false;
    }
    return true;
}

static void receive(struct listener *l)
{
    PGnotify *notify;
    bool woken = false;
    bool open = PQconsumeInput(l->pq);
    if (open && !take_results(l))
        return;
    if (l->state == AWAY)
        return;
    if (!open || PQstatus(l->pq) == CONNECTION_BAD) {
        lose_and_retry(l, PQerrorMessage(l->pq));
        return;
    }
    l->since = clock_now();
    while ((notify = PQnotifies(l->pq))) {
        PQfreemem(notify);
        woken = true;
    }
    if (woken && l->state == READY) {
        count(l->wakes, 1);
        l->options.on_wake(l->options.user);
    }
}

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *argument)
{
    struct listener *l = argument;
    (void)loop;
    (void)item;
    if (l->state == CONNECTING)
        go_on_connecting(l);
    else if (l->state != AWAY)
        receive(l);
    return 0;
}

void listener_tick(struct listener *l, uint64_t now)
{
    uint64_t patience = endpoints_patience(l->options.endpoints) * SECOND;
    if (l->state == AWAY) {
        if (now >= l->again && endpoints_ready(l->options.endpoints, now))
            connect_now(l, now);
    } else if (l->state != READY) {
        if (now > l->since && now - l->since > patience)
            lose_and_retry(l, "no connection in time");
    } else if (l->pending) {
        if (now > l->since && now - l->since > ASK_PATIENCE)
            lose_and_retry(l, "the other end says nothing");
    } else if (now > l->since && now - l->since > ASK_EVERY) {
        say(l, READY, "SELECT 1");
    }
}
