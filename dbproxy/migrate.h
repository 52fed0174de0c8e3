/*
 * Brings the schema up to this release: every file of `migrations/` in the order of the names, each once, each in a
 * transaction which also records it in filmyfly.migrations with the SHA-256 of its text. A file that was applied is
 * never changed or taken away: that is refused by name.
 *
 * Synchronous, for use before the stage has its loop. A lock of the transaction's (one that outlives it would be lost
 * behind a transaction pooler) lets any number of dbproxies start at once.
 */
#ifndef FILMYFLY_MIGRATE_H
#define FILMYFLY_MIGRATE_H

#include <stddef.h>

struct endpoints;

enum migrated {
    MIGRATED,        /* the schema is up to date */
    MIGRATE_AGAIN,   /* the database cannot be reached, or ended the connection: trying again makes sense */
    MIGRATE_BUSY,    /* others hold locks that it needs, for longer than readers should wait: likewise */
    MIGRATE_REFUSED, /* a migration is wrong, changed or missing: somebody has to look */
};

/*
 * attempt: how often this was tried before, since several addresses take turns. Anything but MIGRATED comes with one
 * sentence in error. What is applied is logged. While it waits for another migrator it watches stage_leaving; then the
 * answer is MIGRATE_AGAIN.
 */
enum migrated migrate(struct endpoints *endpoints, unsigned attempt, const char *directory, char *error,
                      size_t error_size);

#endif
