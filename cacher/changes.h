/*
 * What has changed since a page was asked for. The *epochs* are one small record of the store, read with each page: the
 * change sequence, and for "everything" and each broad tag when it last changed. The *changes*, in the cacher's memory
 * only, are the epochs and the latest change of each row tag and key, for replies that are still on their way.
 *
 * All of it has a fixed size. Row tags and keys share 4,096 places by their hash: who meets another's change is
 * rendered once too often. Broad tags beyond the 30th share the last slot.
 */
#ifndef FILMYFLY_CHANGES_H
#define FILMYFLY_CHANGES_H

#include "buffer.h"
#include "hash.h"

#define EPOCHS           32
#define EPOCH_EVERYTHING 0  /* the slot of "everything" */
#define EPOCH_REST       31 /* shared by broad tags for which there is no other slot */
#define EPOCH_MARKS      5  /* enough to tell the first change of the last second, a quarter of a second apart */
#define EPOCH_APART      250

struct epoch {
    uint64_t name; /* hash_tag; 0: free */
    uint64_t hard; /* the last change that took something from view; 0: none */
    struct {
        uint64_t seq, at; /* the last change, and the time of the first, of those that came together; newest first */
    } mark[EPOCH_MARKS];
};

struct epochs {
    uint64_t seq; /* of the last change applied to the store */
    struct epoch slot[EPOCHS];
};

#define EPOCHS_BYTES  (16 + EPOCHS * (16 + 16 * EPOCH_MARKS)) /* of the record */
#define CHANGE_PLACES 4096

struct changes {
    struct epochs epochs;
    struct {
        uint64_t soft, hard; /* sequences */
    } place[CHANGE_PLACES];
    uint64_t prefix_soft, prefix_hard; /* the last purge by prefix */
};

/* A tag with a colon is of a row or a parameter ("movie:7") and indexed; one without is broad ("movies"). */
bool tag_is_broad(struct str tag);

/* The slot of a broad tag; taken for it if it has none yet. */
uint32_t epochs_slot(struct epochs *epochs, uint64_t tag);

/*
 * Has one of these slots (bit 1 << slot), or everything, changed since `dispatched`? *at: when it first did, exact for
 * the last second, and at least a second ago before that. *hard: was something taken from view?
 */
bool epochs_changed(const struct epochs *epochs, uint32_t slots, uint64_t dispatched, uint64_t *at, bool *hard);

/* How many slots are taken. */
uint32_t epochs_taken(const struct epochs *epochs);

/* The record. Reading refuses another size or version. */
void epochs_write(const struct epochs *epochs, struct buffer *out);
bool epochs_read(struct epochs *epochs, const void *bytes, size_t n);
/* The sequence of a record, to see whether a copy is still right; 0 when it is none. */
uint64_t epochs_peek(const void *bytes, size_t n);

/* A change; each takes the next sequence, which is returned. now: milliseconds of the cache's clock. */
uint64_t changes_everything(struct changes *changes, uint64_t now, bool hard);
uint64_t changes_broad(struct changes *changes, uint64_t now, uint64_t tag, bool hard);
uint64_t changes_row(struct changes *changes, uint64_t tag, bool hard);
/* A purge by URL. */
uint64_t changes_key(struct changes *changes, struct hash key, bool hard);

/* A purge by prefix. What is on its way is not searched for it: all of it counts as changed. */
uint64_t changes_prefix(struct changes *changes, bool hard);

struct since {
    uint64_t soft, hard; /* the last change after the dispatch, or 0 */
};

/* What changed of a reply that was asked for at `dispatched`: its key, its row tags, its broad slots, everything. */
struct since changes_since(const struct changes *changes, struct hash key, const uint64_t *row_tags, uint32_t n,
                           uint32_t slots, uint64_t dispatched);

#endif
