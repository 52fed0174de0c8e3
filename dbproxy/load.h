/*
 * The command that loads a file of movies into the catalogue: newline-delimited JSON in either shape of json_rows.h. It
 * is a command that runs and ends, so it may block; it owns its one connection for as long as it runs.
 */
#ifndef FILMYFLY_LOAD_H
#define FILMYFLY_LOAD_H

#include <stdio.h>

/*
 * Loads the file at path ("-" is standard input) into the database of the libpq URL, whose migrations must have run.
 * All in one transaction: when the load fails nothing of it stays. A bad line is left out and reported as "FILE:LINE:
 * why". Loading the same file again changes nothing. The report ends with one line that says what was done. Returns the
 * command's exit status: 0 when something was loaded, 1 when nothing was.
 */
int load_command(const char *database_url, const char *path, FILE *report);

/* The same, but does nothing, and returns 0, when there is a movie already. */
int load_command_if_empty(const char *database_url, const char *path, FILE *report);

#endif
