/*
 * How the store lies on the disk; store.h says what it is. Shared by its writer (store.c) and its readers
 * (store_reader.c), included by nobody else.
 *
 * An LMDB environment in the folder STORE_FOLDER of the cache directory, with these databases:
 *
 * - entries: 16-byte key → struct entry_head, then tags (8 bytes each), then the metadata. Some hundred bytes, so that
 *   marking and touching never move a body.
 * - bodies: 16-byte key and one byte of enum store_encoding → the body.
 * - tags: a tag (8 bytes) → the 16-byte keys that carry it, sorted. Of the latest entries it does not know yet:
 * - recent: the number of a put, big-endian → the 16-byte key, for those whose tags are not in `tags`. A page has some
 *   twenty tags, each on another leaf; many pages' tags in order write each leaf once.
 * - uses: hour of the last use, big-endian, and the 16-byte key → nothing. Its first entries are the least used.
 * - state: a name → bytes; STATE_STATS is the writer's own.
 *
 * Numbers are in the machine's byte order: a store does not leave its machine. Whatever changes here gets a new
 * STORE_FOLDER, and the old one is removed.
 *
 * The marker is a file beside data.mdb. It says in which life of the machine (boot id) the writer has found the store
 * whole; readers open no store without one of this life. Transactions are not synchronized to the disk, so after a
 * power loss the store may be anything: then its marker is of another life, and the writer starts empty. While the
 * writer cannot record what has changed, the marker lies aside under another name: then nobody reads, and a writer that
 * dies meanwhile is followed by one that starts empty.
 */
#ifndef FILMYFLY_STORE_FORMAT_H
#define FILMYFLY_STORE_FORMAT_H

#include <lmdb.h>

#include "store.h"

#define STORE_FOLDER  "store.v2"
#define STORE_MARKER  "filmyfly-store 2"
#define STORE_READERS 126 /* LMDB's own default: transactions of all gateways' loops */

enum store_database { ENTRIES, BODIES, TAGS, RECENT, USES, STATE, STORE_DATABASES };
#define STORE_DATABASE_NAMES                                                                                           \
    {                                                                                                                  \
        "entries", "bodies", "tags", "recent", "uses", "state"                                                         \
    }

struct entry_head {
    uint64_t put;  /* its number; beyond store_stats.indexed its tags are not in `tags`, and it is in `recent` */
    uint32_t used; /* hour of the last use, since 1970 */
    uint32_t body_bytes[STORE_ENCODINGS];
    uint32_t meta_bytes;
    uint16_t tags;
    uint16_t bodies; /* a bit for each encoding that is there; an empty body is one too */
};

struct body_key {
    unsigned char of[STORE_KEY_BYTES];
    unsigned char encoding;
};

struct put_key {
    unsigned char number[8];
};

struct use_key {
    unsigned char hour[4];
    unsigned char of[STORE_KEY_BYTES];
};

/* Takes a record apart; false when its lengths do not fit (a foreign or broken store). */
bool store_parse_entry(const MDB_val *value, struct entry_head *head, struct store_view *view);

/* The marker of the store in `folder`. */
enum store_marker { MARKER_NONE, MARKER_OTHER_LIFE, MARKER_GOOD };
enum store_marker store_read_marker(const char *folder);
/* Writes the marker of this life. */
bool store_write_marker(const char *folder);
/* Puts it aside, and back: takes no room on the disk. True when it lies there now. */
bool store_move_marker(const char *folder, bool aside);
/* Removes the store's files, the marker first. */
bool store_remove_files(const char *folder);
/* Removes the stores of other formats from the cache directory; what cannot be removed stays. */
void store_remove_others(const char *directory);

#endif
