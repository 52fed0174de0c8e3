#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "new_file.h"

bool config_file_write(const char *path, const struct settings *settings, unsigned stages)
{
    struct new_file file;

    if (!new_file_begin(&file, path, 0640)) {
        return false;
    }
    FILE *out = fdopen(file.fd, "w");
    if (!out) {
        int why = errno;
        close(file.fd);
        errno = why;
        return new_file_end(&file, false);
    }
    settings_print(out, settings, stages);
    bool whole = !ferror(out);
    whole = fclose(out) == 0 && whole;
    return new_file_end(&file, whole);
}
