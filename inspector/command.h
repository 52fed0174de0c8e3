/*
 * The commands of `filmyfly`, as one table (filmyfly.c), which also makes --help, the man page and the completion of
 * bash. A command gets what was given on the command line, checked against its row, and returns the exit status.
 */
#ifndef FILMYFLY_COMMAND_H
#define FILMYFLY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_OPTIONS 8 /* of one command */
#define COMMAND_WORDS   4 /* arguments that are no options */

/* Exit statuses. */
enum {
    EXIT_GOOD = 0,
    EXIT_DEGRADED = 1, /* it runs, but not all is well; or what was asked could not be done */
    EXIT_ABSENT = 2,   /* not running, or not to be reached */
    EXIT_USAGE = 64,
};

struct option {
    const char *name;     /* "--level" */
    const char *argument; /* "LEVEL", or NULL: a switch */
    const char *sentence;
};

struct invocation;

struct command {
    const char *name;      /* "status" */
    const char *arguments; /* "[STAGE|INSTANCE]"; "" */
    size_t least, most;    /* how many of them */
    const char *sentence;  /* for --help: one line, begins small, no full stop */
    const char *manual;    /* for the man page: paragraphs, separated by an empty line; a line that begins with two
                              blanks is printed as it is */
    const char *json;      /* the shape of --json, likewise */
    int (*run)(const struct invocation *invocation);
    struct option options[COMMAND_OPTIONS + 1]; /* ends with a NULL name; --json and --run-dir every command has */
};

struct invocation {
    const struct command *command;
    const char *run_dir;
    bool json;
    const char *word[COMMAND_WORDS]; /* NULL behind the last */
    size_t n_words;
    const char *value[COMMAND_OPTIONS]; /* by the row's order: NULL not given; "" a switch that was */
};

/* What was given for an option of the command: NULL: nothing; "": it is a switch. */
const char *given(const struct invocation *invocation, const char *option);

/* All commands, ended by a NULL name. */
extern const struct command commands[];

/* What every command has. */
extern const struct option common_options[];

/* "filmyfly: SENTENCE" on standard error. Returns status. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
