/*
 * The pipeline as the run directory shows it: one look finds every instance, whether it lives, and a copy of its
 * counters. What cannot be read is an instance with a `problem`, so one bad file hides nothing else.
 */
#ifndef FILMYFLY_PIPELINE_H
#define FILMYFLY_PIPELINE_H

#include "stats.h"

#define INSTANCES_MAX 256
#define NAME_SIZE     40 /* of an instance's name, terminated */
#define STAGES        4

/* "gateway", "cacher", "renderer", "dbproxy", NULL */
extern const char *const stage_names[STAGES + 1];

enum standing {
    STANDING_SERVING,
    STANDING_STARTING,
    STANDING_LEAVING, /* finishes what it has */
    STANDING_DRAINED, /* lives, and takes no work */
    STANDING_HUNG,    /* lives, and its loop has made no progress for a while */
    STANDING_LEFT,    /* went as it was asked to */
    STANDING_DEAD,
    STANDING_UNKNOWN, /* its files may not be read */
};

struct instance {
    unsigned stage; /* index in stage_names */
    char name[NAME_SIZE];
    enum standing standing;
    long pid;            /* 0: not known */
    struct stats *stats; /* NULL: it has none, or they cannot be read */
    char problem[512];   /* one sentence on a file that cannot be used, or "" */
};

struct pipeline {
    uint64_t at; /* CLOCK_MONOTONIC, ns */
    size_t n;
    struct instance instance[INSTANCES_MAX]; /* by stage, then by name */
};

/* NULL with one sentence in error: the directory is not there or cannot be read. Instances that left are in it too. */
struct pipeline *pipeline_look(const char *run_dir, char *error, size_t error_size);
/* The same for who asks about one stage (its index; -1: all): a folder of another that may not be read is left out, so
 * that a stage's own user can look at it. */
struct pipeline *pipeline_look_at(const char *run_dir, int stage, char *error, size_t error_size);
void pipeline_free(struct pipeline **pipeline);

/* The same life of the same instance in another look, or NULL. */
const struct instance *pipeline_same(const struct pipeline *pipeline, const struct instance *instance);

const char *standing_name(enum standing standing); /* "serving" */
bool instance_lives(const struct instance *instance);

/* Whom a command is about: everybody, a stage, or an instance. */
struct target {
    int stage;            /* index in stage_names; -1: all */
    char name[NAME_SIZE]; /* "": all of the stage */
};

/* text: "renderer", "renderer/1", or NULL: everybody. False after a sentence on standard error. */
bool target_read(struct target *target, const char *text);
bool target_has(const struct target *target, unsigned stage, const char *name);

/* A file of an instance: RUN_DIR/STAGE/NAME and the suffix. False: too long. */
bool instance_path(const char *run_dir, const struct instance *instance, const char *suffix, char *path, size_t size);

#endif
