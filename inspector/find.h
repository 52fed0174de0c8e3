/* Finds the files of one kind in the run directory: those of instances that are there now, and of ones that were. */
#ifndef FILMYFLY_FIND_H
#define FILMYFLY_FIND_H

#include "pipeline.h"

#define FOUND_PATH 512

struct found {
    char name[2 * NAME_SIZE]; /* "renderer/1", "gateway/1.0" */
    char path[FOUND_PATH];
};

typedef void find_file(void *user, const struct found *found);

/*
 * Calls on_file for each file with that suffix (".log") of an instance that the target has; a suffix of several threads
 * stands behind the instance's name ("1.0.inspect"). Returns how many; 0 also when there is no run directory. The first
 * folder that cannot be read is said on standard error.
 */
int find_files(const char *run_dir, const struct target *target, const char *suffix, find_file *on_file, void *user);

/* Whether that was said. */
bool find_was_refused(void);

#endif
