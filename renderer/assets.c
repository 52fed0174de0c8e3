#include "assets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 64

struct assets {
    struct arena *arena;
    struct value map;
};

/* "site.css" as a name in a view: "site_css". */
static struct str key_of(struct arena *arena, const char *file)
{
    struct str key = arena_printf(arena, "%s", file);
    for (uint32_t i = 0; i < key.n; i++)
        if (key.p[i] == '.' || key.p[i] == '-' || key.p[i] == '/')
            ((char *)key.p)[i] = '_';
    return key;
}

static bool read_lines(struct assets *assets, FILE *file, const char *path, char *error, size_t error_size)
{
    char line[600], name[256], fingerprinted[256], more;
    for (unsigned number = 1; fgets(line, sizeof line, file); number++) {
        if (sscanf(line, "%255s %255s %c", name, fingerprinted, &more) != 2 || assets->map.n == FILES_MAX) {
            snprintf(error, error_size, "%s:%u: expected a file's name and its name with a fingerprint", path, number);
            return false;
        }
        value_set(&assets->map, key_of(assets->arena, name),
                  value_str(arena_printf(assets->arena, "/static/%s", fingerprinted)));
    }
    return true;
}

struct assets *assets_load(const char *path, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error, error_size, "the list of static files %s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    struct assets *assets = calloc(1, sizeof *assets);
    if (!assets)
        abort();
    assets->arena = arena_new(64 * 1024);
    assets->map = value_map(assets->arena, FILES_MAX);
    bool read = read_lines(assets, file, path, error, error_size);
    fclose(file);
    if (!read)
        assets_free(&assets);
    return assets;
}

void assets_free(struct assets **assets)
{
    if (!*assets)
        return;
    arena_free(&(*assets)->arena);
    free(*assets);
    *assets = NULL;
}

struct value assets_map(const struct assets *assets)
{
    return assets->map;
}
