/* The latest log lines of all instances that live, in order of their time. */
#ifndef FILMYFLY_TOP_LOG_H
#define FILMYFLY_TOP_LOG_H

#include <stddef.h>

#include "log_ring.h"
#include "pipeline.h"

#define TAIL_LINES 256

struct tail_line {
    unsigned stage;
    char name[NAME_SIZE];
    struct log_ring_line line;
};

struct tail;

/* Aborts when memory is out. */
struct tail *tail_new(const char *run_dir);
void tail_free(struct tail **tail);

/* Reads what is new. */
void tail_read(struct tail *tail, const struct pipeline *pipeline);

/* The line before the newest by `back` lines, of that stage or of all (-1); NULL: there is none. */
const struct tail_line *tail_line(const struct tail *tail, int stage, size_t back);

#endif
