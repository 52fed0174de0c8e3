/* The dbproxy stage: takes batches of named statements from renderers, runs them in PostgreSQL, answers with rows. */
#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>

#include "changes.h"
#include "clock.h"
#include "endpoints.h"
#include "load.h"
#include "log.h"
#include "migrate.h"
#include "pool.h"
#include "serve.h"
#include "stage.h"
#include "stage_loop.h"
#include "statements.h"
#include "vitals.h"

#define MIGRATE_PAUSE  (500 * MILLISECOND)
#define MIGRATE_REPORT (5 * SECOND) /* how often the log repeats that the start waits for the database */
#define SENTENCE       1024

struct dbproxy {
    const struct settings *settings;
    struct catalogue *catalogue;
    struct endpoints *endpoints;
    struct claim *claim;
    struct serve *serve;
    struct pool *pool;
    struct changes *changes; /* NULL: the catalogue has no such statements */
    zloop_t *loop;
};

static struct catalogue *load_catalogue(const struct settings *settings, char *error, size_t error_size)
{
    char *directory = stage_share_path(settings, "queries");
    struct catalogue *catalogue = catalogue_load(directory, error, error_size);
    free(directory);
    return catalogue;
}

static bool check_prepare(const struct settings *settings, char *error, size_t error_size)
{
    if (pool_prepare_known(settings->db_prepare))
        return true;
    snprintf(error, error_size, "FILMYFLY_DB_PREPARE is \"%s\"; expected auto, on or off", settings->db_prepare);
    return false;
}

static bool dbproxy_check(const struct settings *settings)
{
    char error[SENTENCE];
    bool good = true;
    struct endpoints *endpoints = endpoints_new("DATABASE_URL", settings->database_url, error, sizeof(error));
    if (!endpoints) {
        fprintf(stderr, "%s\n", error);
        good = false;
    }
    endpoints_free(&endpoints);
    if (*settings->database_listen_url) {
        endpoints = endpoints_new("DATABASE_LISTEN_URL", settings->database_listen_url, error, sizeof(error));
        if (!endpoints) {
            fprintf(stderr, "%s\n", error);
            good = false;
        }
        endpoints_free(&endpoints);
    }
    struct catalogue *catalogue = load_catalogue(settings, error, sizeof(error));
    if (!catalogue) {
        fprintf(stderr, "%s\n", error);
        good = false;
    }
    catalogue_free(&catalogue);
    if (!check_prepare(settings, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        good = false;
    }
    return good;
}

/* Migrations. */

/* patient: a stage waits for its database, a command says at once that there is none. For those who hold locks both
 * wait. */
static bool bring_up_to_date(const struct settings *settings, struct endpoints *endpoints, bool patient)
{
    char error[SENTENCE];
    char *directory = stage_share_path(settings, "migrations");
    enum migrated outcome;
    uint64_t said = 0;
    unsigned attempt = 0, to_say = 0; /* each address has a reason of its own */
    for (;;) {
        outcome = migrate(endpoints, attempt, directory, error, sizeof(error));
        if (outcome == MIGRATE_AGAIN)
            attempt++;
        if (outcome == MIGRATED || outcome == MIGRATE_REFUSED || stage_leaving ||
            (!patient && outcome == MIGRATE_AGAIN && attempt >= endpoints_count(endpoints)))
            break;
        if (clock_now() - said > MIGRATE_REPORT) {
            vitals_status("waits for the database; the reason is in the log");
            said = clock_now();
            to_say = endpoints_count(endpoints) > 0 ? endpoints_count(endpoints) : 1;
        }
        if (to_say > 0) {
            log_warning("the start waits for the database: %s; trying again", error);
            to_say--;
        }
        nanosleep(&(struct timespec){.tv_nsec = MIGRATE_PAUSE}, NULL);
    }
    free(directory);
    if (outcome != MIGRATED)
        log_error("the schema is not up to date: %s", error);
    return outcome == MIGRATED;
}

static int migrate_command(const struct settings *settings)
{
    char error[SENTENCE];
    struct endpoints *endpoints = endpoints_new("DATABASE_URL", settings->database_url, error, sizeof(error));
    if (!endpoints) {
        log_error("%s", error);
        return 1;
    }
    bool good = bring_up_to_date(settings, endpoints, false);
    endpoints_free(&endpoints);
    return good ? 0 : 1;
}

/* The stage. */

static void on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body)
{
    struct dbproxy *d = user;
    (void)body;
    pool_take(d->pool, ticket, message);
    pool_dispatch(d->pool);
}

static void on_tick(void *user)
{
    struct dbproxy *d = user;
    pool_tick(d->pool);
    if (d->changes)
        changes_tick(d->changes, stage_leaving || stage_draining);
}

