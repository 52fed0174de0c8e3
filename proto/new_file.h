/* A file that has its name only when it is whole, so that nobody reads half of it: until then it has another in the
 * same folder. */
#ifndef FILMYFLY_NEW_FILE_H
#define FILMYFLY_NEW_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct new_file {
    int fd; /* the caller's to close, before new_file_end or after it */
    char path[PATH_MAX], temporary[PATH_MAX];
};

/* Makes it, empty, for reading and writing. False with errno, and then nothing is to be ended. */
bool new_file_begin(struct new_file *file, const char *path, mode_t mode);

/* Gives it its name, in place of what has it now. Where it is not whole, or that fails, nothing remains, and the result
 * is false; errno is that of the failure. */
bool new_file_end(struct new_file *file, bool whole);

#endif
