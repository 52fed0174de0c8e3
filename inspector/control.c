#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "clock.h"
#include "pipeline.h"
#include "print.h"

#define LOOK_EVERY  (50 * MILLISECOND)
#define LEAVE_FOR   (45 * SECOND) /* what is in flight is finished: the longest wait of a request, and more */
#define START_FOR   (60 * SECOND)
#define SEND_FOR_MS 2000

/* One instance that is told something, and what is seen of it. */
struct order {
    const char *run_dir, *word;
    struct instance instance; /* as it was; its counters are another's */
    char name[64];            /* "renderer/1" */
    uint64_t lives;           /* it had until now */
    bool json;
};

/* Sending. */

/* A gateway has a socket for each loop: its first will do. */
static bool find_socket(const struct order *order, char *path, size_t size)
{
    static const char *const suffixes[] = {".inspect", ".0.inspect"};

    for (int i = 0; i < 2; i++) {
        if (instance_path(order->run_dir, &order->instance, suffixes[i], path, size) && access(path, F_OK) == 0) {
            return true;
        }
    }
    complain(0, "%s cannot be told anything: %s/%s.inspect is not there", order->name, order->run_dir, order->name);
    return false;
}

static bool send_word(const char *path, const char *word)
{
    int linger = SEND_FOR_MS;
    char endpoint[4200];
    void *context = zmq_ctx_new(), *socket = context ? zmq_socket(context, ZMQ_XSUB) : NULL;
    bool sent = false;

    snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
    if (socket) {
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
        sent = zmq_connect(socket, endpoint) == 0 && zmq_send(socket, word, strlen(word), 0) >= 0;
    }
    int why = errno;
    if (socket) {
        zmq_close(socket);
    }
    if (context) {
        zmq_ctx_term(context); /* waits until it is sent */
    }
    errno = why;
    return sent;
}

static bool tell(const struct order *order)
{
    char path[4096];

    if (order->instance.standing == STANDING_HUNG) {
        complain(0, "%s hangs and hears nothing: kill -9 %ld, and it is started again", order->name,
                 order->instance.pid);
        return false;
    }
    if (!find_socket(order, path, sizeof(path))) {
        return false;
    }
    if (access(path, W_OK) < 0) {
        complain(0, "%s may not be written to: %s; be root, or in the group of that folder", path, strerror(errno));
        return false;
    }
    if (!send_word(path, order->word)) {
        complain(0, "%s cannot be connected to: %s", path, zmq_strerror(errno));
        return false;
    }
    return true;
}

/* Watching. */

enum seen { SEEN_AS_BEFORE, SEEN_LEAVING, SEEN_GONE, SEEN_DRAINED, SEEN_NEW_LIFE, SEEN_SERVING };

static enum seen look(const struct order *order, long *pid)
{
    char error[512];
    enum seen seen = SEEN_GONE;
    struct pipeline *pipeline = pipeline_look(order->run_dir, error, sizeof(error));

    for (size_t i = 0; pipeline && i < pipeline->n; i++) {
        const struct instance *now = &pipeline->instance[i];
        if (now->stage != order->instance.stage || strcmp(now->name, order->instance.name) != 0 || !now->stats) {
            continue;
        }
        bool new_life = stats_value(now->stats, "process.lives") != order->lives;
        *pid = now->pid;
        if (!instance_lives(now)) {
            seen = SEEN_GONE;
        } else if (new_life) {
            seen = now->standing == STANDING_SERVING ? SEEN_SERVING : SEEN_NEW_LIFE;
        } else if (now->standing == STANDING_DRAINED) {
            seen = SEEN_DRAINED;
        } else {
            seen = now->standing == STANDING_LEAVING ? SEEN_LEAVING : SEEN_AS_BEFORE;
        }
    }
    pipeline_free(&pipeline);
    return seen;
}

/* Until it is seen so, or time is over; the last that was seen. */
static enum seen wait_for(const struct order *order, enum seen wanted, uint64_t patience, long *pid)
{
    uint64_t until = clock_now() + patience;
    enum seen seen;

    while ((seen = look(order, pid)) != wanted && clock_now() < until) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY}, NULL);
    }
    return seen;
}

static double seconds_since(uint64_t then)
{
    return (double)(clock_now() - then) / (double)SECOND;
}

