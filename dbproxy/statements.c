#include "statements.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "statement_file.h"

/* The file's text, NUL-terminated; the caller frees it. NULL with a sentence. */
static char *read_text(const char *directory, const char *name, char *error, size_t error_size)
{
    char path[4096];
    const char *wrong = NULL;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    char *text = calloc(1, STATEMENT_BYTES + 2);
    size_t n = file && text ? fread(text, 1, STATEMENT_BYTES + 1, file) : 0;
    if (!file || !text || ferror(file))
        wrong = strerror(errno);
    else if (n > STATEMENT_BYTES)
        wrong = "it is longer than 65536 bytes";
    else if (memchr(text, '\0', n))
        wrong = "it holds a NUL byte";
    if (file)
        fclose(file);
    if (wrong) {
        snprintf(error, error_size, "%s cannot be read: %s", path, wrong);
        free(text);
        return NULL;
    }
    return text;
}

static int is_sql(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && strcmp(dot, ".sql") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct statement *)a)->name, ((const struct statement *)b)->name);
}

/* Sorts, numbers, and refuses a name that is there twice. */
static bool put_in_order(struct catalogue *catalogue, char *error, size_t error_size)
{
    qsort(catalogue->item, catalogue->n, sizeof(*catalogue->item), by_name);
    for (uint32_t i = 0; i < catalogue->n; i++) {
        struct statement *s = &catalogue->item[i];
        s->number = i;
        if (i > 0 && strcmp(s->name, s[-1].name) == 0) {
            snprintf(error, error_size, "%s:1: the name \"%s\" is also that of %s", s->file, s->name, s[-1].file);
            return false;
        }
    }
    return true;
}

static bool load_files(struct catalogue *catalogue, const char *directory, struct dirent **entries, int n, char *error,
                       size_t error_size)
{
    if (n == 0 || n > STATEMENTS_MAX) {
        snprintf(error, error_size, "%s holds %d statements (*.sql); expected 1 to %d", directory, n, STATEMENTS_MAX);
        return false;
    }
    catalogue->item = calloc((size_t)n, sizeof(*catalogue->item));
    if (!catalogue->item) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (int i = 0; i < n; i++) {
        struct statement *s = &catalogue->item[catalogue->n++];
        s->file = strdup(entries[i]->d_name);
        if (!s->file) {
            snprintf(error, error_size, "out of memory");
            return false;
        }
        char *text = read_text(directory, entries[i]->d_name, error, error_size);
        if (!text || !statement_parse(s, s->file, text, error, error_size))
            return false;
    }
    return put_in_order(catalogue, error, error_size);
}

struct catalogue *catalogue_load(const char *directory, char *error, size_t error_size)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_sql, alphasort);
    if (n < 0) {
        snprintf(error, error_size, "%s: the statements cannot be read: %s (FILMYFLY_SHARE_DIR says where they are)",
                 directory, strerror(errno));
        return NULL;
    }
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    if (!catalogue)
        snprintf(error, error_size, "out of memory");
    else if (!load_files(catalogue, directory, entries, n, error, error_size))
        catalogue_free(&catalogue);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return catalogue;
}

void catalogue_free(struct catalogue **slot)
{
    struct catalogue *catalogue = *slot;
    if (!catalogue)
        return;
    for (uint32_t i = 0; i < catalogue->n; i++) {
        free((char *)catalogue->item[i].file);
        free(catalogue->item[i].text);
    }
    free(catalogue->item);
    free(catalogue);
    *slot = NULL;
}

const struct statement *catalogue_find(const struct catalogue *catalogue, struct str name)
{
    uint32_t low = 0, high = name.p ? catalogue->n : 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct statement *s = &catalogue->item[middle];
        struct str its = {s->name, (uint32_t)strlen(s->name)};
        uint32_t n = its.n < name.n ? its.n : name.n;
        int order = memcmp(name.p, its.p, n);
        if (order == 0)
            order = (name.n > its.n) - (name.n < its.n);
        if (order == 0)
            return s;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
