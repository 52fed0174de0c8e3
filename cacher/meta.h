/*
 * What the cache knows of a stored page beside its bodies and row tags, which the store keeps apart, and its form on
 * disk: a version, fixed fields, lists. Reading copies nothing and believes no length: texts point into the record,
 * which may come from a damaged file.
 *
 * A page that varies has one record under the key itself, the *marker*, which only says what it varies on, and one
 * record for each variant under a key of its own (http_vary.h).
 */
#ifndef FILMYFLY_META_H
#define FILMYFLY_META_H

#include "buffer.h"
#include "hash.h"
#include "messages.h"

#define META_VERSION 2
#define META_BYTES   65535 /* of a record */
#define META_FIXED   80    /* bytes before the lists */

enum meta_flags {
    META_NO_CACHE = 1 << 0,        /* never used without validation (RFC 9111 section 5.2.2.4) */
    META_MUST_REVALIDATE = 1 << 1, /* never used when stale by age: must-revalidate, proxy-revalidate, s-maxage */
    META_GONE = 1 << 2,            /* never used again */
    META_MARKER = 1 << 3,          /* no page: says what the key varies on */
    META_QUERY = 1 << 4,           /* the key has a query: anybody can make up such keys */
    META_SQUEEZED = 1 << 5,        /* better codings were made, as far as there are better ones, or may not be */
    META_CODED = 1 << 6,           /* it came in a coding: its validators are of that form's bytes */
};

struct meta {
    uint32_t status, flags;
    /* Milliseconds of the cache's clock. born: when the origin made it, as far as Age and Date tell (may be before the
     * clock's zero); arrived: when it, or the last 304 for it, came. */
    int64_t born;
    uint64_t arrived;
    uint32_t lifetime, swr, sie; /* seconds */
    uint64_t dispatched;         /* the change sequence when it was asked for */
    uint64_t stale_seq;          /* 0, or the change of a row tag that made it stale */
    uint64_t stale_at;           /* when that was */
    uint32_t broad;              /* slots of its broad tags in the epochs (changes.h) */
    uint32_t plain;              /* bytes of the body without coding, stored so or not; 0: not known */
    struct str key;              /* the whole text, against a hash that meets another */
    struct str headers;          /* pairs: the header lines of the response */
    struct str vary;             /* pairs: names, and the values of the request it answers; a marker's have no values */
};

/* Appends the record; false when it would be longer than META_BYTES, or memory is out: nothing that counts is in `out`
 * then. */
bool meta_write(const struct meta *meta, struct buffer *out);

/* False when the bytes are no whole record of this version. */
bool meta_read(const void *bytes, size_t n, struct meta *meta);

/* Marks a record in place as stale by the change `seq`, or as gone; what is marked already keeps its first time. False
 * when it is no record. */
bool meta_mark_stale(void *bytes, size_t n, uint64_t seq, uint64_t at);
bool meta_mark_gone(void *bytes, size_t n);

/* Pairs of texts in a row; names up to 255 bytes, values up to 65534. A value may be STR_NONE. */
void pairs_add(struct buffer *out, struct str name, struct str value);
/* The next pair; false at the end, and where the bytes are no pairs. */
bool pairs_next(struct str *rest, struct header *pair);
/* The first value of that name (case ignored), or STR_NONE. */
struct str pairs_get(struct str pairs, struct str name);

#endif
