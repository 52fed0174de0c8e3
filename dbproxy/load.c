#include "load.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json_rows.h"
#include "load_sql.h"

#define LINE_BYTES_MAX (1 << 20)
#define REPORTED_MAX   1000 /* bad lines told one by one */

struct load {
    PGconn *connection; /* owned */
    FILE *file;         /* owned, unless it is standard input */
    const char *name;   /* of the file, in the report */
    FILE *report;       /* borrowed */
    long line;          /* of the file, from 1 */
    long left_out;
};

static void report_line(struct load *load, long line, const char *reason)
{
    if (++load->left_out <= REPORTED_MAX)
        fprintf(load->report, "%s:%ld: %s\n", load->name, line, reason);
    else if (load->left_out == REPORTED_MAX + 1)
        fprintf(load->report, "%s: more lines are left out and not reported one by one\n", load->name);
}

/* Says what failed and returns false, for the caller to pass on. */
static bool report_failure(struct load *load, const char *what)
{
    const char *why = load->connection ? PQerrorMessage(load->connection) : "";
    fprintf(load->report, "%s: %s: %.*s; nothing was loaded\n", load->name, what, (int)strcspn(why, "\n"), why);
    return false;
}

/* Runs a query, or several; *result, when asked for, is that of the last, and the caller clears it. */
static bool run(struct load *load, const char *what, const char *sql, PGresult **result)
{
    PGresult *done = PQexec(load->connection, sql);
    ExecStatusType status = PQresultStatus(done);
    bool right = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (right && result)
        *result = done;
    else
        PQclear(done);
    return right || report_failure(load, what);
}

static void ignore_notice(void *unused, const PGresult *notice)
{
    (void)unused;
    (void)notice;
}

static bool connect_database(struct load *load, const char *url)
{
    /* A value after the URL overrides it, one before it can be overridden. */
    const char *const names[] = {"connect_timeout", "application_name", "dbname", "client_encoding", NULL};
    const char *const values[] = {"10", "filmyfly-load", url, "UTF8", NULL};
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!options) { /* libpq's words would repeat a part of the URL, perhaps the password */
        fprintf(load->report, "%s: DATABASE_URL is not a libpq connection URL; nothing was loaded\n", load->name);
        return false;
    }
    PQconninfoFree(options);
    load->connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(load->connection) != CONNECTION_OK)
        return report_failure(load, "cannot connect to the database");
    PQsetNoticeReceiver(load->connection, ignore_notice, NULL);
    return true;
}

/*
 * Reads a line without its end into buffer, with a NUL behind it. Returns its length, -1 at the end of the file, or
 * LINE_BYTES_MAX for a line that is longer, of which the rest is skipped.
 */
static long read_line(FILE *file, char *buffer)
{
    long n = 0;
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != '\n')
        if (n < LINE_BYTES_MAX)
            buffer[n++] = (char)c;
    buffer[n] = '\0';
    if (c == EOF && n == 0)
        return -1;
    return n;
}

