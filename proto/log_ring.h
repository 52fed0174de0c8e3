/*
 * The last lines that an instance logged, in a mapped file in the run directory: <instance>.log. Written without locks
 * by all threads of the instance, read by anyone with permission, kept when the instance dies and gone on with by its
 * next life.
 *
 *     struct log_ring_head, then LOG_RING_SLOTS × struct log_slot
 *
 * Line number n (from 0) lies in slot n % LOG_RING_SLOTS until another takes its place. A reader copies a slot and
 * believes it when its sequence was the same, and even, before and after.
 */
#ifndef FILMYFLY_LOG_RING_H
#define FILMYFLY_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

#define LOG_RING_MAGIC  0x46696c6d794c6f67ull /* "FilmyLog" */
#define LOG_RING_FORMAT 1
#define LOG_RING_SLOTS  512
#define LOG_RING_TEXT   480 /* bytes of a line at most; a longer one is cut and ends in "..." */

struct log_slot {
    _Atomic uint64_t sequence; /* 2n + 1 while line n is written, 2n + 2 when it is there; 0: no line yet */
    uint64_t time;             /* CLOCK_REALTIME, ns */
    uint32_t pid;
    uint16_t level, n; /* enum log_level; bytes of text */
    char text[LOG_RING_TEXT];
    char unused[512 - LOG_RING_TEXT - 24];
};

struct log_ring_head {
    uint64_t magic;
    uint32_t format, slots, slot_size, reserved;
    _Atomic uint64_t next; /* number of the next line */
    char unused[512 - 32];
};

/* Writing: by log.c. */

/*
 * Before log_ring_keep lines are kept in plain memory, the last few of them. This writes them to the file, and later
 * ones too; what an earlier life wrote there stays before them. A file of another form is replaced. False with errno:
 * lines go on being kept in memory only.
 */
bool log_ring_keep(const char *path);
/* One line; time: CLOCK_REALTIME, ns. Never waits. */
void log_ring_write(uint64_t time, enum log_level level, const char *text, size_t n);

/* Reading: by the inspector. Nothing that is in the file can harm the reader. */

struct log_ring;

struct log_ring_line {
    uint64_t number, time; /* time: CLOCK_REALTIME, ns */
    uint32_t pid;
    enum log_level level;
    uint16_t n;
    char text[LOG_RING_TEXT + 1]; /* n bytes as they are in the file, and a NUL: print them with care */
};

/* Reads from the oldest line that is still there. NULL with errno; EBADMSG: the file is no ring of this format. */
struct log_ring *log_ring_open(const char *path);
void log_ring_close(struct log_ring **ring);
/* The next line, or false when there is none yet. Lines that were overwritten, or never finished by a writer that died,
 * are skipped; for the latter it waits some milliseconds. */
bool log_ring_next(struct log_ring *ring, struct log_ring_line *line);
/* Lines that were overwritten before they could be read, since the last call. */
uint64_t log_ring_lost(struct log_ring *ring);
/* Whether the name means another file now, or none: another life has begun a new one. */
bool log_ring_replaced(const struct log_ring *ring, const char *path);

#endif
