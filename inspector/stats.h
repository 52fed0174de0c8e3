/*
 * A look at the counters of one instance: its file (proto/counters.h), copied and checked, so that whatever lies there
 * (cut off, foreign, of another release) is an error with a sentence and never more.
 */
#ifndef FILMYFLY_STATS_H
#define FILMYFLY_STATS_H

#include "counters.h"

struct stats;

/* Reads the file `name` of the folder. NULL with one sentence in error, which names the file as `path` does; errno is
 * ENOENT when there is none. */
struct stats *stats_read(int folder, const char *name, const char *path, char *error, size_t error_size);
void stats_free(struct stats **stats);

uint64_t stats_pid(const struct stats *stats);
uint64_t stats_started(const struct stats *stats); /* CLOCK_REALTIME, seconds */
const char *stats_release(const struct stats *stats);

/* The value of a counter or gauge; of a histogram the sum of its nanoseconds. 0 when there is none of that name. */
uint64_t stats_value(const struct stats *stats, const char *name);
bool stats_has(const struct stats *stats, const char *name);

/* A histogram's bins; all 0 when there is none of that name. */
void stats_bins(const struct stats *stats, const char *name, uint64_t bins[HISTOGRAM_BINS]);

/* The connections that it has to its right: the row of that number, or NULL behind the last. Texts are printable; rows
 * that are not used have the standing PEER_UNUSED. */
const struct peer_row *stats_peer(const struct stats *stats, size_t number);

#endif
