#include "release.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "log.h"
#include "stage.h"

#define STATE    "release"
#define TEXT_MAX (1 << 20) /* bytes of a file that count */

/* Adds a file's name and text; the hash so far is the seed of the next. */
static void add_file(struct hash *hash, const char *directory, const char *name, char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    size_t n = fread(text, 1, TEXT_MAX, file);
    fclose(file);
    *hash = hash_bytes(hash, name, strlen(name));
    *hash = hash_bytes(hash, text, n);
}

static int is_view(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static struct hash release_of(const char *views, const char *files, char *text)
{
    struct hash hash = {0};
    struct dirent **entries;
    int n = scandir(views, &entries, is_view, alphasort);
    for (int i = 0; i < n; i++) {
        add_file(&hash, views, entries[i]->d_name, text);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    add_file(&hash, files, "manifest.txt", text);
    return hash;
}

void release_compare(struct cache *cache, const struct settings *settings)
{
    char *views = stage_share_path(settings, "views"), *files = stage_share_path(settings, "static");
    char *text = malloc(TEXT_MAX);
    if (text) {
        struct hash found = release_of(views, files, text);
        struct str known = cache_recall(cache, STATE);
        if (known.n != sizeof(found) || memcmp(known.p, &found, sizeof(found)) != 0) {
            if (!cache_is_empty(cache)) {
                log_info("the views or static files are others than before: every stored page is stale");
                cache_everything_changed(cache, false);
            }
            cache_remember(cache, STATE, (struct str){(const char *)&found, sizeof(found)});
        }
    }
    free(text);
    free(files);
    free(views);
}
