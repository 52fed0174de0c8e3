#include "migrate.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"
#include "endpoints.h"
#include "log.h"
#include "migration_files.h"
#include "stage.h"

#define LOCK_SQL                                                                                                       \
    "SELECT pg_try_advisory_xact_lock(7379548681867259001)" /* the bytes of "filmyfly"; the same in every release */
#define WAIT_STEP   (100 * MILLISECOND)
#define ANSWER_MOST (10 * SECOND) /* of what is quick where the database is well */

/* A plain owner may use a schema that was made for it, so it is only made where it is not there. */
static const char table_sql[] = "DO $$ BEGIN"
                                " IF to_regnamespace('filmyfly') IS NULL THEN CREATE SCHEMA filmyfly; END IF;"
                                " IF to_regclass('filmyfly.migrations') IS NULL THEN"
                                " CREATE TABLE filmyfly.migrations (name text PRIMARY KEY, sha256 text NOT NULL,"
                                " applied_at timestamptz NOT NULL DEFAULT now());"
                                " REVOKE ALL ON filmyfly.migrations FROM PUBLIC;"
                                " END IF; END $$";

/* In each migration's transaction. A lock that is waited for stops all who come behind, readers too: so it is waited
 * for a while, then all is undone, they get through, and it is tried again. */
static const char limits_sql[] = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '2s'";

struct migration {
    PGconn *pq;
    bool in_the_way; /* the last error: others were, or it was in theirs */
    bool given_up;   /* no answer was waited for any longer */
    const char *directory;
    struct migration_files files;
    char *error;
    size_t error_size;
};

/* What the last error means. */
static enum migrated outcome_of(const struct migration *m)
{
    if (PQstatus(m->pq) == CONNECTION_BAD)
        return MIGRATE_AGAIN;
    return m->in_the_way ? MIGRATE_BUSY : MIGRATE_REFUSED;
}

static enum migrated failed(struct migration *m, const char *what)
{
    char line[512];
    snprintf(m->error, m->error_size, "%s: %s", what,
             m->given_up ? "it does not answer" : endpoints_one_line(PQerrorMessage(m->pq), line, sizeof(line)));
    return outcome_of(m);
}

/* Passes every result through, to know what its error means. */
static PGresult *noted(struct migration *m, PGresult *result)
{
    /* lock_not_available, deadlock_detected, serialization_failure */
    static const char *const states[] = {"55P03", "40P01", "40001"};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    m->in_the_way = false;
    for (size_t i = 0; state && i < sizeof(states) / sizeof(states[0]); i++)
        m->in_the_way |= strcmp(state, states[i]) == 0;
    return result;
}

/* The last result of what was sent, as of PQexec; NULL when nothing was. A database that takes connections and then
 * says nothing must keep us neither from the next address nor from leaving: after `most` ns the connection ends. */
static PGresult *await(struct migration *m, int sent, uint64_t most)
{
    uint64_t began = clock_now();
    PGresult *last = NULL, *result;
    while (sent) {
        while (PQisBusy(m->pq)) {
            struct pollfd answer = {.fd = PQsocket(m->pq), .events = POLLIN};
            if (poll(&answer, 1, (int)(WAIT_STEP / MILLISECOND)) == 0 &&
                (stage_leaving || clock_now() - began > most)) {
                m->given_up = true;
                shutdown(answer.fd, SHUT_RDWR);
            }
            if (!PQconsumeInput(m->pq))
                break; /* PQgetResult tells why */
        }
        if (!(result = PQgetResult(m->pq)))
            break;
        PQclear(last);
        last = result;
    }
    return noted(m, last);
}

static PGresult *ask(struct migration *m, const char *sql, uint64_t most)
{
    return await(m, PQsendQuery(m->pq, sql), most);
}

