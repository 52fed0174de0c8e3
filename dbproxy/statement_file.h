/* One file of the catalogue: its header lines and its SQL. statements.h says what may stand in it. */
#ifndef FILMYFLY_STATEMENT_FILE_H
#define FILMYFLY_STATEMENT_FILE_H

#include "statements.h"

/*
 * Fills the statement from text, which is NUL-terminated and which it takes over as statement->text, also on failure.
 * On failure returns false and writes "FILE:LINE: what is wrong".
 */
bool statement_parse(struct statement *statement, const char *file, char *text, char *error, size_t error_size);

#endif
