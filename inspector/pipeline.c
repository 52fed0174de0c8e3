#include "pipeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "registry.h"
#include "vitals.h"

#define HUNG_AFTER (4 * SECOND) /* vitals are written once a second */

const char *const stage_names[STAGES + 1] = {"gateway", "cacher", "renderer", "dbproxy", NULL};

/* A stage's folder while it is looked at. */
struct folder {
    const char *run_dir;
    unsigned stage;
    int fd;
};

static bool is_name(const char *text, size_t n)
{
    return n > 0 && n < NAME_SIZE && strspn(text, INSTANCE_CHARACTERS) >= n;
}

/* "1.stats", "1.lock" and "1.sock" are the instance "1". */
static size_t name_length(const char *file)
{
    const char *dot = strrchr(file, '.');
    size_t n = dot ? (size_t)(dot - file) : 0;

    if (!dot || !is_name(file, n)) {
        return 0;
    }
    return strcmp(dot, ".stats") == 0 || strcmp(dot, ".lock") == 0 || strcmp(dot, ".sock") == 0 ? n : 0;
}

static struct instance *add(struct pipeline *pipeline, unsigned stage, const char *name, size_t n)
{
    for (size_t i = 0; i < pipeline->n; i++) {
        struct instance *known = &pipeline->instance[i];
        if (known->stage == stage && strlen(known->name) == n && memcmp(known->name, name, n) == 0) {
            return NULL;
        }
    }
    if (pipeline->n == INSTANCES_MAX) {
        return NULL;
    }
    struct instance *instance = &pipeline->instance[pipeline->n++];
    *instance = (struct instance){.stage = stage};
    memcpy(instance->name, name, n);
    return instance;
}

/* Locks. */

enum lock { LOCK_NONE, LOCK_HELD, LOCK_FREE, LOCK_UNREADABLE };

/* An instance holds its lock as long as it is in the registry. The process id in it is only read while it is held. */
static enum lock look_at_lock(const struct folder *folder, const char *name, long *pid)
{
    char file[NAME_SIZE + 8], text[32];
    int fd;

    snprintf(file, sizeof(file), "%s.lock", name);
    fd = openat(folder->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? LOCK_NONE : LOCK_UNREADABLE;
    }
    enum lock lock = LOCK_FREE;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0) {
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        *pid = strtol(text, NULL, 10);
        lock = LOCK_HELD;
    }
    close(fd);
    return lock;
}

