/* Fault points of test builds; in any other build this file is empty but for the include. */
#include "fault.h"

#ifdef FILMYFLY_FAULTS

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_MAX 16

enum action { ACTION_KILL, ACTION_ABORT, ACTION_EXIT, ACTION_STOP, ACTION_HANG, ACTION_SLEEP, ACTION_FAIL };

static const char *const action_words[] = {"kill", "abort", "exit", "stop", "hang", "sleep", "fail"};

struct fault_point {
    struct str point, detail; /* detail.p is NULL: any */
    enum action action;
    long milliseconds;
};

static struct fault_point points[FAULTS_MAX];
static size_t n_points;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A fault that is misspelt would let a test pass without its crash. */
static _Noreturn void refuse(const char *item, size_t n)
{
    fprintf(stderr,
            "FILMYFLY_FAULT: \"%.*s\" is not point[@detail]:action, action being kill, abort, exit, stop, hang, "
            "sleep<ms> or fail.\n",
            (int)n, item);
    _exit(2);
}

static bool parse_action(struct fault_point *f, const char *word, size_t n)
{
    for (size_t i = 0; i < sizeof(action_words) / sizeof(action_words[0]); i++) {
        size_t length = strlen(action_words[i]);
        if (n < length || memcmp(word, action_words[i], length) != 0) {
            continue;
        }
        f->action = (enum action)i;
        if (f->action == ACTION_SLEEP) {
            f->milliseconds = strtol(word + length, NULL, 10);
            return f->milliseconds > 0;
        }
        return n == length;
    }
    return false;
}

static void parse_point(const char *item, size_t n)
{
    struct fault_point *f = &points[n_points];
    const char *colon = memrchr(item, ':', n);
    const char *at;

    if (!colon || colon == item || n_points == FAULTS_MAX ||
        !parse_action(f, colon + 1, n - (size_t)(colon + 1 - item))) {
        refuse(item, n);
    }
    f->point = (struct str){item, (uint32_t)(colon - item)};
    at = memchr(item, '@', f->point.n);
    if (at) {
        f->detail = (struct str){at + 1, (uint32_t)(colon - at - 1)};
        f->point.n = (uint32_t)(at - item);
    }
    n_points++;
}

static void parse_faults(void)
{
    const char *p = getenv("FILMYFLY_FAULT");

    while (p && *p) {
        size_t n = strcspn(p, ",");
        parse_point(p, n);
        p += n;
        p += *p == ',';
    }
}

static void act(const struct fault_point *f)
{
    struct timespec rest = {f->milliseconds / 1000, f->milliseconds % 1000 * 1000000};

    switch (f->action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        break;
    case ACTION_ABORT:
        abort();
    case ACTION_EXIT:
        _exit(3);
    case ACTION_STOP:
        raise(SIGSTOP);
        break;
    case ACTION_HANG:
        for (;;) {
            pause();
        }
    case ACTION_SLEEP:
        nanosleep(&rest, NULL);
        break;
    case ACTION_FAIL:
        break;
    }
}

bool fault(const char *point, struct str detail)
{
    bool fails = false;
    pthread_once(&once, parse_faults);
    for (size_t i = 0; i < n_points; i++) {
        if (str_eq(points[i].point, str_of(point)) && (!points[i].detail.p || str_eq(points[i].detail, detail))) {
            act(&points[i]);
            fails |= points[i].action == ACTION_FAIL;
        }
    }
    return fails;
}

#endif