static bool set_up_changes(struct dbproxy *d, char *error, size_t error_size)
{
    if (!changes_can(d->catalogue))
        return true;
    d->changes = changes_new(&(struct changes_options){.settings = d->settings,
                                                       .catalogue = d->catalogue,
                                                       .endpoints = d->endpoints,
                                                       .pool = d->pool,
                                                       .loop = d->loop,
                                                       .instance = claim_instance(d->claim)},
                             error, error_size);
    return d->changes;
}

static bool publish(struct dbproxy *d, char *error, size_t error_size)
{
    if (claim_publish(d->claim) && (!d->changes || changes_publish(d->changes)))
        return true;
    snprintf(error, error_size, "%s cannot be published: %s", claim_bind_path(d->claim), strerror(errno));
    return false;
}

static bool set_up(struct dbproxy *d, char *error, size_t error_size)
{
    const struct settings *settings = d->settings;
    *error = '\0';
    if (!check_prepare(settings, error, error_size) || !(d->catalogue = load_catalogue(settings, error, error_size)) ||
        !(d->endpoints = endpoints_new("DATABASE_URL", settings->database_url, error, error_size)) ||
        !(d->claim = stage_claim(settings, "dbproxy", settings->instance, error, error_size)) ||
        !bring_up_to_date(settings, d->endpoints, true))
        return false;
    d->serve = serve_new(&(struct serve_options){.stage = "dbproxy",
                                                 .takes = MESSAGE_QUERY,
                                                 .settings = settings,
                                                 .claim = d->claim,
                                                 .on_request = on_request,
                                                 .user = d},
                         error, error_size);
    if (!d->serve)
        return false;
    d->loop = zloop_new();
    d->pool = pool_new(&(struct pool_options){.settings = settings,
                                              .catalogue = d->catalogue,
                                              .endpoints = d->endpoints,
                                              .serve = d->serve,
                                              .loop = d->loop},
                       error, error_size);
    if (!d->pool || !set_up_changes(d, error, error_size) || !publish(d, error, error_size))
        return false;
    log_info("ready: %u statements, %u connections", d->catalogue->n, (unsigned)settings->db_connections);
    return true;
}

static void tear_down(struct dbproxy *d)
{
    pool_free(&d->pool);
    changes_free(&d->changes);
    serve_free(&d->serve);
    zloop_destroy(&d->loop);
    claim_free(&d->claim);
    endpoints_free(&d->endpoints);
    catalogue_free(&d->catalogue);
}

static int dbproxy_run(const struct settings *settings)
{
    struct dbproxy d = {.settings = settings};
    char error[SENTENCE];
    bool good = set_up(&d, error, sizeof(error));
    if (!good && *error)
        log_error("%s", error);
    if (good)
        stage_loop_run(&(struct stage_loop){.serve = d.serve,
                                            .serve_2 = d.changes ? changes_serve(d.changes) : NULL,
                                            .zloop = d.loop,
                                            .on_tick = on_tick,
                                            .user = &d});
    tear_down(&d);
    return good || stage_leaving ? 0 : 1;
}

/* --load FILE [--if-empty] */
static int load_given(const struct settings *settings, int argc, char **argv)
{
    char error[SENTENCE];
    bool if_empty = argc == 4 && strcmp(argv[3], "--if-empty") == 0;
    if (argc < 3 || argc > 4 || (argc == 4 && !if_empty)) {
        fprintf(stderr, "usage: filmyfly-dbproxy --load FILE [--if-empty]\n");
        return 2;
    }
    struct endpoints *endpoints = endpoints_new("DATABASE_URL", settings->database_url, error, sizeof(error));
    if (!endpoints) {
        log_error("%s", error);
        return 1;
    }
    endpoints_free(&endpoints);
    return (if_empty ? load_command_if_empty : load_command)(settings->database_url, argv[2], stderr);
}

static int dbproxy_command(const struct settings *settings, int argc, char **argv)
{
    if (strcmp(argv[1], "--load") == 0)
        return load_given(settings, argc, argv);
    if (argc == 2 && strcmp(argv[1], "--migrate") == 0)
        return migrate_command(settings);
    fprintf(stderr, "filmyfly-dbproxy: \"%s\" goes with --load FILE only, and --migrate stands alone\n", argv[1]);
    return 2;
}

static const struct stage_option options[] = {
    {"--migrate", NULL, "Bring the database's schema up to date, and end."},
    {"--load", "FILE", "Load a file of movies, a JSON object a line (- is standard input), and end."},
    {"--if-empty", NULL, "After --load FILE: only when there is no movie yet."},
    {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    const struct stage dbproxy = {
        .name = "dbproxy",
        .sentence = "runs the named statements of the other stages in PostgreSQL",
        .settings = FOR_DBPROXY,
        .check = dbproxy_check,
        .run = dbproxy_run,
        .options = options,
        .command = dbproxy_command,
    };
    return stage_main(&dbproxy, argc, argv);
}
