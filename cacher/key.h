/*
 * The name of a page: its address in normal form, so that what means the same is one page and is fetched and stored
 * once. Pure, without allocation; the gateway makes one for each request.
 *
 * What is normal (RFC 3986 section 6.2.2, RFC 9110 section 4.2.3): scheme and host in small letters, the scheme's own
 * port left out, percent-encoded bytes that need no encoding decoded and the others in capitals, bytes beyond ASCII
 * encoded, dot segments removed, parameters in order of their names (those of one name keep their order), empty
 * parameters and those that only track visitors left out.
 *
 * Whoever is asked for the page must be asked with the address of the key, not with what the visitor wrote: otherwise
 * an origin that tells the two apart could be made to store one page under the other's name.
 */
#ifndef FILMYFLY_KEY_H
#define FILMYFLY_KEY_H

#include "hash.h"

#define KEY_BYTES      2048 /* longer addresses have no key: they are asked for singly and not stored */
#define KEY_PARAMETERS 64

struct key {
    uint32_t n, target, query; /* where the target begins; where its query does (n when it has none) */
    char text[KEY_BYTES];      /* "https://host/path?query", not terminated */
};

/* False when the address is too long, has too many parameters or a malformed percent-encoding. */
bool key_make(struct key *key, struct str scheme, struct str host, struct str target);

static inline struct str key_text(const struct key *key)
{
    return (struct str){key->text, key->n};
}

/* "/path?query", to ask for the page. */
static inline struct str key_target(const struct key *key)
{
    return (struct str){key->text + key->target, key->n - key->target};
}

static inline struct hash key_hash(const struct key *key, const struct hash *seed)
{
    return hash_bytes(seed, key->text, key->n);
}

/* The parts of a key's text ("https://host/path"); false when it is none. */
bool key_split(struct str text, struct str *scheme, struct str *host, struct str *target);

#endif
