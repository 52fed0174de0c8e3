#include "views.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SUFFIX ".mustache"

struct view {
    char *path;
    struct str name; /* within path */
    struct timespec changed;
    off_t size;                /* these two: of the version last read, good or not */
    struct mustache *template; /* the last good version; NULL when there was none */
};

struct views {
    char *dirs[2]; /* the second may be NULL */
    struct view *views;
    unsigned n;
};

/* What one pass over the folders does with errors and counts. */
struct pass {
    views_report *report;
    void *arg;
    bool loading; /* the first pass: a later one would report a missing folder or file again and again */
    unsigned compiled, errors;
    bool unreadable; /* a folder */
};

static void report(struct pass *pass, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void report(struct pass *pass, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    pass->errors++;
    if (pass->report)
        pass->report(pass->arg, message);
}

/* The text of a file, to be freed by the caller; NULL with errno set (EFBIG when it is longer than a template may be).
 */
static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(MUSTACHE_SOURCE_MAX + 1);
    if (!file || !text) {
        int wrong = errno;
        if (file)
            fclose(file);
        free(text);
        errno = wrong;
        return NULL;
    }
    *length = fread(text, 1, MUSTACHE_SOURCE_MAX + 1, file);
    int wrong = ferror(file) ? errno : *length > MUSTACHE_SOURCE_MAX ? EFBIG : 0;
    fclose(file);
    if (wrong) {
        free(text);
        errno = wrong;
        return NULL;
    }
    return text;
}

/* Takes the file's present version into service when it is another than the one last read, and right. */
static void refresh(struct view *view, struct pass *pass)
{
    struct stat st;
    if (stat(view->path, &st) != 0) {
        if (pass->loading)
            report(pass, "%s cannot be read: %s", view->path, strerror(errno));
        return;
    }
    if (st.st_size == view->size && st.st_mtim.tv_sec == view->changed.tv_sec &&
        st.st_mtim.tv_nsec == view->changed.tv_nsec)
        return;
    view->size = st.st_size;
    view->changed = st.st_mtim;
    size_t length;
    char *text = read_file(view->path, &length);
    if (!text) {
        report(pass, "%s cannot be read: %s", view->path, strerror(errno));
        return;
    }
    char error[512];
    struct mustache *template = mustache_compile(str_of(strrchr(view->path, '/') + 1),
                                                 (struct str){text, (uint32_t)length}, error, sizeof error);
    free(text);
    if (!template) {
        report(pass, "%s", error);
        return;
    }
    mustache_free(&view->template);
    view->template = template;
    pass->compiled++;
}

static struct view *find(const struct views *views, struct str name)
{
    for (unsigned i = 0; i < views->n; i++)
        if (str_eq(views->views[i].name, name))
            return &views->views[i];
    return NULL;
}

/* Adds an entry that is not read yet. */
static void add(struct views *views, const char *dir, const char *file, struct pass *pass)
{
    char *path = NULL;
    if (views->n == VIEWS_MAX || asprintf(&path, "%s/%s", dir, file) < 0) {
        if (pass->loading)
            report(pass, "%s/%s is left out: there is room for %d templates", dir, file, VIEWS_MAX);
        return;
    }
    struct view *view = &views->views[views->n++];
    struct str name = {strrchr(path, '/') + 1, (uint32_t)(strlen(file) - strlen(SUFFIX))};
    *view = (struct view){.path = path, .name = name, .size = -1};
}

static int is_template(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name), suffix = strlen(SUFFIX);
    return entry->d_name[0] != '.' && n > suffix && strcmp(entry->d_name + n - suffix, SUFFIX) == 0;
}

static void scan(struct views *views, struct pass *pass)
{
    for (unsigned i = 0; i < 2 && views->dirs[i]; i++) {
        const char *dir = views->dirs[i];
        struct dirent **entries;
        int n = scandir(dir, &entries, is_template, alphasort);
        if (n < 0 && pass->loading)
            report(pass, "the folder of templates %s cannot be read: %s", dir, strerror(errno));
        pass->unreadable |= n < 0;
        for (int e = 0; e < n; e++) {
            const char *file = entries[e]->d_name;
            if (!find(views, (struct str){file, (uint32_t)(strlen(file) - strlen(SUFFIX))}))
                add(views, dir, file, pass);
            free(entries[e]);
        }
        if (n >= 0)
            free(entries);
    }
    for (unsigned i = 0; i < views->n; i++)
        refresh(&views->views[i], pass);
}

