/*
 * The reading half of the store, for gateways: looks into the cacher's LMDB environment from another process, without a
 * word to the cacher. Whatever keeps it from reading (no store yet, no marker of this life of the machine, or not just
 * now (store_hide), a file system without locks) is a miss; it tries again every second. When the folder was replaced
 * it moves over to the new one.
 *
 * A process has one store_source, which any number of threads share; each thread has a store_reader of its own.
 */
#ifndef FILMYFLY_STORE_READER_H
#define FILMYFLY_STORE_READER_H

#include "store.h"

struct store_source;
struct store_reader;

/* Opens nothing yet; never fails but for memory. */
struct store_source *store_source_new(const char *directory);
/* After all its readers. */
void store_source_free(struct store_source **source);

struct store_reader *store_reader_new(struct store_source *source);
void store_reader_free(struct store_reader **reader);

/*
 * Begins to look: what is found is of one snapshot and stays in place until store_reader_done, which must follow soon
 * and in the same turn of the loop, since the writer cannot use pages again while somebody looks. now: CLOCK_MONOTONIC,
 * ns. False: there is no store to look into.
 */
bool store_reader_look(struct store_reader *reader, uint64_t now);
void store_reader_done(struct store_reader *reader);

bool store_reader_find(struct store_reader *reader, const struct hash *key, struct store_view *view);
struct str store_reader_body(struct store_reader *reader, const struct hash *key, enum store_encoding encoding);
struct str store_reader_state(struct store_reader *reader, const char *name);

#endif
