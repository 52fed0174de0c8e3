/* The settings under which statements run, as SQL: for a whole session, or, where a pooler lends sessions out, for one
 * transaction. */
#ifndef FILMYFLY_SESSION_H
#define FILMYFLY_SESSION_H

#include <stddef.h>

#include "job.h"

#define SESSION_SQL_BYTES 2048

/*
 * For the session. $1 is the process id that the connection's start-up announced, or NULL: when another process
 * answers, a pooler stands between, nothing is set, and no row comes.
 */
void session_sql(char sql[SESSION_SQL_BYTES], enum lane lane, uint64_t timeout, int server_version);

/* For the transaction, in front of a batch: two statements. */
#define SESSION_BATCH_STATEMENTS 2
extern const char session_isolation_sql[];
void session_batch_sql(char sql[SESSION_SQL_BYTES], enum lane lane, uint64_t timeout, int server_version);

#endif
