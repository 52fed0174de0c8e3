#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool config_file_write(const char *path, const struct settings *settings, unsigned stages)
{
    char temporary[4096];

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid()) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(temporary); /* of an earlier process with our number */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        int why = errno;
        if (fd >= 0) {
            close(fd);
            unlink(temporary);
        }
        errno = why;
        return false;
    }
    settings_print(out, settings, stages);
    bool done = !ferror(out);
    done = fclose(out) == 0 && done;
    if (!done || rename(temporary, path) < 0) {
        int why = errno;
        unlink(temporary);
        errno = why;
        return false;
    }
    return true;
}
