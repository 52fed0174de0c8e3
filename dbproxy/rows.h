/* The results of a batch as the body of a RESULT (PROTOCOL.md): column names once, then the rows, each value in the
 * type nearest to PostgreSQL's. */
#ifndef FILMYFLY_ROWS_H
#define FILMYFLY_ROWS_H

#include "buffer.h"
#include "job.h"

/*
 * Appends the body to `out`, whose limit is that of a body. False when it does not fit, or when an array has more than
 * one dimension; error is one sentence that names the statement.
 */
bool rows_pack(const struct job *job, struct buffer *out, char *error, size_t error_size);

#endif
