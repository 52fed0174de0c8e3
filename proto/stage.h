/*
 * What every stage's main has in common: --help, --version, --check, settings, signals that ask to leave, memory tuned
 * against page faults.
 */
#ifndef FILMYFLY_STAGE_H
#define FILMYFLY_STAGE_H

#include <signal.h>
#include <stdbool.h>

#include "registry.h"
#include "settings.h"

struct stage_option {
    const char *name;     /* "--load" */
    const char *argument; /* "FILE", or NULL */
    const char *sentence;
};

struct stage {
    const char *name;     /* "renderer" */
    const char *sentence; /* what it does, for --help */
    unsigned settings;    /* enum setting_for */
    /* Configuration beyond the settings' types: prints one line for each thing wrong on stderr; true when all is well.
     * May be NULL. */
    bool (*check)(const struct settings *settings);
    /* The stage itself; returns the exit status. */
    int (*run)(const struct settings *settings);
    /* Other commands of the program; the list ends with a NULL name. When one is given, command() gets all arguments
     * and its result is the exit status. */
    const struct stage_option *options;
    int (*command)(const struct settings *settings, int argc, char **argv);
};

int stage_main(const struct stage *stage, int argc, char **argv);

/*
 * An instance's name in the registry (claim_new), and with it its name in the log and its counters' file. NULL with one
 * sentence in error.
 */
struct claim *stage_claim(const struct settings *settings, const char *stage, const char *instance, char *error,
                          size_t error_size);

/* Gives back to the system what malloc keeps of what was freed, in the calling thread's arena above all. Takes
 * milliseconds: for after a rare peak. */
void stage_give_memory_back(void);

/* Set by SIGTERM and SIGINT: leave gracefully. A loop looks at it each turn (at least every 20 ms). */
extern volatile sig_atomic_t stage_leaving;
/* Set through the inspect socket (inspect.h): take no new work, finish what is held, stay until told to leave. */
extern volatile sig_atomic_t stage_draining;
/* Set by SIGHUP; the stage clears it. */
extern volatile sig_atomic_t stage_reload;

/* A file of the share directory: "views", "queries/x.sql"; static memory is not used: the caller frees. */
char *stage_share_path(const struct settings *settings, const char *name);

/* What a stage that was asked to leave ends with: 0, or EXIT_RESTART so that every supervisor starts it again. */
extern volatile sig_atomic_t stage_exit_status;
#define EXIT_RESTART 75 /* EX_TEMPFAIL of sysexits.h */

#ifndef FILMYFLY_RELEASE
#define FILMYFLY_RELEASE "0.1.0"
#endif

#endif
