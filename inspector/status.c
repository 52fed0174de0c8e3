#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "config.h"
#include "figures.h"
#include "print.h"

#define BETWEEN (1100 * MILLISECOND) /* two looks; the vitals are written once a second */

/* Health. */

static void say(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(FILE *out, const char *format, ...)
{
    va_list list;

    if (!out) {
        return;
    }
    va_start(list, format);
    vfprintf(out, format, list);
    va_end(list);
    fputc('\n', out);
}

/* False: it is not as it should be. */
static bool judge_instance(const struct instance *instance, const char *run_dir, FILE *out)
{
    const char *stage = stage_names[instance->stage], *name = instance->name;

    if (*instance->problem) {
        say(out, "%s", instance->problem);
    }
    switch (instance->standing) {
    case STANDING_DEAD:
        say(out,
            "%s/%s is dead (it was process %ld): whoever supervises it has to start it; if it shall not come back, "
            "remove "
            "%s/%s/%s.*",
            stage, name, instance->pid, run_dir, stage, name);
        return false;
    case STANDING_HUNG:
        say(out,
            "%s/%s hangs: process %ld lives, but has done nothing for some seconds; its work goes elsewhere; kill -9 "
            "it",
            stage, name, instance->pid);
        return false;
    case STANDING_UNKNOWN:
        return false;
    case STANDING_DRAINED:
        say(out, "%s/%s is drained: \"filmyfly restart %s/%s\" lets it work again", stage, name, stage, name);
        break;
    default:
        break;
    }
    return !*instance->problem;
}

static bool concerns(const struct target *target, const struct instance *instance)
{
    return target_has(target, instance->stage, instance->name) && instance->standing != STANDING_LEFT;
}

/* Whether there is anybody of the target, dead ones not counted. */
static bool is_there(const struct pipeline *pipeline, const struct target *target)
{
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        if (concerns(target, instance) && (instance_lives(instance) || instance->standing == STANDING_UNKNOWN)) {
            return true;
        }
    }
    return false;
}

int health(const struct pipeline *pipeline, const char *run_dir, const struct target *target, FILE *out)
{
    unsigned serve[STAGES] = {0};
    bool there = is_there(pipeline, target), good = true;

    if (!there && target->stage < 0) {
        say(out, "FilmyFly does not run in %s: start it", run_dir);
        return EXIT_ABSENT;
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        if (concerns(target, instance)) {
            good &= judge_instance(instance, run_dir, out);
            serve[instance->stage] += instance->standing == STANDING_SERVING;
        }
    }
    for (unsigned stage = 0; stage < STAGES; stage++) {
        if ((target->stage < 0 || target->stage == (int)stage) && serve[stage] == 0) {
            say(out, "%s%s%s does not serve in %s: start it", stage_names[stage], *target->name ? "/" : "",
                target->name, run_dir);
            good = false;
        }
    }
    return !there ? EXIT_ABSENT : good ? EXIT_GOOD : EXIT_DEGRADED;
}

/* The machine. */

void status_machine(struct machine *machine, const struct pipeline *pipeline, const char *run_dir)
{
    char store[1024] = "", error[8];
    const char *paths[DISKS] = {NULL, run_dir};

    for (size_t i = 0; i < pipeline->n && !*store; i++) {
        const struct instance *instance = &pipeline->instance[i];
        char *text = instance->stage == 1 && instance_lives(instance)
                         ? config_read(run_dir, instance, error, sizeof(error))
                         : NULL;
        if (text && !config_value(text, "FILMYFLY_CACHE_DIR", store, sizeof(store))) {
            *store = '\0';
        }
        free(text);
    }
    paths[0] = *store == '/' ? store : NULL; /* a relative path is the cacher's, not ours */
    machine_look(machine, paths);
}

/* What is printed. */

struct report {
    struct pipeline *before, *now;
    struct totals totals;
    struct machine machine;
    double seconds;
    uint64_t wall;
};

static bool shown(const struct instance *instance, const struct target *target)
{
    return target_has(target, instance->stage, instance->name) &&
           (instance->standing != STANDING_LEFT || *target->name);
}

static struct figures figures_in(const struct report *report, const struct instance *instance)
{
    return figures_of(instance, pipeline_same(report->before, instance), report->seconds, report->wall);
}