/* The lines, numbered and checked, into load_lines. */
static bool copy_lines(struct load *load)
{
    char reason[JSON_ROW_REASON], number[32];
    char *buffer = malloc(LINE_BYTES_MAX + 1);
    PGresult *result = PQexec(load->connection, load_sql_copy);
    bool right = buffer && PQresultStatus(result) == PGRES_COPY_IN;
    long length;
    PQclear(result);
    while (right && (length = read_line(load->file, buffer)) >= 0) {
        const char *line = buffer;
        load->line++;
        if (length >= LINE_BYTES_MAX) {
            report_line(load, load->line, "it is longer than a million bytes");
            continue;
        }
        if (load->line == 1 && length >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
            line += 3;
            length -= 3;
        }
        if (strspn(line, " \t\r") == (size_t)length)
            continue;
        char *movie = json_row_read(line, (size_t)length, reason);
        if (!movie) {
            report_line(load, load->line, reason);
            continue;
        }
        int n = snprintf(number, sizeof number, "%ld\x02", load->line);
        right = PQputCopyData(load->connection, number, n) == 1 &&
                PQputCopyData(load->connection, movie, (int)strlen(movie)) == 1 &&
                PQputCopyData(load->connection, "\n", 1) == 1;
        free(movie);
    }
    free(buffer);
    if (ferror(load->file)) {
        fprintf(load->report, "%s: cannot be read: %s; nothing was loaded\n", load->name, strerror(errno));
        return false;
    }
    if (!right || PQputCopyEnd(load->connection, NULL) != 1)
        return report_failure(load, "the lines cannot be sent to the database");
    while ((result = PQgetResult(load->connection))) {
        right = right && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return right || report_failure(load, "the database did not take the lines");
}

static bool leave_out_repeats(struct load *load)
{
    PGresult *result;
    char reason[JSON_ROW_REASON];
    if (!run(load, "repeated movies cannot be found", load_sql_repeats, &result))
        return false;
    for (int i = 0; i < PQntuples(result); i++) {
        snprintf(reason, sizeof reason, "it is the movie of line %s again", PQgetvalue(result, i, 1));
        report_line(load, atol(PQgetvalue(result, i, 0)), reason);
    }
    PQclear(result);
    return true;
}

static bool run_counted(struct load *load, const char *what, const char *sql, long *rows)
{
    PGresult *result;
    if (!run(load, what, sql, &result))
        return false;
    *rows = atol(PQcmdTuples(result));
    PQclear(result);
    return true;
}

/* "1,234,567" in a buffer of the caller's, who takes one for each number of a line. */
static const char *with_commas(long n, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%ld", n), k = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = '\0';
    return out;
}

static bool load_movies(struct load *load, long *loaded)
{
    PGresult *result;
    long changed, added, categories;
    char a[32], b[32], c[32];
    bool right = run(load, "no table for the lines", load_sql_lines, NULL) && copy_lines(load) &&
                 run(load, "the lines cannot be read as movies", load_sql_movies, NULL) && leave_out_repeats(load) &&
                 run(load, "the movies that are there already cannot be found", load_sql_match, NULL) &&
                 run_counted(load, "movies cannot be changed", load_sql_update, &changed) &&
                 run(load, "no slugs for the new movies", load_sql_slugs, NULL) &&
                 run_counted(load, "movies cannot be added", load_sql_insert, &added) &&
                 run(load, "categories cannot be filled", load_sql_categories, NULL) &&
                 run(load, "the movies cannot be counted", load_sql_count, &result);
    if (!right)
        return false;
    *loaded = atol(PQgetvalue(result, 0, 0));
    categories = atol(PQgetvalue(result, 0, 1));
    PQclear(result);
    if (!run(load, "cannot commit", "COMMIT", NULL))
        return false;
    if (added + changed > 0) /* so that the first pages are index-only and planned well; the data is safe without it */
        PQclear(PQexec(load->connection, load_sql_vacuum));
    fprintf(load->report, "%s new, %s changed, %s as they were\n", with_commas(added, a), with_commas(changed, b),
            with_commas(*loaded - added - changed, c));
    fprintf(load->report, "loaded %s movies in %s categories; %s lines left out\n", with_commas(*loaded, a),
            with_commas(categories, b), with_commas(load->left_out, c));
    return true;
}

/* *skip is true when the catalogue has movies. */
static bool find_movies(struct load *load, bool *skip)
{
    PGresult *result;
    if (!run(load, "the catalogue cannot be read (filmyfly-dbproxy --migrate makes it)", load_sql_any_movies, &result))
        return false;
    *skip = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    return true;
}

static int load_file(const char *database_url, const char *path, FILE *report, bool only_if_empty)
{
    bool standard_input = strcmp(path, "-") == 0, any = false;
    struct load load = {.name = standard_input ? "standard input" : path, .report = report};
    long loaded = 0;
    load.file = standard_input ? stdin : fopen(path, "r");
    if (!load.file) {
        fprintf(report, "%s: cannot be opened: %s; nothing was loaded\n", path, strerror(errno));
        return 1;
    }
    bool right = connect_database(&load, database_url) && run(&load, "cannot begin", load_sql_begin, NULL) &&
                 find_movies(&load, &any);
    bool skip = right && any && only_if_empty;
    if (skip)
        fprintf(report, "there are movies already; nothing was loaded\n");
    else
        right = right && load_movies(&load, &loaded);
    PQfinish(load.connection); /* what was not committed is rolled back by the server */
    if (!standard_input)
        fclose(load.file);
    return skip || (right && loaded > 0) ? 0 : 1;
}

int load_command(const char *database_url, const char *path, FILE *report)
{
    return load_file(database_url, path, report, false);
}

int load_command_if_empty(const char *database_url, const char *path, FILE *report)
{
    return load_file(database_url, path, report, true);
}
