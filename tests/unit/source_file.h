/* Files of the source tree that a test reads: PROTOCOL.md, captured frames. Included after cmocka.h. */
#ifndef FILMYFLY_SOURCE_FILE_H
#define FILMYFLY_SOURCE_FILE_H

#include <stdio.h>
#include <stdlib.h>

/* Reads a file of the source tree; the caller frees it. It is terminated. */
static inline char *file_of(const char *name, size_t *n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *n = fread(bytes, 1, (1 << 20) - 1, file);
    bytes[*n] = '\0';
    fclose(file);
    return bytes;
}

#endif