static bool run(struct migration *m, const char *sql, uint64_t most)
{
    PGresult *result = ask(m, sql, most);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void pause_for(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
    nanosleep(&time, NULL);
}

/* Begins a transaction that holds the lock. */
static enum migrated begin_locked(struct migration *m)
{
    bool said = false;
    while (!stage_leaving) {
        if (!run(m, "BEGIN", ANSWER_MOST))
            return failed(m, "the migration cannot begin");
        PGresult *result = ask(m, LOCK_SQL, ANSWER_MOST);
        bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
        bool locked = answered && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
        PQclear(result);
        if (locked)
            return MIGRATED;
        if (!answered || !run(m, "ROLLBACK", ANSWER_MOST))
            return failed(m, "the migration cannot be locked against others");
        if (!said)
            log_info("another dbproxy is migrating the database; waiting for it");
        said = true;
        pause_for(WAIT_STEP);
    }
    snprintf(m->error, m->error_size, "asked to leave while another dbproxy was migrating");
    return MIGRATE_AGAIN;
}

/* Holds what was applied against the files; *next is the first file that was not, NULL when there is none. */
static enum migrated compare(struct migration *m, const PGresult *applied, const struct migration_file **next)
{
    int n = PQntuples(applied);
    for (int i = 0; i < n; i++) {
        const char *name = PQgetvalue(applied, i, 0);
        const struct migration_file *file = migration_files_find(&m->files, name);
        if (!file || strcmp(file->sha256, PQgetvalue(applied, i, 1)) != 0) {
            snprintf(m->error, m->error_size,
                     "%s/%s was applied to this database and %s since; bring the file back, and write a new migration "
                     "for what is new",
                     m->directory, name, file ? "was changed" : "is missing");
            return MIGRATE_REFUSED;
        }
    }
    *next = (size_t)n < m->files.n ? &m->files.item[n] : NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(m->files.item[i].name, PQgetvalue(applied, i, 0)) == 0)
            continue;
        snprintf(m->error, m->error_size, "%s/%s comes before %s, which was already applied; give it a later number",
                 m->directory, m->files.item[i].name, PQgetvalue(applied, i, 0));
        return MIGRATE_REFUSED;
    }
    return MIGRATED;
}

static enum migrated look(struct migration *m, const struct migration_file **next)
{
    PGresult *result = ask(m, "SELECT name, sha256 FROM filmyfly.migrations ORDER BY name COLLATE \"C\"", ANSWER_MOST);
    enum migrated outcome;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        outcome = compare(m, result, next);
    else
        outcome = failed(m, "filmyfly.migrations cannot be read");
    PQclear(result);
    return outcome;
}

/* PostgreSQL counts characters from 1. */
static int line_at(const char *text, const char *position)
{
    int line = 1;
    for (long left = strtol(position, NULL, 10) - 1; *text && left > 0; text++) {
        line += *text == '\n';
        left -= (text[1] & 0xC0) != 0x80; /* the next byte begins a character */
    }
    return line;
}

static enum migrated refuse_file(struct migration *m, const struct migration_file *file, const PGresult *result)
{
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char text[512], line[16] = "";
    if (position)
        snprintf(line, sizeof(line), ":%d", line_at(file->text, position));
    bool ended = PQtransactionStatus(m->pq) == PQTRANS_IDLE;
    snprintf(m->error, m->error_size, "%s/%s%s: %s; %s", m->directory, file->name, line,
             endpoints_one_line(message ? message : PQerrorMessage(m->pq), text, sizeof(text)),
             ended ? "it ended its transaction itself, which it must not; what came before that may have been applied"
                   : "nothing of it was applied");
    return outcome_of(m);
}

