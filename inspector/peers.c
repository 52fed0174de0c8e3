#include "peers.h"

#include <jansson.h>
#include <stdio.h>

#include "clock.h"
#include "pipeline.h"
#include "print.h"

static const char *peer_standing_name(enum peer_standing standing)
{
    static const char *const names[] = {
        [PEER_UNUSED] = "",   [PEER_CONNECTING] = "connecting", [PEER_CONNECTED] = "connected", [PEER_READY] = "ready",
        [PEER_HUNG] = "hung", [PEER_LEAVING] = "leaving",       [PEER_FOREIGN] = "foreign",
    };

    return standing < sizeof(names) / sizeof(names[0]) ? names[standing] : "?";
}

static json_t *row_json(const struct peer_row *row, uint64_t age)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:i, s:i, s:i, s:I}", "from", row->from, "to", row->to, "state",
                     peer_standing_name(row->standing), "pid", (json_int_t)row->pid, "release", row->release,
                     "protocol", (int)row->protocol, "in_flight", (int)row->in_flight, "credit", (int)row->credit,
                     "seconds", (json_int_t)age);
}

static void print_heading(void)
{
    printf("%-14s %-14s %-10s %7s %-8s %8s %9s %7s\n", "FROM", "TO", "STATE", "PID", "RELEASE", "PROTOCOL", "IN FLIGHT",
           "FOR");
}

static void print_row(const struct peer_row *row, uint64_t age)
{
    char up[FIGURE_SIZE], flight[32];

    snprintf(flight, sizeof(flight), "%u/%u", row->in_flight, row->credit);
    printf("%-14s %-14s %-10s %7llu %-8s %8u %9s %7s\n", row->from, row->to, peer_standing_name(row->standing),
           (unsigned long long)row->pid, *row->release ? row->release : "-", row->protocol, flight,
           print_uptime(up, age));
}

int peers_run(const struct invocation *invocation)
{
    char error[4400];
    struct target target;
    const struct peer_row *row;
    size_t found = 0;

    if (!target_read(&target, invocation->word[0])) {
        return EXIT_USAGE;
    }
    struct pipeline *pipeline = pipeline_look(invocation->run_dir, error, sizeof(error));
    if (!pipeline) {
        return complain(EXIT_ABSENT, "%s", error);
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        if (!instance_lives(instance) || !instance->stats || !target_has(&target, instance->stage, instance->name)) {
            continue;
        }
        for (size_t k = 0; (row = stats_peer(instance->stats, k)); k++) {
            uint64_t age = pipeline->at > row->since ? (pipeline->at - row->since) / SECOND : 0;
            if (row->standing == PEER_UNUSED) {
                continue;
            }
            if (found++ == 0 && !invocation->json) {
                print_heading();
            }
            if (invocation->json) {
                json_array_append_new(rows, row_json(row, age));
            } else {
                print_row(row, age);
            }
        }
    }
    for (size_t i = 0; i < pipeline->n; i++) {
        if (*pipeline->instance[i].problem) {
            complain(0, "%s", pipeline->instance[i].problem);
        }
    }
    if (invocation->json) {
        print_json(json_incref(rows), 0);
    }
    json_decref(rows);
    pipeline_free(&pipeline);
    return found > 0 ? EXIT_GOOD : complain(EXIT_ABSENT, "nobody sends work to anybody in %s", invocation->run_dir);
}
