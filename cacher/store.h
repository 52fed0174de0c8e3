/*
 * The store: what the cacher keeps of answers, and its only writer. It knows nothing of HTTP: an entry has a key,
 * opaque metadata, tags, and up to one body for each encoding. Readers (gateways) look into the same LMDB environment
 * by themselves (store_reader.h).
 *
 * Everything between two calls of store_commit is one transaction: all of it is seen or nothing, by readers and after a
 * crash. A failure (disk full, map full) undoes the transaction, is logged once, and the store goes on with what it
 * has; what was not stored is simply not there.
 *
 * Sizes: a body as much as a message may carry; metadata 64 KB. The store evicts by itself in
 * store_commit: a few entries at a time, least recently used first, from nine tenths of the limit on (less when pages
 * are too scattered for large bodies).
 */
#ifndef FILMYFLY_STORE_H
#define FILMYFLY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define STORE_KEY_BYTES 16
#define STORE_META_MAX  65535 /* longest metadata, bytes */
#define STORE_TAGS_MAX  128
#define STORE_IDLE_DAYS 60 /* unused for so long: goes */

enum store_encoding { STORE_IDENTITY, STORE_GZIP, STORE_BROTLI, STORE_ENCODINGS };

/* An entry as it is handed in. What has p == NULL is not there. */
struct store_entry {
    struct hash key;
    struct str meta;
    struct str body[STORE_ENCODINGS];
    const uint64_t *tags; /* hash_tag; at most STORE_TAGS_MAX */
    uint32_t n_tags;
};

/* An entry as it lies in the store: pointers into its map, good until the next write, commit, or store_reader_done. */
struct store_view {
    struct str meta;
    uint32_t body_bytes[STORE_ENCODINGS];
    unsigned bodies;           /* a bit for each encoding */
    uint32_t used;             /* hour of its last use */
    const unsigned char *tags; /* n_tags; store_tag reads them */
    uint32_t n_tags;
};

struct store_stats {
    uint64_t entries, bytes;  /* bytes: what the entries take on the disk, in whole pages where LMDB uses such */
    uint64_t puts, evictions; /* since the store was made */
    uint64_t indexed;         /* of the puts, those whose tags are in the index */
};

struct store;

/*
 * Opens or makes the store in `directory` (FILMYFLY_CACHE_DIR), of at most `limit` bytes. A store of another life of
 * the machine of another format, or broken, is emptied; the log says so. NULL with a sentence
 * when there can be none: another cacher has it (it is named), no permission, no directory.
 */
struct store *store_open(const char *directory, uint64_t limit, char *error, size_t error_size);
/* Commits what is open. */
void store_close(struct store **store);

/* Each returns false when it could not be done; the reason is logged, no more than every few seconds. */

/* In place of what has that key. hour: now, since 1970. */
bool store_put(struct store *store, const struct store_entry *entry, uint32_t hour);
/* Adds or replaces one body of an entry. */
bool store_put_body(struct store *store, const struct hash *key, enum store_encoding encoding, struct str body);
/* Other metadata for an entry; its tags, bodies and use stay. */
bool store_put_meta(struct store *store, const struct hash *key, struct str meta);
/* It was used in that hour. */
bool store_use(struct store *store, const struct hash *key, uint32_t hour);
bool store_remove(struct store *store, const struct hash *key);

/* False: there is none. */
bool store_find(struct store *store, const struct hash *key, struct store_view *view);
/* An encoding of an entry that store_find found; STR_NONE when it is not there. */
struct str store_body(struct store *store, const struct hash *key, enum store_encoding encoding);
uint64_t store_tag(const struct store_view *view, uint32_t i);

/* Brings the index of tags up to date: it lags behind by some puts. */
bool store_index(struct store *store);
/*
 * After store_index: up to `most` keys that carry the tag and lie behind `after` (NULL: from the first on), in order;
 * returns how many. Between two calls the store may change.
 */
size_t store_tagged(struct store *store, uint64_t tag, const struct hash *after, struct hash *keys, size_t most);
/* The same of all keys. */
size_t store_keys(struct store *store, const struct hash *after, struct hash *keys, size_t most);

/* A small record under a name of at most 100 bytes, in the same transaction. STR_NONE: there is none. */
struct str store_state(struct store *store, const char *name);
bool store_put_state(struct store *store, const char *name, struct str value);

/*
 * The end of a turn of the loop: makes lasting what was done, evicts a little where that is due. hour: now. Returns
 * false when it was undone.
 */
bool store_commit(struct store *store, uint32_t hour);

/* Every few seconds: readers that died give their pages back; a folder that was removed or replaced is opened, or made,
 * anew. True when that is another store than before. */
bool store_look_after(struct store *store);

/* Readers find no store within a second or two, until it is shown again: what they would find is wrong, and cannot be
 * put right now. Nothing happens when it is so already. */
void store_hide(struct store *store);
void store_show(struct store *store);

struct store_stats store_stats(const struct store *store);
/* Why nothing can be stored now, or NULL. */
const char *store_trouble(const struct store *store);

#endif
