/* The migrations as they lie in the share directory: read whole, in order, each with the fingerprint under which it is
 * recorded. */
#ifndef FILMYFLY_MIGRATION_FILES_H
#define FILMYFLY_MIGRATION_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define MIGRATION_BYTES 1048576 /* of a file */

struct migration_file {
    char *name;      /* "0001_schema.sql" */
    char *text;      /* NUL-terminated */
    char sha256[65]; /* of the text, in hexadecimal */
};

struct migration_files {
    size_t n;
    struct migration_file *item; /* in the order of the names */
};

/* False with one sentence; *files is then empty. */
bool migration_files_read(const char *directory, struct migration_files *files, char *error, size_t error_size);
void migration_files_release(struct migration_files *files);
/* NULL when there is none of that name. */
const struct migration_file *migration_files_find(const struct migration_files *files, const char *name);

#endif
