/*
 * A slot has one writer at a time: who comes second, 512 lines later and still before the first has finished, leaves
 * its line out. A slot that a dead writer left unfinished is freed when the file is opened again. During a planned
 * restart the old life and the new one write to the same ring, which is no other case than two threads.
 */
#include "log_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "new_file.h"

#define EARLY_SLOTS 16 /* lines before the instance has its name */
#define NUMBER_MAX  (1ull << 48)
#define FILE_SIZE   (sizeof(struct log_ring_head) + LOG_RING_SLOTS * sizeof(struct log_slot))

_Static_assert(sizeof(struct log_slot) == 512, "the file's format");
_Static_assert(sizeof(struct log_ring_head) == 512, "the file's format");

/* Writing. */

struct lines {
    _Atomic uint64_t *next;
    struct log_slot *slot;
    uint64_t slots;
};

static _Atomic uint64_t early_next;
static struct log_slot early_slot[EARLY_SLOTS];
static struct lines early = {&early_next, early_slot, EARLY_SLOTS};
static struct lines kept;
static struct lines *_Atomic lines = &early;

static void write_line(struct lines *to, uint64_t time, uint32_t pid, enum log_level level, const char *text, size_t n)
{
    uint64_t number = atomic_fetch_add_explicit(to->next, 1, memory_order_relaxed);
    struct log_slot *slot = &to->slot[number % to->slots];
    uint64_t before = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    if (before % 2 || before > 2 * number ||
        !atomic_compare_exchange_strong_explicit(&slot->sequence, &before, 2 * number + 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return;
    }
    /* What follows must not be seen before the odd number. */
    atomic_thread_fence(memory_order_release);
    slot->time = time;
    slot->pid = pid;
    slot->level = (uint16_t)level;
    slot->n = (uint16_t)(n < LOG_RING_TEXT ? n : LOG_RING_TEXT);
    memcpy(slot->text, text, slot->n);
    if (n > LOG_RING_TEXT) {
        memcpy(slot->text + LOG_RING_TEXT - 3, "...", 3);
    }
    atomic_store_explicit(&slot->sequence, 2 * number + 2, memory_order_release);
}

void log_ring_write(uint64_t time, enum log_level level, const char *text, size_t n)
{
    write_line(atomic_load_explicit(&lines, memory_order_acquire), time, (uint32_t)getpid(), level, text, n);
}

static bool is_ring(const struct log_ring_head *head)
{
    return head->magic == LOG_RING_MAGIC && head->format == LOG_RING_FORMAT && head->slots == LOG_RING_SLOTS &&
           head->slot_size == sizeof(struct log_slot);
}

/* The descriptor of the file that an earlier life left, or -1. */
static int open_left(const char *path)
{
    struct log_ring_head head;
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)FILE_SIZE ||
        pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || !is_ring(&head) || head.next > NUMBER_MAX) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The file gets its name when it is whole, and its place on the disk is reserved: a write into a hole on a full disk is
 * a SIGBUS. */
static int open_new(const char *path)
{
    const struct log_ring_head head = {.magic = LOG_RING_MAGIC,
                                       .format = LOG_RING_FORMAT,
                                       .slots = LOG_RING_SLOTS,
                                       .slot_size = sizeof(struct log_slot)};
    struct new_file file;

    if (!new_file_begin(&file, path, 0640)) {
        return -1;
    }
    errno = posix_fallocate(file.fd, 0, (off_t)FILE_SIZE);
    bool whole = errno == 0 && pwrite(file.fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head);
    if (!new_file_end(&file, whole)) {
        int why = errno ? errno : ENOSPC;
        close(file.fd);
        errno = why;
        return -1;
    }
    return file.fd;
}

/* What a writer of an earlier life left half done, or nobody can have written yet. */
static void free_unfinished(struct lines *of)
{
    for (uint64_t i = 0; i < of->slots; i++) {
        uint64_t sequence = atomic_load(&of->slot[i].sequence);
        if (sequence % 2 || sequence > 2 * atomic_load(of->next)) {
            atomic_compare_exchange_strong(&of->slot[i].sequence, &sequence, 0);
        }
    }
}

/* The early lines, in their order. */
static void write_early(struct lines *to)
{
    uint64_t end = atomic_load(&early_next);

    for (uint64_t number = end > EARLY_SLOTS ? end - EARLY_SLOTS : 0; number < end; number++) {
        struct log_slot *slot = &early_slot[number % EARLY_SLOTS];
        if (atomic_load_explicit(&slot->sequence, memory_order_acquire) == 2 * number + 2) {
            write_line(to, slot->time, slot->pid, (enum log_level)slot->level, slot->text, slot->n);
        }
    }
}

