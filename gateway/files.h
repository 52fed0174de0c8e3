/*
 * Static files under their fingerprinted names, as the build's manifest.txt lists them, with the compressed forms that
 * the build put beside them (NAME.gz, NAME.br). What a browser has under such a name never changes, so it may keep it
 * for good.
 *
 * They are held in memory, all forms of all of them, a few hundred kilobytes. libh2o's own file handler would open and
 * read the disk in the event loop, gives all codings of a file one strong ETag, and knows no headers but its own.
 */
#ifndef FILMYFLY_GATEWAY_FILES_H
#define FILMYFLY_GATEWAY_FILES_H

#include <h2o.h>
#include <stdbool.h>

#include "str.h"

struct files;

/*
 * Loads the files that <directory>/manifest.txt names ("site.css site.3f2a9c01.css" a line). NULL with one sentence in
 * error when it is not readable, lists more than 256 files, or a file is missing or longer than 8 MB.
 */
struct files *files_load(const char *directory, char *error, size_t error_size);
void files_free(struct files **files);

/* The fingerprinted name of "site.css", or "" when there is none. Lives as long as files. */
const char *files_name(const struct files *files, const char *plain_name);

/*
 * Answers when the target is a file's (/static/…, /favicon.ico, /favicon.svg; a name with another fingerprint too, from
 * a page of another release), with 404 for unknown names and 405 for
 * methods other than GET and HEAD; false when the target is another's.
 */
bool files_answer(const struct files *files, h2o_req_t *req);

#endif
