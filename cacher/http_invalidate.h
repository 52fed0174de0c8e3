/* Which pages a request that changes things makes invalid (RFC 9111 section 4.4). */
#ifndef FILMYFLY_HTTP_INVALIDATE_H
#define FILMYFLY_HTTP_INVALIDATE_H

#include "key.h"
#include "messages.h"

#define INVALIDATED_MOST 3

/*
 * The keys of the target, of Location and of Content-Location where they are of the same origin; each may come twice. 0
 * for a safe method (RFC 9110 section 9.2.1) and for answers that are neither 2xx nor 3xx.
 */
uint32_t invalidate_keys(const struct message *request, const struct message *response,
                         struct key keys[INVALIDATED_MOST]);

/* A reference (RFC 3986 section 5.2), against the key of the page that it stands in. False when it is malformed, or
 * leads to another scheme than http and https. */
bool reference_resolve(const struct key *base, struct str reference, struct key *key);

#endif
