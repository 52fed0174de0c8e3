/* The machine that the pipeline runs on. */
#ifndef FILMYFLY_MACHINE_H
#define FILMYFLY_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define DISKS 2

struct disk {
    char path[1024];           /* what lies there: the store, the run directory */
    uint64_t total, available; /* bytes */
};

struct machine {
    double load[3]; /* 1, 5, 15 minutes */
    unsigned processors;
    uint64_t memory, memory_available, swap, swap_free; /* bytes */
    unsigned n_disks;
    struct disk disk[DISKS];
};

/* paths: up to DISKS; those that are NULL, cannot be reached or lie on the first one's disk are left out. */
void machine_look(struct machine *machine, const char *const paths[DISKS]);

#endif
