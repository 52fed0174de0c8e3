#include "migration_files.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_sql(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && strcmp(dot, ".sql") == 0;
}

/* Not alphasort, which asks the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool fingerprint(const char *text, size_t n, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_n = 0;
    if (!EVP_Digest(text, n, digest, &digest_n, EVP_sha256(), NULL) || digest_n != 32)
        return false;
    for (unsigned i = 0; i < digest_n; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return true;
}

static bool read_one(const char *directory, const char *name, struct migration_file *file, char *error,
                     size_t error_size)
{
    char path[4096];
    bool good = false;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *in = fopen(path, "re");
    file->name = strdup(name);
    file->text = malloc(MIGRATION_BYTES + 1);
    size_t n = in && file->text ? fread(file->text, 1, MIGRATION_BYTES + 1, in) : 0;
    if (!in || !file->name || !file->text || ferror(in)) {
        snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
    } else if (n > MIGRATION_BYTES || memchr(file->text, '\0', n)) {
        snprintf(error, error_size, "%s: longer than %d bytes, or holds a NUL byte", path, MIGRATION_BYTES);
    } else {
        file->text[n] = '\0';
        good = fingerprint(file->text, n, file->sha256);
        if (!good)
            snprintf(error, error_size, "%s: its SHA-256 cannot be computed", path);
    }
    if (in)
        fclose(in);
    return good;
}

static bool read_all(const char *directory, struct dirent **entries, int n, struct migration_files *files, char *error,
                     size_t error_size)
{
    files->item = calloc((size_t)n + 1, sizeof(*files->item));
    if (!files->item) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (int i = 0; i < n; i++)
        if (!read_one(directory, entries[i]->d_name, &files->item[files->n++], error, error_size))
            return false;
    return true;
}

bool migration_files_read(const char *directory, struct migration_files *files, char *error, size_t error_size)
{
    struct dirent **entries;
    *files = (struct migration_files){.n = 0};
    int n = scandir(directory, &entries, is_sql, by_bytes);
    if (n < 0) {
        snprintf(error, error_size, "%s: the migrations cannot be read: %s (FILMYFLY_SHARE_DIR says where they are)",
                 directory, strerror(errno));
        return false;
    }
    bool good = read_all(directory, entries, n, files, error, error_size);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    if (!good)
        migration_files_release(files);
    return good;
}

void migration_files_release(struct migration_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        free(files->item[i].name);
        free(files->item[i].text);
    }
    free(files->item);
    *files = (struct migration_files){.n = 0};
}

const struct migration_file *migration_files_find(const struct migration_files *files, const char *name)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->item[i].name, name) == 0)
            return &files->item[i];
    return NULL;
}
