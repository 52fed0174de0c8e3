/*
 * The compiled templates of a folder: every NAME.mustache in it, which the program and other templates call NAME.
 * The set owns them; a template found here stays valid until the next views_reload_changed or views_free.
 */
#ifndef FILMYFLY_VIEWS_H
#define FILMYFLY_VIEWS_H

#include "mustache.h"

/* Most templates in one set. */
#define VIEWS_MAX 1000

struct views;

/* Receives one sentence. */
typedef void views_report(void *arg, const char *message);

/*
 * Reads and compiles all of dir, then those of partials_dir (may be NULL) whose names dir has not. On error (a folder
 * or file cannot be read, a template is wrong) returns NULL and writes one sentence that names it. Reads files, so it
 * belongs before the event loop.
 */
struct views *views_load(const char *dir, const char *partials_dir, char *error, size_t error_size);
/* The same of one folder, without those that are wrong, each of which is reported; NULL when the folder cannot be read
 * or memory is out, which is reported, too. */
struct views *views_load_good(const char *dir, views_report *report, void *arg);
void views_free(struct views **views);

/* NULL when there is none of that name. */
const struct mustache *views_find(const struct views *views, struct str name);

/* mustache_render with this set's templates as the partials. Fails, too, when one that is needed is there but wrong. */
bool views_render(const struct views *views, const struct mustache *template, const struct value *data,
                  struct buffer *out, char *error, size_t error_size);

/*
 * For --dev: compiles what is new or differs in time or size, and returns how many were taken into service. A version
 * that is wrong is reported once and the last good one stays; so does a template whose file is gone. Reads files: not
 * for a busy server.
 */
unsigned views_reload_changed(struct views *views, views_report *report, void *arg);

/* Reports each partial or parent that a template names literally and that does not exist; returns how many. */
unsigned views_check(const struct views *views, views_report *report, void *arg);

#endif