static void progress(const struct order *order, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void progress(const struct order *order, const char *format, ...)
{
    va_list list;

    if (order->json) {
        return;
    }
    printf("%s ", order->name);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    fflush(stdout);
}

/* Restart. */

static bool restart(const struct order *order, json_t *done)
{
    uint64_t began = clock_now();
    long pid = 0;

    progress(order, "(process %ld) is asked to finish what it has and to be started again", order->instance.pid);
    if (!tell(order)) {
        return false;
    }
    enum seen seen = wait_for(order, SEEN_SERVING, LEAVE_FOR + START_FOR, &pid);
    if (seen != SEEN_SERVING) {
        static const char *const what[] = {
            [SEEN_AS_BEFORE] = "goes on as before",
            [SEEN_LEAVING] = "still finishes what it has",
            [SEEN_GONE] = "has gone, and nobody starts it again",
            [SEEN_DRAINED] = "is still drained",
            [SEEN_NEW_LIFE] = "was started again, and does not serve",
        };
        complain(0, "%s %s; the others are left as they are; \"filmyfly logs %s\" tells more", order->name, what[seen],
                 order->name);
        return false;
    }
    progress(order, "serves as process %ld, after %.1f s", pid, seconds_since(began));
    json_array_append_new(done, json_pack("{s:s, s:I, s:I, s:f}", "instance", order->name, "was",
                                          (json_int_t)order->instance.pid, "pid", (json_int_t)pid, "seconds",
                                          seconds_since(began)));
    return true;
}

static struct order order_for(const struct invocation *invocation, const struct instance *instance, const char *word)
{
    struct order order = {.run_dir = invocation->run_dir,
                          .word = word,
                          .instance = *instance,
                          .lives = instance->stats ? stats_value(instance->stats, "process.lives") : 0,
                          .json = invocation->json};

    snprintf(order.name, sizeof(order.name), "%s/%s", stage_names[instance->stage], instance->name);
    return order;
}

/* One after the other, those who are asked by others first. */
static int restart_all(const struct invocation *invocation, const struct pipeline *pipeline,
                       const struct target *target, json_t *done)
{
    size_t found = 0;

    for (int stage = STAGES - 1; stage >= 0; stage--) {
        for (size_t i = 0; i < pipeline->n; i++) {
            const struct instance *instance = &pipeline->instance[i];
            if ((int)instance->stage != stage || !target_has(target, instance->stage, instance->name) ||
                !instance_lives(instance) || instance->standing == STANDING_LEAVING) {
                continue;
            }
            struct order order = order_for(invocation, instance, "restart");
            found++;
            if (!restart(&order, done)) {
                return EXIT_DEGRADED;
            }
        }
    }
    if (found == 0) {
        return complain(EXIT_ABSENT, "%s does not run in %s", invocation->word[0] ? invocation->word[0] : "FilmyFly",
                        invocation->run_dir);
    }
    return EXIT_GOOD;
}

int restart_run(const struct invocation *invocation)
{
    char error[4400];
    struct target target;

    if (!target_read(&target, invocation->word[0])) {
        return EXIT_USAGE;
    }
    struct pipeline *pipeline = pipeline_look(invocation->run_dir, error, sizeof(error));
    if (!pipeline) {
        return complain(EXIT_ABSENT, "%s", error);
    }
    json_t *done = json_array();
    int status = restart_all(invocation, pipeline, &target, done);
    if (invocation->json) {
        print_json(json_incref(done), status);
    }
    json_decref(done);
    pipeline_free(&pipeline);
    return status;
}

/* Drain. */

/* The instance, and how many others of its stage serve. */
static const struct instance *find(const struct pipeline *pipeline, const struct target *target, unsigned *others)
{
    const struct instance *found = NULL;

    *others = 0;
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        if ((int)instance->stage != target->stage) {
            continue;
        }
        if (strcmp(instance->name, target->name) == 0) {
            found = instance_lives(instance) ? instance : NULL;
        } else {
            *others += instance->standing == STANDING_SERVING;
        }
    }
    return found;
}

static int drain(const struct order *order)
{
    uint64_t began = clock_now();
    long pid = 0;

    if (order->instance.standing == STANDING_DRAINED) {
        progress(order, "is drained already");
    } else {
        progress(order, "(process %ld) is asked to take no more work and to finish what it has", order->instance.pid);
        if (!tell(order)) {
            return EXIT_DEGRADED;
        }
        if (wait_for(order, SEEN_DRAINED, LEAVE_FOR, &pid) != SEEN_DRAINED) {
            return complain(EXIT_DEGRADED, "%s is not drained yet; \"filmyfly logs %s\" tells more", order->name,
                            order->name);
        }
        progress(order, "is drained after %.1f s; \"filmyfly restart %s\" lets it work again", seconds_since(began),
                 order->name);
    }
    if (order->json) {
        print_json(json_pack("{s:s, s:I, s:f}", "drained", order->name, "pid", (json_int_t)order->instance.pid,
                             "seconds", seconds_since(began)),
                   0);
    }
    return EXIT_GOOD;
}

int drain_run(const struct invocation *invocation)
{
    char error[4400];
    struct target target;
    unsigned others;
    int status;

    if (!target_read(&target, invocation->word[0])) {
        return EXIT_USAGE;
    }
    if (!*target.name) {
        return complain(EXIT_USAGE, "drain needs one instance, such as %s/1", invocation->word[0]);
    }
    struct pipeline *pipeline = pipeline_look(invocation->run_dir, error, sizeof(error));
    if (!pipeline) {
        return complain(EXIT_ABSENT, "%s", error);
    }
    const struct instance *instance = find(pipeline, &target, &others);
    if (!instance) {
        status = complain(EXIT_ABSENT, "%s does not run in %s", invocation->word[0], invocation->run_dir);
    } else if (others == 0 && !given(invocation, "--force")) {
        status = complain(EXIT_DEGRADED, "%s is the last of its stage that serves; --force drains it all the same",
                          invocation->word[0]);
    } else {
        struct order order = order_for(invocation, instance, "drain");
        status = drain(&order);
    }
    pipeline_free(&pipeline);
    return status;
}