/* Keeps the first of several messages. */
struct first {
    char *error;
    size_t size;
    bool set;
};

static void keep_first(void *arg, const char *message)
{
    struct first *first = arg;
    if (!first->set)
        snprintf(first->error, first->size, "%s", message);
    first->set = true;
}

/* Reads all that can be read; NULL when memory is out, which is reported, too. */
static struct views *load(const char *dir, const char *partials_dir, struct pass *pass)
{
    struct views *views = calloc(1, sizeof *views);
    if (views) {
        views->views = calloc(VIEWS_MAX, sizeof *views->views);
        views->dirs[0] = strdup(dir);
        views->dirs[1] = partials_dir ? strdup(partials_dir) : NULL;
    }
    if (!views || !views->views || !views->dirs[0] || (partials_dir && !views->dirs[1])) {
        report(pass, "the templates of %s cannot be loaded: memory is out", dir);
        views_free(&views);
        return NULL;
    }
    scan(views, pass);
    return views;
}

struct views *views_load(const char *dir, const char *partials_dir, char *error, size_t error_size)
{
    struct first first = {.error = error, .size = error_size};
    struct pass pass = {.report = keep_first, .arg = &first, .loading = true};
    struct views *views = load(dir, partials_dir, &pass);
    if (pass.errors > 0)
        views_free(&views);
    return views;
}

struct views *views_load_good(const char *dir, views_report *report_to, void *arg)
{
    struct pass pass = {.report = report_to, .arg = arg, .loading = true};
    struct views *views = load(dir, NULL, &pass);
    if (pass.unreadable)
        views_free(&views);
    return views;
}

void views_free(struct views **views)
{
    struct views *v = *views;
    if (!v)
        return;
    for (unsigned i = 0; i < v->n; i++) {
        mustache_free(&v->views[i].template);
        free(v->views[i].path);
    }
    free(v->views);
    free(v->dirs[0]);
    free(v->dirs[1]);
    free(v);
    *views = NULL;
}

const struct mustache *views_find(const struct views *views, struct str name)
{
    const struct view *view = find(views, name);
    return view ? view->template : NULL;
}

struct needed {
    const struct views *views;
    const struct view *wrong; /* the last one that is there but cannot be used */
};

static const struct mustache *find_partial(void *owner, struct str name)
{
    struct needed *needed = owner;
    const struct view *view = find(needed->views, name);
    if (view && !view->template)
        needed->wrong = view;
    return view ? view->template : NULL;
}

bool views_render(const struct views *views, const struct mustache *template, const struct value *data,
                  struct buffer *out, char *error, size_t error_size)
{
    struct needed needed = {.views = views};
    struct mustache_partials partials = {find_partial, &needed};
    if (!mustache_render(template, data, partials, out, error, error_size))
        return false;
    if (needed.wrong)
        snprintf(error, error_size, "%s is needed, and wrong", needed.wrong->path);
    return !needed.wrong;
}

unsigned views_reload_changed(struct views *views, views_report *report_to, void *arg)
{
    struct pass pass = {.report = report_to, .arg = arg};
    scan(views, &pass);
    return pass.compiled;
}

struct check {
    const struct views *views;
    struct pass pass;
};

static void check_partial(void *arg, const char *place, struct str name)
{
    struct check *check = arg;
    if (!views_find(check->views, name))
        report(&check->pass, "%s: there is no template " STR_FMT SUFFIX "; nothing is put in its place", place,
               STR_ARG(name));
}

unsigned views_check(const struct views *views, views_report *report_to, void *arg)
{
    struct check check = {views, {.report = report_to, .arg = arg}};
    for (unsigned i = 0; i < views->n; i++)
        if (views->views[i].template)
            mustache_each_partial(views->views[i].template, check_partial, &check);
    return check.pass.errors;
}