/* Within begin_locked's transaction. */
static enum migrated apply(struct migration *m, const struct migration_file *file)
{
    /* COMMIT; BEGIN would leave a transaction open, too, but another one. */
    static const char record_sql[] = "INSERT INTO filmyfly.migrations (name, sha256) "
                                     "SELECT $1::text, $2::text WHERE txid_current() = $3::bigint";
    char transaction[24];
    const char *values[] = {file->name, file->sha256, transaction};
    enum migrated outcome = MIGRATED;
    PGresult *result = ask(m, "SELECT txid_current()", ANSWER_MOST);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        outcome = failed(m, "the number of the transaction cannot be had");
    else
        snprintf(transaction, sizeof(transaction), "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    if (outcome != MIGRATED)
        return outcome;
    result = ask(m, file->text, UINT64_MAX);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR)
        outcome = refuse_file(m, file, result);
    PQclear(result);
    if (outcome != MIGRATED)
        return outcome;
    bool same = PQtransactionStatus(m->pq) == PQTRANS_INTRANS;
    if (same) {
        int sent = PQsendQueryParams(m->pq, record_sql, 3, NULL, values, NULL, NULL, 0);
        result = await(m, sent, ANSWER_MOST);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            outcome = failed(m, "the migration cannot be recorded");
        same = strcmp(PQcmdTuples(result), "1") == 0;
        PQclear(result);
    }
    if (outcome == MIGRATED && !same) {
        snprintf(m->error, m->error_size, "%s/%s ends its transaction itself (COMMIT, ROLLBACK), which it must not",
                 m->directory, file->name);
        outcome = MIGRATE_REFUSED;
    }
    return outcome;
}

/* One migration, or the news that there is none to do (*done). */
static enum migrated step(struct migration *m, bool *done)
{
    const struct migration_file *next = NULL;
    enum migrated outcome = begin_locked(m);
    if (outcome == MIGRATED && !run(m, limits_sql, ANSWER_MOST))
        outcome = failed(m, "statement_timeout and lock_timeout cannot be set");
    if (outcome == MIGRATED && !run(m, table_sql, ANSWER_MOST))
        outcome = failed(m, "filmyfly.migrations cannot be made");
    if (outcome == MIGRATED)
        outcome = look(m, &next);
    if (outcome == MIGRATED && next)
        outcome = apply(m, next);
    if (outcome == MIGRATED && !run(m, "COMMIT", UINT64_MAX))
        outcome = failed(m, next ? next->name : "filmyfly.migrations");
    if (outcome == MIGRATED && next)
        log_info("applied %s", next->name);
    *done = !next;
    return outcome;
}

/* True when a look without any lock says that all was done before: the usual start. */
static enum migrated nothing_to_do(struct migration *m, bool *done)
{
    const struct migration_file *next = NULL;
    PGresult *result = ask(m, "SELECT to_regclass('filmyfly.migrations') IS NOT NULL", ANSWER_MOST);
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    bool there = answered && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (!answered)
        return failed(m, "the database cannot be asked for its migrations");
    enum migrated outcome = there ? look(m, &next) : MIGRATED;
    *done = there && !next;
    return outcome;
}

static void on_notice(void *argument, const char *message)
{
    char line[512];
    (void)argument;
    log_info("migration: %s", endpoints_one_line(message, line, sizeof(line)));
}

static bool find_addresses(struct endpoints *endpoints)
{
    uint64_t end = clock_now() + endpoints_patience(endpoints) * SECOND;
    while (!endpoints_ready(endpoints, clock_now())) {
        if (stage_leaving || clock_now() > end)
            return false;
        pause_for(WAIT_STEP / 5);
    }
    return true;
}

enum migrated migrate(struct endpoints *endpoints, unsigned attempt, const char *directory, char *error,
                      size_t error_size)
{
    struct migration m = {.directory = directory, .error = error, .error_size = error_size};
    bool done = false;
    if (!migration_files_read(directory, &m.files, error, error_size))
        return MIGRATE_REFUSED;
    if (!find_addresses(endpoints)) {
        snprintf(error, error_size, "the database's host name is not found");
        migration_files_release(&m.files);
        return MIGRATE_AGAIN;
    }
    const struct endpoint *endpoint = endpoints_pick(endpoints, attempt);
    m.pq = PQconnectdbParams(endpoint->keywords, endpoint->values, 0);
    PQsetNoticeProcessor(m.pq, on_notice, NULL);
    enum migrated outcome;
    if (PQstatus(m.pq) != CONNECTION_OK)
        outcome = failed(&m, "no connection to the database");
    else
        outcome = nothing_to_do(&m, &done);
    while (outcome == MIGRATED && !done)
        outcome = step(&m, &done);
    PQfinish(m.pq);
    migration_files_release(&m.files);
    return outcome;
}
