/*
 * What the two halves of the store's writer share, and nobody else includes: store.c has its life (opening,
 * transactions, commits, room), store_entries.c what lies in it.
 */
#ifndef FILMYFLY_STORE_WRITER_H
#define FILMYFLY_STORE_WRITER_H

#include <limits.h>
#include <sys/types.h>

#include "log.h"
#include "store_format.h"

struct store {
    char folder[PATH_MAX];
    uint64_t limit;
    int lock;    /* the writer's, beside the folder */
    ino_t inode; /* of data.mdb, to notice that it was taken away */
    MDB_env *env;
    MDB_dbi db[STORE_DATABASES];
    MDB_txn *write; /* open since the first write of this turn, or NULL */
    MDB_txn *read;  /* kept; renewed for reads without a write */
    bool reading;
    bool changed; /* stats differ from what is stored */
    bool hidden;  /* the marker lies aside */
    unsigned puts;
    unsigned commits;
    struct store_stats stats, committed;
    uint64_t kept_free; /* of the limit: room for pages that must lie in one piece */
    uint64_t full_at;   /* when the map was full the last time, or less was kept free */
    bool full;          /* in this turn: more is kept free already */
    int64_t overhead;   /* bytes in the map beyond stats.bytes, as last measured */
    uint64_t rest_until;
    char trouble[200];
    struct log_limit said;
};

static inline MDB_val val(const void *p, size_t n)
{
    return (MDB_val){n, (void *)(uintptr_t)p};
}

static inline MDB_val key_val(const struct hash *key)
{
    return val(key, STORE_KEY_BYTES);
}

/* Undoes the transaction and says why; always false. */
bool store_fail(struct store *store, const char *what, int rc);
/* Makes sure that there is a transaction to write with. */
bool store_begin(struct store *store);
/* The transaction to read with, or NULL. */
MDB_txn *store_txn(struct store *store);

bool store_get_value(struct store *store, enum store_database db, MDB_val key, MDB_val *value);
bool store_put_value(struct store *store, enum store_database db, MDB_val key, MDB_val value);

/* Everything that belongs to the entry, if it is there; false when the transaction failed. */
bool store_remove_entry(struct store *store, const struct hash *key, bool *was_there);

#endif
