/*
 * The counters live at one address for the life of the process, so that a counter found before the file exists is the
 * same one afterwards: the memory starts anonymous, and counters_open maps the file over it.
 */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REGION_SIZE (sizeof(struct counters_head) + COUNTERS_MAX * sizeof(struct counter))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct counters_head *region;

/* With the mutex held. */
static void region_make(void)
{
    if (region) {
        return;
    }
    region = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        abort();
    }
    region->magic = COUNTERS_MAGIC;
    region->format = COUNTERS_FORMAT;
    region->pid = (uint64_t)getpid();
    region->started = (uint64_t)time(NULL);
    snprintf(region->release, sizeof(region->release), "%s", FILMYFLY_RELEASE);
}

/* The file is filled before it gets its name and is reserved on disk, since a write into a hole on a full disk is a
 * SIGBUS. */
static bool region_move(const char *temporary, const char *path)
{
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool done = false;
    int saved;

    if (fd < 0) {
        return false;
    }
    errno = posix_fallocate(fd, 0, (off_t)REGION_SIZE);
    if (errno == 0) {
        ssize_t written = pwrite(fd, region, REGION_SIZE, 0);
        if (written >= 0 && written < (ssize_t)REGION_SIZE) {
            errno = ENOSPC;
        }
        done = written == (ssize_t)REGION_SIZE && rename(temporary, path) == 0 &&
               mmap(region, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
    }
    saved = errno;
    close(fd);
    if (!done) {
        unlink(temporary);
    }
    errno = saved;
    return done;
}

bool counters_open(const char *path, const char *stage, const char *instance)
{
    char temporary[4096];
    bool done;

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid()) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    pthread_mutex_lock(&mutex);
    region_make();
    snprintf(region->stage, sizeof(region->stage), "%s", stage);
    snprintf(region->instance, sizeof(region->instance), "%s", instance);
    unlink(temporary); /* of an earlier process with our number */
    done = region_move(temporary, path);
    pthread_mutex_unlock(&mutex);
    return done;
}

/* With the mutex held. */
static struct counter *counter_find(const char *name)
{
    for (uint32_t i = 0; i < region->n; i++) {
        if (strncmp(region->counter[i].name, name, sizeof(region->counter[i].name) - 1) == 0) {
            return &region->counter[i];
        }
    }
    return NULL;
}

struct counter *counter_of(const char *side, const char *name, enum counter_kind kind)
{
    char text[sizeof(((struct counter *)0)->name)];

    snprintf(text, sizeof(text), "%s.%s", side, name);
    return counter(text, kind);
}

struct counter *counter(const char *name, enum counter_kind kind)
{
    struct counter *found;

    pthread_mutex_lock(&mutex);
    region_make();
    found = counter_find(name);
    if (!found && region->n >= COUNTERS_MAX - 1) {
        name = "overflow";
        found = counter_find(name);
    }
    if (!found) {
        found = &region->counter[region->n];
        snprintf(found->name, sizeof(found->name), "%s", name);
        found->kind = kind;
        /* A reader in another process sees the new number only with the name in place. */
        __atomic_store_n(&region->n, region->n + 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&mutex);
    return found;
}