static bool has_socket(const struct folder *folder, const char *name)
{
    char file[NAME_SIZE + 8];
    struct stat st;

    snprintf(file, sizeof(file), "%s.sock", name);
    return fstatat(folder->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

/* Standing. */

/* One that leaves has given its lock back, but its loop still says that it lives. */
static enum standing standing_of_free(const struct stats *stats, uint64_t age)
{
    uint64_t state = stats ? stats_value(stats, "process.state") : VITALS_SERVING;

    if (state == VITALS_LEAVING) {
        return age < HUNG_AFTER ? STANDING_LEAVING : STANDING_LEFT;
    }
    return STANDING_DEAD;
}

static enum standing standing_of(const struct folder *folder, const struct instance *instance, enum lock lock)
{
    const struct stats *stats = instance->stats;
    bool vital = stats && stats_has(stats, "process.state") && stats_value(stats, "process.alive") > 0;
    uint64_t alive = vital ? stats_value(stats, "process.alive") : 0, now = clock_now();
    uint64_t age = !vital ? 0 : now > alive ? now - alive : 0;

    if (lock == LOCK_UNREADABLE) {
        return STANDING_UNKNOWN;
    }
    if (lock != LOCK_HELD) {
        return standing_of_free(stats, vital ? age : UINT64_MAX);
    }
    if (!vital) { /* of a stage that keeps no counters of ours, or has only just begun */
        return has_socket(folder, instance->name) ? STANDING_SERVING : STANDING_STARTING;
    }
    if (stats_value(stats, "process.state") == VITALS_STARTING) {
        return STANDING_STARTING; /* it may wait for the database, and has no loop yet */
    }
    if (age > HUNG_AFTER) {
        return STANDING_HUNG;
    }
    switch (stats_value(stats, "process.state")) {
    case VITALS_LEAVING:
        return STANDING_LEAVING;
    case VITALS_DRAINED:
        return STANDING_DRAINED;
    default:
        return STANDING_SERVING;
    }
}

static void examine(const struct folder *folder, struct instance *instance)
{
    char file[NAME_SIZE + 8], path[600];
    enum lock lock = look_at_lock(folder, instance->name, &instance->pid);

    snprintf(file, sizeof(file), "%s.stats", instance->name);
    snprintf(path, sizeof(path), "%.500s/%s/%s", folder->run_dir, stage_names[folder->stage], file);
    instance->stats = stats_read(folder->fd, file, path, instance->problem, sizeof(instance->problem));
    if (!instance->stats && errno == ENOENT) {
        instance->problem[0] = '\0'; /* a stage of other making */
    }
    if (lock == LOCK_UNREADABLE) {
        snprintf(instance->problem, sizeof(instance->problem),
                 "%.400s/%s/%.*s.lock may not be read; be root, or in the group of that folder", folder->run_dir,
                 stage_names[folder->stage], NAME_SIZE - 1, instance->name);
    }
    instance->standing = standing_of(folder, instance, lock);
    if (instance->stats) {
        instance->pid = (long)stats_pid(instance->stats);
    }
}

/* By number where names are numbers. */
static int compare(const void *a, const void *b)
{
    const struct instance *one = a, *other = b;

    return one->stage != other->stage ? (int)one->stage - (int)other->stage : strverscmp(one->name, other->name);
}

/* False: the folder is there and cannot be read. */
static bool look_at_folder(struct pipeline *pipeline, const char *run_dir, unsigned stage, char *error,
                           size_t error_size)
{
    char path[4096];
    struct dirent *entry;
    DIR *dir;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", run_dir, stage_names[stage]) >= sizeof(path)) {
        snprintf(error, error_size, "%s is too long", run_dir);
        return false;
    }
    dir = opendir(path);
    if (!dir && errno == ENOENT) {
        return true;
    }
    if (!dir) {
        snprintf(error, error_size, "%s cannot be read: %s%s", path, strerror(errno),
                 errno == EACCES ? "; be root, or in the group of that folder" : "");
        return false;
    }
    struct folder folder = {run_dir, stage, dirfd(dir)};
    while ((entry = readdir(dir))) {
        size_t n = name_length(entry->d_name);
        struct instance *instance = n > 0 ? add(pipeline, stage, entry->d_name, n) : NULL;
        if (instance) {
            examine(&folder, instance);
        }
    }
    closedir(dir);
    return true;
}

struct pipeline *pipeline_look(const char *run_dir, char *error, size_t error_size)
{
    return pipeline_look_at(run_dir, -1, error, error_size);
}

struct pipeline *pipeline_look_at(const char *run_dir, int only, char *error, size_t error_size)
{
    struct stat st;
    struct pipeline *pipeline;

    if (stat(run_dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        snprintf(error, error_size,
                 "FilmyFly does not run in %s: %s; start it, or say with --run-dir or FILMYFLY_RUN_DIR where it runs",
                 run_dir, errno == EACCES ? strerror(errno) : "no such directory");
        return NULL;
    }
    pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    pipeline->at = clock_now();
    for (unsigned stage = 0; stage < STAGES; stage++) {
        if (!look_at_folder(pipeline, run_dir, stage, error, error_size) && (only < 0 || only == (int)stage)) {
            pipeline_free(&pipeline);
            return NULL;
        }
    }
    qsort(pipeline->instance, pipeline->n, sizeof(pipeline->instance[0]), compare);
    return pipeline;
}

void pipeline_free(struct pipeline **pipeline)
{
    for (size_t i = 0; *pipeline && i < (*pipeline)->n; i++) {
        stats_free(&(*pipeline)->instance[i].stats);
    }
    free(*pipeline);
    *pipeline = NULL;
}

const struct instance *pipeline_same(const struct pipeline *pipeline, const struct instance *instance)
{
    for (size_t i = 0; pipeline && instance->stats && i < pipeline->n; i++) {
        const struct instance *other = &pipeline->instance[i];
        if (other->stage == instance->stage && strcmp(other->name, instance->name) == 0) {
            bool same = other->stats && stats_pid(other->stats) == stats_pid(instance->stats) &&
                        stats_started(other->stats) == stats_started(instance->stats) &&
                        stats_value(other->stats, "process.lives") == stats_value(instance->stats, "process.lives");
            return same ? other : NULL;
        }
    }
    return NULL;
}

const char *standing_name(enum standing standing)
{
    static const char *const names[] = {
        [STANDING_SERVING] = "serving", [STANDING_STARTING] = "starting", [STANDING_LEAVING] = "leaving",
        [STANDING_DRAINED] = "drained", [STANDING_HUNG] = "hung",         [STANDING_LEFT] = "left",
        [STANDING_DEAD] = "dead",       [STANDING_UNKNOWN] = "unknown",
    };

    return names[standing];
}

bool instance_lives(const struct instance *instance)
{
    return instance->standing <= STANDING_HUNG;
}

/* Targets. */

bool target_read(struct target *target, const char *text)
{
    *target = (struct target){.stage = -1};
    if (!text) {
        return true;
    }
    size_t n = strcspn(text, "/");
    for (int stage = 0; stage < STAGES; stage++) {
        if (strlen(stage_names[stage]) == n && strncmp(stage_names[stage], text, n) == 0) {
            target->stage = stage;
        }
    }
    const char *name = text[n] ? text + n + 1 : "";
    if (target->stage < 0 || (text[n] && !is_name(name, strlen(name)))) {
        complain(0,
                 "\"%s\" is neither a stage (gateway, cacher, renderer, dbproxy) nor an instance, such as renderer/1",
                 text);
        return false;
    }
    snprintf(target->name, sizeof(target->name), "%s", name);
    return true;
}

bool target_has(const struct target *target, unsigned stage, const char *name)
{
    return (target->stage < 0 || target->stage == (int)stage) && (!*target->name || strcmp(target->name, name) == 0);
}

bool instance_path(const char *run_dir, const struct instance *instance, const char *suffix, char *path, size_t size)
{
    return (size_t)snprintf(path, size, "%s/%s/%s%s", run_dir, stage_names[instance->stage], instance->name, suffix) <
           size;
}