bool log_ring_keep(const char *path)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int fd = open_left(path);
    struct log_ring_head *head;
    int saved;

    if (fd < 0) {
        fd = open_new(path);
    }
    if (fd < 0) {
        return false;
    }
    head = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    saved = errno;
    close(fd);
    if (head == MAP_FAILED) {
        errno = saved;
        return false;
    }
    pthread_mutex_lock(&mutex);
    if (!kept.slot) {
        kept = (struct lines){&head->next, (struct log_slot *)(void *)(head + 1), LOG_RING_SLOTS};
        free_unfinished(&kept);
        write_early(&kept);
        atomic_store_explicit(&lines, &kept, memory_order_release);
        head = NULL;
    }
    pthread_mutex_unlock(&mutex);
    if (head) { /* a process has one ring */
        munmap(head, FILE_SIZE);
    }
    return true;
}

/* Reading. With pread, not a map: a file that somebody cuts short would end whoever has it mapped. */

#define NAPS   50 /* waits for lines that are not there, when many are not there */
#define NAP_NS 1000000

struct log_ring {
    int fd;
    dev_t device;
    ino_t inode;
    uint64_t next, lost;
    unsigned naps; /* left, for lines that are being written */
};

static uint64_t read_next(const struct log_ring *ring)
{
    uint64_t next = 0;
    return pread(ring->fd, &next, sizeof(next), offsetof(struct log_ring_head, next)) == sizeof(next) ? next : 0;
}

struct log_ring *log_ring_open(const char *path)
{
    struct log_ring_head head;
    struct stat st;
    struct log_ring *ring = calloc(1, sizeof(*ring));

    if (!ring) {
        return NULL;
    }
    ring->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (ring->fd < 0 || fstat(ring->fd, &st) != 0) {
        goto failed;
    }
    if (!S_ISREG(st.st_mode) || pread(ring->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || !is_ring(&head)) {
        errno = EBADMSG;
        goto failed;
    }
    ring->device = st.st_dev;
    ring->inode = st.st_ino;
    ring->next = head.next > LOG_RING_SLOTS ? head.next - LOG_RING_SLOTS : 0;
    ring->naps = NAPS;
    return ring;

failed:
    log_ring_close(&ring);
    return NULL;
}

void log_ring_close(struct log_ring **slot)
{
    int saved = errno;

    if (!*slot) {
        return;
    }
    if ((*slot)->fd >= 0) {
        close((*slot)->fd);
    }
    free(*slot);
    *slot = NULL;
    errno = saved;
}

enum found { LINE, NOT_YET, GONE };

/* Line `number` of the ring, if its slot has it. */
static enum found read_line(const struct log_ring *ring, uint64_t number, struct log_ring_line *line)
{
    struct log_slot slot;
    uint64_t before = 0, after = 0;
    off_t at = (off_t)(sizeof(struct log_ring_head) + number % LOG_RING_SLOTS * sizeof(slot));

    if (pread(ring->fd, &before, sizeof(before), at) != (ssize_t)sizeof(before)) {
        return GONE;
    }
    if (before < 2 * number + 2) {
        return NOT_YET;
    }
    if (before > 2 * number + 2 || pread(ring->fd, &slot, sizeof(slot), at) != (ssize_t)sizeof(slot) ||
        pread(ring->fd, &after, sizeof(after), at) != (ssize_t)sizeof(after) || after != before) {
        return GONE;
    }
    line->number = number;
    line->time = slot.time;
    line->pid = slot.pid;
    line->level = slot.level <= LOG_LEVEL_DEBUG ? (enum log_level)slot.level : LOG_LEVEL_ERROR;
    line->n = slot.n <= LOG_RING_TEXT ? slot.n : LOG_RING_TEXT;
    memcpy(line->text, slot.text, line->n);
    line->text[line->n] = '\0';
    return LINE;
}

/* A line that is being written is there in a moment, unless its writer died or left it out. */
static enum found wait_for_line(struct log_ring *ring, struct log_ring_line *line)
{
    enum found found = read_line(ring, ring->next, line);

    for (; found == NOT_YET && ring->naps > 0; ring->naps--) {
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        found = read_line(ring, ring->next, line);
    }
    return found;
}

bool log_ring_next(struct log_ring *ring, struct log_ring_line *line)
{
    uint64_t end = read_next(ring);

    if (end - ring->next > LOG_RING_SLOTS) {
        ring->lost += end - LOG_RING_SLOTS - ring->next;
        ring->next = end - LOG_RING_SLOTS;
    }
    while (ring->next < end) {
        bool last = ring->next + 1 == end; /* of which one cannot tell that it will not come */
        enum found found = last ? read_line(ring, ring->next, line) : wait_for_line(ring, line);
        if (last && found == NOT_YET) {
            return false;
        }
        ring->next++;
        if (found == LINE) {
            ring->naps += ring->naps < NAPS;
            return true;
        }
    }
    return false;
}

uint64_t log_ring_lost(struct log_ring *ring)
{
    uint64_t lost = ring->lost;
    ring->lost = 0;
    return lost;
}

bool log_ring_replaced(const struct log_ring *ring, const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || st.st_ino != ring->inode || st.st_dev != ring->device;
}
