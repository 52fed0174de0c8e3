/*
 * The folder `changes` of the registry: who keeps pages asks here what changed, and nothing else. A QUERY whose batch
 * is one call of changes_since is run at once; when it brings nothing its ticket is kept, and it is run again when the
 * database tells of a change (listener.h), every 500 ms while nobody can tell, and once more shortly before its
 * deadline, when it is answered whatever it brings. So asking again and again costs next to nothing and learns of
 * changes at once.
 *
 * It also trims the log, on a timer.
 */
#ifndef FILMYFLY_DBPROXY_CHANGES_H
#define FILMYFLY_DBPROXY_CHANGES_H

#include <czmq.h>

#include "pool.h"

struct changes;

struct changes_options {
    const struct settings *settings;
    const struct catalogue *catalogue; /* kept by the caller, longer than the changes, as are the others */
    struct endpoints *endpoints;       /* of the database, for LISTEN */
    struct pool *pool;
    zloop_t *loop;
    const char *instance; /* its name in the folder */
};

/* Whether the catalogue has the statements for it: a log that is read, and trimmed. */
bool changes_can(const struct catalogue *catalogue);

/* NULL with one sentence in error. Its pool must be freed before it. */
struct changes *changes_new(const struct changes_options *options, char *error, size_t error_size);
void changes_free(struct changes **changes);

struct serve *changes_serve(struct changes *changes);
/* From now on it is asked. False with errno. */
bool changes_publish(struct changes *changes);
/* Every 20 ms. leaving: who waits is answered now. */
void changes_tick(struct changes *changes, bool leaving);

#endif
