/* What every stage's main has in common. */
#include "stage.h"

#include <czmq.h>
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_file.h"
#include "counters.h"
#include "log.h"
#include "log_ring.h"
#include "vitals.h"

volatile sig_atomic_t stage_leaving;
volatile sig_atomic_t stage_draining;
volatile sig_atomic_t stage_reload;
volatile sig_atomic_t stage_exit_status;

static unsigned stage_settings; /* enum setting_for: those of the stage that runs */

static void on_signal(int number)
{
    if (number == SIGHUP) {
        stage_reload = 1;
    } else {
        stage_leaving = 1;
    }
}

/* czmq's first socket would put its own handlers in place of ours, so it is started and told not to before. */
static void take_signals(void)
{
    struct sigaction leave = {.sa_handler = on_signal}; /* no SA_RESTART: a poll wakes up */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t ours, before;

    /* One that came while czmq's handlers are in place would make every zloop return at once, for good. */
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    zsys_init();
    zsys_handler_set(NULL);
    sigaction(SIGTERM, &leave, NULL);
    sigaction(SIGINT, &leave, NULL);
    sigaction(SIGHUP, &leave, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

#define TRIM_THRESHOLD (256 << 20)
#define TOP_PAD        (16 << 20)

/* Giving memory back and faulting it in again for each page costs more than the page: deflateInit and End alone 0.8 ms
 * of faults. */
static void tune_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    mallopt(M_TOP_PAD, TOP_PAD);
}

void stage_give_memory_back(void)
{
    /* malloc_trim leaves the top of a thread's arena as it is; a large free there, by that thread, does not. */
    mallopt(M_TOP_PAD, 0);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    void *volatile large = malloc(100 << 10);
    free(large);
    malloc_trim(0);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    mallopt(M_TOP_PAD, TOP_PAD);
}

/*
 * libzmq's I/O threads as SCHED_BATCH (sched(7)): a page passes a dozen threads, and where each takes over the
 * processor at its first message every message travels alone. A batch thread waits until the running one has nothing
 * more to do, so a busy machine hands on several at once: a quarter less CPU a page. The stages' own threads stay as
 * they are, or whatever else is busy on the machine would delay each step of a page.
 */
static void tune_scheduling(void)
{
    zsys_set_thread_sched_policy(SCHED_BATCH);
}

static void print_option(const char *name, const char *argument, const char *sentence)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("  %-24s %s\n", text, sentence);
}

static void print_help(const struct stage *stage)
{
    printf("filmyfly-%s: %s\n\nUsage: filmyfly-%s [OPTION]\n\n", stage->name, stage->sentence, stage->name);
    printf("Without an option the stage runs until SIGTERM. SIGHUP reloads what it can.\n\nOptions:\n");
    for (const struct stage_option *option = stage->options; option && option->name; option++) {
        print_option(option->name, option->argument, option->sentence);
    }
    print_option("--check", NULL, "Say whether the configuration is right, and what is not.");
    print_option("--version", NULL, "Print the release.");
    print_option("--help", NULL, "Print this.");
    printf("\nSettings (environment variables, with their defaults):\n");
    settings_help(stdout, stage->settings);
}

static bool load(const struct stage *stage, struct settings *settings)
{
    char error[512];

    if (!settings_load(settings, stage->settings, error, sizeof(error))) {
        fprintf(stderr, "filmyfly-%s: %s\n", stage->name, error);
        return false;
    }
    if (!log_set_level(settings->log_level)) {
        fprintf(stderr, "filmyfly-%s: FILMYFLY_LOG_LEVEL is \"%s\"; expected error, warning, info or debug.\n",
                stage->name, settings->log_level);
        return false;
    }
    return true;
}

static bool is_option_of(const struct stage *stage, const char *word)
{
    for (const struct stage_option *option = stage->options; option && option->name; option++) {
        if (strcmp(option->name, word) == 0) {
            return true;
        }
    }
    return false;
}

static int run(const struct stage *stage, const struct settings *settings)
{
    char name[96];

    snprintf(name, sizeof(name), "%s%s%s", stage->name, *settings->instance ? "/" : "", settings->instance);
    log_open(name);
    stage_settings = stage->settings;
    take_signals();
    tune_scheduling();
    vitals_open(settings->memory_max);
    int status = stage->run(settings);
    return status == 0 ? stage_exit_status : status;
}

struct claim *stage_claim(const struct settings *settings, const char *stage, const char *instance, char *error,
                          size_t error_size)
{
    char name[96];
    struct claim *claim = claim_new(settings->run_dir, stage, instance, error, error_size);
    if (!claim)
        return NULL;
    snprintf(name, sizeof(name), "%s/%s", stage, claim_instance(claim));
    log_open(name);
    if (!counters_open(claim_stats_path(claim), stage, claim_instance(claim)))
        log_warning("%s cannot be made: %s; nobody can see this instance's counters", claim_stats_path(claim),
                    strerror(errno));
    char ring[4096];
    if (!claim_file(claim, ".log", ring, sizeof(ring)) || !log_ring_keep(ring))
        log_warning("%s/%s.log cannot be written: %s; `filmyfly logs` does not show this instance", stage,
                    claim_instance(claim), strerror(errno));
    char config[4096];
    if (!claim_file(claim, ".config", config, sizeof(config)) || !config_file_write(config, settings, stage_settings))
        log_warning("%s/%s.config cannot be written: %s; nobody can see this instance's settings", stage,
                    claim_instance(claim), strerror(errno));
    return claim;
}

static int check(const struct stage *stage, const struct settings *settings)
{
    if (stage->check && !stage->check(settings)) {
        return 1;
    }
    puts("configuration OK");
    return 0;
}

int stage_main(const struct stage *stage, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    struct settings settings;

    if (word && strcmp(word, "--help") == 0) {
        print_help(stage);
        return 0;
    }
    if (word && strcmp(word, "--version") == 0) {
        printf("filmyfly-%s %s\n", stage->name, FILMYFLY_RELEASE);
        return 0;
    }
    if (word && !is_option_of(stage, word) && (argc > 2 || strcmp(word, "--check") != 0)) {
        fprintf(stderr, "filmyfly-%s: \"%s\" is no option here; --help lists them.\n", stage->name, word);
        return 2;
    }
    tune_memory();
    log_open(stage->name);
    if (!load(stage, &settings)) {
        return 1;
    }
    if (word) {
        return strcmp(word, "--check") == 0 ? check(stage, &settings) : stage->command(&settings, argc, argv);
    }
    return run(stage, &settings);
}

char *stage_share_path(const struct settings *settings, const char *name)
{
    char directory[4096] = ".";
    char *path = NULL;
    ssize_t n;
    char *slash;

    if (*settings->share_dir) {
        n = asprintf(&path, "%s/%s", settings->share_dir, name);
    } else {
        n = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
        directory[n > 0 ? n : 1] = '\0';
        slash = strrchr(directory, '/');
        if (slash) {
            *slash = '\0';
        }
        n = asprintf(&path, "%s/../share/filmyfly/%s", directory, name);
    }
    if (n < 0) {
        abort();
    }
    return path;
}
