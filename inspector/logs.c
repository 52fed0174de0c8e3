/*
 * Each instance keeps its last lines in a ring (log_ring.h). A look takes what is new in all of them and sorts it.
 * Whoever follows prints a line only when a look began after it was written: a line of another ring that is older may
 * still have been on its way.
 */
#include "logs.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "find.h"
#include "log_ring.h"
#include "printable.h"

#define LINES_PRESET 100
#define LOOK_NS      100000000 /* between two looks */
#define LOOKS_A_FIND 5         /* new rings are looked for this seldom */
#define RINGS_MAX    INSTANCES_MAX

struct source {
    struct found file;
    struct log_ring *ring; /* NULL: it cannot be read now */
    bool complained;
};

struct line {
    const struct source *source;
    struct log_ring_line ring;
    bool held; /* since the look before */
};

struct logs {
    const struct invocation *invocation;
    struct target target;
    enum log_level level;
    regex_t pattern;
    bool has_pattern;
    unsigned long most;
    struct source source[RINGS_MAX];
    size_t sources;
    struct line *line;
    size_t n, size;
};

/* What was asked for. */

static bool read_level(struct logs *logs)
{
    const char *word = given(logs->invocation, "--level");

    logs->level = LOG_LEVEL_DEBUG;
    for (int level = LOG_LEVEL_ERROR; word && level <= LOG_LEVEL_DEBUG; level++) {
        if (strcmp(word, log_level_word((enum log_level)level)) == 0) {
            logs->level = (enum log_level)level;
            word = NULL;
        }
    }
    if (word) {
        complain(0, "--level is \"%s\"; expected error, warning, info or debug", word);
    }
    return !word;
}

static bool read_pattern(struct logs *logs)
{
    const char *text = given(logs->invocation, "--grep");
    char why[200];

    if (!text) {
        return true;
    }
    int result = regcomp(&logs->pattern, text, REG_EXTENDED | REG_NOSUB);
    if (result != 0) {
        regerror(result, &logs->pattern, why, sizeof(why));
        complain(0, "--grep \"%s\" is no regular expression (regex(7)): %s", text, why);
        return false;
    }
    logs->has_pattern = true;
    return true;
}

static bool read_most(struct logs *logs)
{
    const char *text = given(logs->invocation, "--lines");
    char *end = NULL;

    logs->most = LINES_PRESET;
    if (!text) {
        return true;
    }
    if (strcmp(text, "all") == 0) {
        logs->most = ULONG_MAX;
        return true;
    }
    errno = 0;
    logs->most = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end) {
        complain(0, "--lines is \"%s\"; expected a number, or all", text);
        return false;
    }
    return true;
}

/* Reading. */

static void open_ring(struct source *source)
{
    source->ring = log_ring_open(source->file.path);
    if (source->ring) {
        source->complained = false;
    } else if (!source->complained && errno != ENOENT) {
        source->complained = true;
        complain(0, "%s cannot be read: %s; it is left out", source->file.path,
                 errno == EBADMSG ? "it is no log of this release" : strerror(errno));
    }
}

static void on_file(void *user, const struct found *found)
{
    struct logs *logs = user;

    for (size_t i = 0; i < logs->sources; i++) {
        if (strcmp(logs->source[i].file.path, found->path) == 0) {
            return;
        }
    }
    if (logs->sources < RINGS_MAX) {
        logs->source[logs->sources] = (struct source){.file = *found};
        open_ring(&logs->source[logs->sources++]);
    }
}

/* New rings, and new files of known ones. */
static void find_rings(struct logs *logs)
{
    find_files(logs->invocation->run_dir, &logs->target, ".log", on_file, logs);
    for (size_t i = 0; i < logs->sources; i++) {
        struct source *source = &logs->source[i];
        if (source->ring && log_ring_replaced(source->ring, source->file.path)) {
            log_ring_close(&source->ring);
        }
        if (!source->ring) {
            open_ring(source);
        }
    }
}

static struct line *add_line(struct logs *logs)
{
    if (logs->n == logs->size) {
        size_t size = logs->size ? logs->size * 2 : 1024;
        struct line *line = realloc(logs->line, size * sizeof(*line));
        if (!line) {
            abort();
        }
        logs->line = line;
        logs->size = size;
    }
    return &logs->line[logs->n];
}

static bool is_asked_for(const struct logs *logs, const struct log_ring_line *line)
{
    return line->level <= logs->level && (!logs->has_pattern || regexec(&logs->pattern, line->text, 0, NULL, 0) == 0);
}

