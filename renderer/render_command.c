#include "render_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "views.h"

#define DATA_MAX  (16u * 1024 * 1024)
#define ARENA_MAX (512u * 1024 * 1024)
#define PAGE_MAX  (64u * 1024 * 1024)

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "the standard input" : path;
}

/* Appends all of a file; on false a sentence is in error. */
static bool read_all(const char *path, struct buffer *out, char *error, size_t error_size)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        snprintf(error, error_size, "%s cannot be read: %s", path, strerror(errno));
        return false;
    }
    char chunk[16384];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && !out->failed)
        buffer_append(out, chunk, n);
    int wrong = ferror(file) ? errno : 0;
    if (!standard)
        fclose(file);
    if (wrong)
        snprintf(error, error_size, "%s cannot be read: %s", name_of(path), strerror(wrong));
    else if (out->failed)
        snprintf(error, error_size, "%s is longer than %zu bytes", name_of(path), out->limit);
    return !wrong && !out->failed;
}

static bool read_data(const char *path, struct arena *arena, struct value *data, char *error, size_t error_size)
{
    *data = value_map(arena, 0);
    if (!path)
        return true;
    struct buffer text = {.limit = DATA_MAX};
    char why[256];
    bool ok = read_all(path, &text, error, error_size);
    if (ok && !value_from_json(arena, text.p ? text.p : "", text.n, data, why, sizeof why)) {
        snprintf(error, error_size, "%s is no JSON that can be used: %s", name_of(path), why);
        ok = false;
    }
    buffer_release(&text);
    return ok;
}

static struct mustache *read_view(const char *path, char *error, size_t error_size)
{
    struct buffer text = {.limit = MUSTACHE_SOURCE_MAX};
    struct mustache *view = NULL;
    if (read_all(path, &text, error, error_size))
        view = mustache_compile(str_of(path), buffer_str(&text), error, error_size);
    buffer_release(&text);
    return view;
}

/* The folder that a file is in; the caller frees it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A template that is wrong need not be one that this view names. */
static void say(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s\n", message);
}

int render_command(const char *view_path, const char *data_path, const char *partials_dir)
{
    char error[1024] = "";
    char *dir = partials_dir ? strdup(partials_dir) : folder_of(view_path);
    struct arena *arena = arena_new(ARENA_MAX);
    struct buffer page = {.limit = PAGE_MAX};
    struct value data;
    struct views *views = NULL;
    struct mustache *view = NULL;
    if (!dir)
        snprintf(error, sizeof error, "memory is out");
    bool ok = dir && (view = read_view(view_path, error, sizeof error)) && (views = views_load_good(dir, say, NULL)) &&
              read_data(data_path, arena, &data, error, sizeof error) &&
              views_render(views, view, &data, &page, error, sizeof error);
    if (ok && ((page.n > 0 && fwrite(page.p, 1, page.n, stdout) != page.n) || fflush(stdout) != 0)) {
        snprintf(error, sizeof error, "the page cannot be written: %s", strerror(errno));
        ok = false;
    }
    if (*error)
        fprintf(stderr, "%s\n", error);
    buffer_release(&page);
    mustache_free(&view);
    views_free(&views);
    arena_free(&arena);
    free(dir);
    return ok ? 0 : 1;
}
