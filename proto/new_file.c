#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool new_file_begin(struct new_file *file, const char *path, mode_t mode)
{
    if ((size_t)snprintf(file->path, sizeof(file->path), "%s", path) >= sizeof(file->path) ||
        (size_t)snprintf(file->temporary, sizeof(file->temporary), "%s.%ld", path, (long)getpid()) >=
            sizeof(file->temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(file->temporary); /* of an earlier process with our number */
    file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    return file->fd >= 0;
}

bool new_file_end(struct new_file *file, bool whole)
{
    if (whole && rename(file->temporary, file->path) == 0) {
        return true;
    }
    int why = errno;
    unlink(file->temporary);
    errno = why;
    return false;
}