static void read_rings(struct logs *logs)
{
    for (size_t i = 0; i < logs->sources; i++) {
        struct source *source = &logs->source[i];
        /* At most a ring of each, so that one who writes without end does not keep the others waiting. */
        for (int k = 0; source->ring && k < LOG_RING_SLOTS; k++) {
            struct line *line = add_line(logs);
            if (!log_ring_next(source->ring, &line->ring)) {
                break;
            }
            line->source = source;
            line->held = false;
            logs->n += is_asked_for(logs, &line->ring);
        }
        uint64_t lost = source->ring ? log_ring_lost(source->ring) : 0;
        if (lost > 0) {
            complain(0, "%llu lines of %s were overwritten before they could be read", (unsigned long long)lost,
                     source->file.name);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->ring.time != y->ring.time) {
        return x->ring.time < y->ring.time ? -1 : 1;
    }
    if (x->source != y->source) {
        return x->source < y->source ? -1 : 1;
    }
    return x->ring.number < y->ring.number ? -1 : x->ring.number > y->ring.number;
}

static void sort_lines(struct logs *logs)
{
    if (logs->n > 0) {
        qsort(logs->line, logs->n, sizeof(*logs->line), compare);
    }
}

/* Printing. */

static void print_text(const struct line *line, const char *when, const char *text)
{
    printf("%sZ %s %s: %s\n", when, line->source->file.name, log_level_word(line->ring.level), text);
}

static void print_object(const struct line *line, const char *when, const char *text)
{
    char moment[40];
    snprintf(moment, sizeof(moment), "%sZ", when);
    json_t *object = json_pack("{s:s, s:s, s:i, s:s, s:s}", "time", moment, "instance", line->source->file.name, "pid",
                               (int)line->ring.pid, "level", log_level_word(line->ring.level), "text", text);
    if (object) {
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(object);
}

static void print_line(const struct logs *logs, const struct line *line)
{
    char when[40], text[LOG_RING_TEXT + 1];
    time_t seconds = (time_t)(line->ring.time / 1000000000u);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    size_t n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + n, sizeof(when) - n, ".%03u", (unsigned)(line->ring.time % 1000000000u / 1000000u));
    printable(text, sizeof(text), line->ring.text, line->ring.n);
    (logs->invocation->json ? print_object : print_text)(line, when, text);
}

/* Prints the lines, but the last `kept`, and forgets them. */
static void print_lines(struct logs *logs, size_t kept, unsigned long most)
{
    size_t n = logs->n - kept;

    if (n == 0) {
        return;
    }
    for (size_t i = n > most ? n - most : 0; i < n; i++) {
        print_line(logs, &logs->line[i]);
    }
    memmove(logs->line, logs->line + n, kept * sizeof(*logs->line));
    logs->n = kept;
}

/* How many at the end were written since `began` and are new: they wait for the next look. */
static size_t hold_newest(struct logs *logs, uint64_t began)
{
    size_t kept = 0;

    while (kept < logs->n && logs->line[logs->n - kept - 1].ring.time >= began &&
           !logs->line[logs->n - kept - 1].held) {
        logs->line[logs->n - ++kept].held = true;
    }
    return kept;
}

static uint64_t wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Until nobody reads any more. */
static int follow(struct logs *logs)
{
    for (unsigned look = 1; fflush(stdout) == 0; look++) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        if (look % LOOKS_A_FIND == 0) {
            find_rings(logs);
        }
        uint64_t began = wall_now();
        read_rings(logs);
        sort_lines(logs);
        print_lines(logs, hold_newest(logs, began - LOOK_NS / 2), ULONG_MAX);
    }
    return EXIT_DEGRADED;
}

static void forget(struct logs *logs)
{
    for (size_t i = 0; i < logs->sources; i++) {
        log_ring_close(&logs->source[i].ring);
    }
    if (logs->has_pattern) {
        regfree(&logs->pattern);
    }
    free(logs->line);
    free(logs);
}

static int run(struct logs *logs)
{
    bool follows = given(logs->invocation, "--follow") || given(logs->invocation, "-f"), readable = false;

    if (!target_read(&logs->target, logs->invocation->word[0]) || !read_level(logs) || !read_pattern(logs) ||
        !read_most(logs)) {
        return EXIT_USAGE;
    }
    find_rings(logs);
    for (size_t i = 0; i < logs->sources; i++) {
        readable |= logs->source[i].ring != NULL;
    }
    if (!readable && !find_was_refused()) {
        complain(0, "no log of %s in %s can be read; %s",
                 logs->invocation->word[0] ? logs->invocation->word[0] : "any instance", logs->invocation->run_dir,
                 follows ? "waiting for one" : "--run-dir says where to look");
    }
    if (!readable && !follows) {
        return EXIT_ABSENT;
    }
    read_rings(logs);
    sort_lines(logs);
    print_lines(logs, 0, logs->most);
    return follows ? follow(logs) : EXIT_GOOD;
}

int logs_run(const struct invocation *invocation)
{
    struct logs *logs = calloc(1, sizeof(*logs));

    if (!logs) {
        return complain(EXIT_DEGRADED, "out of memory");
    }
    logs->invocation = invocation;
    int status = run(logs);
    forget(logs);
    return status;
}
