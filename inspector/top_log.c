#include "top_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An instance's ring, followed over its lives. */
struct source {
    unsigned stage;
    char name[NAME_SIZE];
    struct log_ring *ring; /* NULL: there is none yet */
};

struct tail {
    const char *run_dir;
    size_t n_sources, n;
    struct source source[INSTANCES_MAX];
    struct tail_line line[TAIL_LINES]; /* n of them, the oldest first */
};

struct tail *tail_new(const char *run_dir)
{
    struct tail *tail = calloc(1, sizeof(*tail));

    if (!tail) {
        abort();
    }
    tail->run_dir = run_dir;
    return tail;
}

void tail_free(struct tail **tail)
{
    for (size_t i = 0; *tail && i < (*tail)->n_sources; i++) {
        log_ring_close(&(*tail)->source[i].ring);
    }
    free(*tail);
    *tail = NULL;
}

static void keep(struct tail *tail, const struct source *source, const struct log_ring_line *line)
{
    size_t at = tail->n;

    while (at > 0 && tail->line[at - 1].line.time > line->time) {
        at--;
    }
    if (tail->n == TAIL_LINES) {
        if (at == 0) {
            return; /* older than all that are kept */
        }
        memmove(&tail->line[0], &tail->line[1], (at - 1) * sizeof(tail->line[0]));
        at--;
    } else {
        memmove(&tail->line[at + 1], &tail->line[at], (tail->n - at) * sizeof(tail->line[0]));
        tail->n++;
    }
    tail->line[at].stage = source->stage;
    memcpy(tail->line[at].name, source->name, sizeof(source->name));
    tail->line[at].line = *line;
}

static void read_source(struct tail *tail, struct source *source, const struct instance *instance)
{
    char path[4096];
    struct log_ring_line line;

    if (!instance_path(tail->run_dir, instance, ".log", path, sizeof(path))) {
        return;
    }
    if (source->ring && log_ring_replaced(source->ring, path)) {
        log_ring_close(&source->ring);
    }
    if (!source->ring) {
        source->ring = log_ring_open(path);
    }
    while (source->ring && log_ring_next(source->ring, &line)) {
        keep(tail, source, &line);
    }
}

static struct source *source_of(struct tail *tail, const struct instance *instance)
{
    for (size_t i = 0; i < tail->n_sources; i++) {
        if (tail->source[i].stage == instance->stage && strcmp(tail->source[i].name, instance->name) == 0) {
            return &tail->source[i];
        }
    }
    if (tail->n_sources == INSTANCES_MAX) {
        return NULL;
    }
    struct source *source = &tail->source[tail->n_sources++];
    *source = (struct source){.stage = instance->stage};
    memcpy(source->name, instance->name, sizeof(source->name));
    return source;
}

void tail_read(struct tail *tail, const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n; i++) {
        struct source *source = source_of(tail, &pipeline->instance[i]);
        if (source) {
            read_source(tail, source, &pipeline->instance[i]);
        }
    }
}

const struct tail_line *tail_line(const struct tail *tail, int stage, size_t back)
{
    for (size_t i = tail->n; i > 0; i--) {
        const struct tail_line *line = &tail->line[i - 1];
        if ((stage < 0 || (int)line->stage == stage) && back-- == 0) {
            return line;
        }
    }
    return NULL;
}