static void print_instance(const struct report *report, const struct instance *instance)
{
    struct figures f = figures_in(report, instance);
    char name[64], uptime[FIGURE_SIZE], memory[FIGURE_SIZE], rate[FIGURE_SIZE], p50[FIGURE_SIZE], p99[FIGURE_SIZE];
    char errors[FIGURE_SIZE], flight[FIGURE_SIZE], credit[FIGURE_SIZE];

    snprintf(name, sizeof(name), "%s/%s", stage_names[instance->stage], instance->name);
    snprintf(credit, sizeof(credit), "/%" PRIu64, f.credit);
    snprintf(flight, sizeof(flight), "%" PRIu64 "%.10s", f.in_flight, f.credit ? credit : "");
    printf("%-12s %-8s %7ld", name, standing_name(instance->standing), instance->pid);
    if (!f.known || !instance_lives(instance)) {
        putchar('\n');
        return;
    }
    printf(" %-8s %7s %4" PRIu64 " %4.0f%% %5s %6s %9s %6" PRIu64 " %6s %6s %6s\n", stats_release(instance->stats),
           print_uptime(uptime, f.uptime), f.restarts, 100 * f.cpu, print_bytes(memory, f.memory),
           print_rate(rate, f.requests), flight, f.queued, print_seconds(p50, f.p50), print_seconds(p99, f.p99),
           print_count(errors, f.errors));
}

static void print_totals(const struct report *report)
{
    const struct totals *t = &report->totals;
    const struct machine *m = &report->machine;
    char a[FIGURE_SIZE], b[FIGURE_SIZE], c[FIGURE_SIZE], d[FIGURE_SIZE];

    if (t->limit) {
        printf("\ncache     %s of %s, %" PRIu64 " page%s; ", print_bytes(a, t->bytes), print_bytes(b, t->limit),
               t->entries, t->entries == 1 ? "" : "s");
    } else {
        printf("\ncache     no store; ");
    }
    printf("hit rate %s (1 min), %s (5 min), %s (60 min)\n", print_share(a, t->hits[0], t->asked[0]),
           print_share(b, t->hits[1], t->asked[1]), print_share(c, t->hits[2], t->asked[2]));
    printf("database  %" PRIu64 " connections, %" PRIu64 " statements waiting; round trip %s (p50), %s (p99)\n",
           t->connections, t->waiting, print_seconds(a, t->round_trip_p50), print_seconds(b, t->round_trip_p99));
    printf("system    load %.2f %.2f %.2f on %u processors; memory %s free of %s; swap %s used of %s\n", m->load[0],
           m->load[1], m->load[2], m->processors, print_bytes(a, m->memory_available), print_bytes(b, m->memory),
           print_bytes(c, m->swap - m->swap_free), print_bytes(d, m->swap));
    for (unsigned i = 0; i < m->n_disks; i++) {
        printf("disk      %s free of %s at %s\n", print_bytes(a, m->disk[i].available),
               print_bytes(b, m->disk[i].total), m->disk[i].path);
    }
}

static void print_report(const struct report *report, const struct target *target)
{
    printf("%-12s %-8s %7s %-8s %7s %4s %5s %5s %6s %9s %6s %6s %6s %6s\n", "INSTANCE", "STATE", "PID", "RELEASE", "UP",
           "RST", "CPU", "MEM", "REQ/S", "IN FLIGHT", "QUEUED", "P50", "P99", "ERRORS");
    for (size_t i = 0; i < report->now->n; i++) {
        if (shown(&report->now->instance[i], target)) {
            print_instance(report, &report->now->instance[i]);
        }
    }
    if (target->stage < 0) {
        print_totals(report);
    }
}

/* JSON. */

static json_t *json_instance(const struct report *report, const struct instance *instance)
{
    struct figures f = figures_in(report, instance);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:I}", "stage", stage_names[instance->stage], "instance", instance->name, "state",
                  standing_name(instance->standing), "pid", (json_int_t)instance->pid);

    if (f.known && instance_lives(instance)) {
        json_object_update_new(object, json_pack("{s:s, s:I, s:I, s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:I}",
                                                 "release", stats_release(instance->stats), "uptime",
                                                 (json_int_t)f.uptime, "restarts", (json_int_t)f.restarts, "cpu", f.cpu,
                                                 "memory", (json_int_t)f.memory, "requests_per_second", f.requests,
                                                 "requests", (json_int_t)f.total, "in_flight", (json_int_t)f.in_flight,
                                                 "credit", (json_int_t)f.credit, "queued", (json_int_t)f.queued, "p50",
                                                 f.p50, "p99", f.p99, "errors", (json_int_t)f.errors));
    }
    return object;
}

/* A part of nothing is null. */
static json_t *json_share(uint64_t part, uint64_t whole)
{
    return whole ? json_real((double)part / (double)whole) : json_null();
}

