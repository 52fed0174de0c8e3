/*
 * Pages that vary (RFC 9111 section 4.1). Accept-Encoding never counts: each page is stored in codings of our own and
 * given in one that the client takes. What varies on Cookie, Authorization or "*" is not stored. Values are compared
 * without the white space around commas, the lines of a field joined.
 */
#ifndef FILMYFLY_HTTP_VARY_H
#define FILMYFLY_HTTP_VARY_H

#include "buffer.h"
#include "hash.h"
#include "messages.h"

#define VARY_NAMES 8

enum vary_kind {
    VARY_NOT,    /* one page for all */
    VARY_LISTED, /* a variant for each set of values */
    VARY_NEVER,  /* no answer for another request can be told to fit */
};

struct vary {
    uint32_t n;
    struct str name[VARY_NAMES]; /* sorted, each once; point into the response */
};

enum vary_kind vary_read(const struct headers *response, struct vary *vary);

/* Appends the pairs (meta.h) of names and this request's values; without a request the names alone, for a marker. */
void vary_pack(const struct vary *vary, const struct headers *request, struct buffer *out);

/* Does the request have the values that the pairs tell? */
bool vary_matches(struct str pairs, const struct headers *request);

/* The key of the variant that this request wants, by the names in the pairs of a marker or a variant. */
struct hash vary_key(const struct hash *seed, struct hash key, struct str pairs, const struct headers *request);

#endif
