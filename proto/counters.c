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

#include "new_file.h"

#define LIVES       "process.lives"
#define PEERS_AT    (sizeof(struct counters_head) + COUNTERS_MAX * sizeof(struct counter))
#define REGION_SIZE (PEERS_AT + PEER_ROWS * sizeof(struct peer_row))

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
static bool region_move(const char *path)
{
    struct new_file file;

    if (!new_file_begin(&file, path, 0640)) {
        return false;
    }
    errno = posix_fallocate(file.fd, 0, (off_t)REGION_SIZE);
    bool whole = errno == 0 && pwrite(file.fd, region, REGION_SIZE, 0) == (ssize_t)REGION_SIZE;
    bool done = new_file_end(&file, whole) &&
                mmap(region, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.fd, 0) != MAP_FAILED;
    int why = errno ? errno : ENOSPC; /* a short write says nothing */
    close(file.fd);
    errno = why;
    return done;
}

/* How many lives the file says that the name has had; 0 when there is none, or it is none of ours. */
static uint64_t lives_before(const char *path)
{
    struct counters_head head;
    struct counter c;
    uint64_t lives = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return 0;
    }
    if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) && head.magic == COUNTERS_MAGIC &&
        head.format == COUNTERS_FORMAT) {
        for (uint32_t i = 0; i < head.n && i < COUNTERS_MAX; i++) {
            if (pread(fd, &c, sizeof(c), (off_t)(sizeof(head) + i * sizeof(c))) != (ssize_t)sizeof(c)) {
                break;
            }
            if (strncmp(c.name, LIVES, sizeof(c.name)) == 0) {
                lives = c.value;
                break;
            }
        }
    }
    close(fd);
    return lives;
}

bool counters_open(const char *path, const char *stage, const char *instance)
{
    struct counter *lives = counter(LIVES, COUNTER_GAUGE);
    bool done;

    gauge(lives, lives_before(path) + 1);
    pthread_mutex_lock(&mutex);
    snprintf(region->stage, sizeof(region->stage), "%s", stage);
    snprintf(region->instance, sizeof(region->instance), "%s", instance);
    done = region_move(path);
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

struct peer_row *peer_row_take(void)
{
    struct peer_row *rows, *found = NULL;

    pthread_mutex_lock(&mutex);
    region_make();
    rows = (struct peer_row *)(void *)((char *)region + PEERS_AT);
    for (unsigned i = 0; i < PEER_ROWS && !found; i++) {
        if (atomic_load(&rows[i].standing) == PEER_UNUSED) {
            found = &rows[i];
            atomic_store(&found->standing, PEER_CONNECTING);
        }
    }
    pthread_mutex_unlock(&mutex);
    return found;
}