static json_t *json_totals(const struct report *report)
{
    const struct totals *t = &report->totals;
    const struct machine *m = &report->machine;
    json_t *disks = json_array();

    for (unsigned i = 0; i < m->n_disks; i++) {
        json_array_append_new(disks,
                              json_pack("{s:s, s:I, s:I}", "path", m->disk[i].path, "total",
                                        (json_int_t)m->disk[i].total, "available", (json_int_t)m->disk[i].available));
    }
    return json_pack("{s:{s:I, s:I, s:I, s:{s:o, s:o, s:o}}, s:{s:I, s:I, s:f, s:f}, s:{s:[f,f,f], s:i, s:{s:I, s:I}, "
                     "s:{s:I, s:I}, s:o}}",
                     "cache", "bytes", (json_int_t)t->bytes, "limit", (json_int_t)t->limit, "entries",
                     (json_int_t)t->entries, "hit_rate", "1m", json_share(t->hits[0], t->asked[0]), "5m",
                     json_share(t->hits[1], t->asked[1]), "60m", json_share(t->hits[2], t->asked[2]), "database",
                     "connections", (json_int_t)t->connections, "waiting", (json_int_t)t->waiting, "p50",
                     t->round_trip_p50, "p99", t->round_trip_p99, "system", "load", m->load[0], m->load[1], m->load[2],
                     "processors", (int)m->processors, "memory", "total", (json_int_t)m->memory, "available",
                     (json_int_t)m->memory_available, "swap", "total", (json_int_t)m->swap, "free",
                     (json_int_t)m->swap_free, "disks", disks);
}

/* The sentences of health(), one a line, as an array. */
static json_t *json_lines(const char *text)
{
    json_t *lines = json_array();

    while (*text) {
        size_t n = strcspn(text, "\n");
        json_array_append_new(lines, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return lines;
}

static void print_report_json(const struct report *report, const struct target *target, int status,
                              const char *problems)
{
    static const char *const words[] = {[EXIT_GOOD] = "good", [EXIT_DEGRADED] = "degraded", [EXIT_ABSENT] = "absent"};
    json_t *instances = json_array(), *whole;

    for (size_t i = 0; i < report->now->n; i++) {
        if (shown(&report->now->instance[i], target)) {
            json_array_append_new(instances, json_instance(report, &report->now->instance[i]));
        }
    }
    whole =
        json_pack("{s:s, s:o, s:o}", "health", words[status], "problems", json_lines(problems), "instances", instances);
    if (target->stage < 0) {
        json_object_update_new(whole, json_totals(report));
    }
    print_json(whole, status);
}

/* Two looks. False with a sentence. */
static bool look_twice(struct report *report, const char *run_dir, const struct target *target, char *error,
                       size_t error_size)
{
    report->before = pipeline_look_at(run_dir, target->stage, error, error_size);
    if (report->before) {
        nanosleep(&(struct timespec){BETWEEN / SECOND, BETWEEN % SECOND}, NULL);
        report->now = pipeline_look_at(run_dir, target->stage, error, error_size);
    }
    if (!report->now) {
        pipeline_free(&report->before);
        return false;
    }
    report->seconds = (double)(report->now->at - report->before->at) / (double)SECOND;
    report->wall = (uint64_t)time(NULL);
    report->totals = totals_of(report->now, report->before);
    status_machine(&report->machine, report->now, run_dir);
    return true;
}

static int check_quietly(const char *run_dir, const struct target *target)
{
    char error[4400];
    struct pipeline *pipeline = pipeline_look_at(run_dir, target->stage, error, sizeof(error));
    int status = pipeline ? health(pipeline, run_dir, target, NULL) : EXIT_ABSENT;

    pipeline_free(&pipeline);
    return status;
}

int status_run(const struct invocation *invocation)
{
    struct target target;
    struct report report = {0};
    char error[4400], *problems = NULL;
    size_t size = 0;

    if (!target_read(&target, invocation->word[0])) {
        return EXIT_USAGE;
    }
    if (given(invocation, "--quiet")) {
        return check_quietly(invocation->run_dir, &target);
    }
    if (!look_twice(&report, invocation->run_dir, &target, error, sizeof(error))) {
        return invocation->json
                   ? print_json(json_pack("{s:s, s:[s], s:[]}", "health", "absent", "problems", error, "instances"),
                                EXIT_ABSENT)
                   : complain(EXIT_ABSENT, "%s", error);
    }
    FILE *out = open_memstream(&problems, &size);
    if (!out) {
        abort();
    }
    int status = health(report.now, invocation->run_dir, &target, out);
    fclose(out);
    if (invocation->json) {
        print_report_json(&report, &target, status, problems);
    } else {
        if (status != EXIT_ABSENT) {
            print_report(&report, &target);
        }
        fflush(stdout);
        fputs(problems, stderr);
    }
    free(problems);
    pipeline_free(&report.before);
    pipeline_free(&report.now);
    return status;
}
