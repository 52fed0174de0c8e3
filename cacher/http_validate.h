/* Our own validation of a stored page (RFC 9111 section 4.3.1) and what a 304 makes of it (sections 4.3.4, 3.2). */
#ifndef FILMYFLY_HTTP_VALIDATE_H
#define FILMYFLY_HTTP_VALIDATE_H

#include "http_store.h"

/* Adds the conditions to a canonical request; false when the page has no validator or there is no room. */
bool validate_ask(const struct meta *stored, struct headers *request);

/*
 * The stored header lines as the 304 leaves them, into `out`; texts point into both. False when the 304 is not about
 * the stored page: then it is asked for without conditions.
 */
bool validate_update(const struct meta *stored, const struct headers *not_modified, struct headers *out);

/*
 * The canonical GET of a request (RFC 9111 section 4): `target` is the key's, the headers are the visitor's but for
 * what is his own: Range, conditions, cookies, Cache-Control, Accept-Encoding, which becomes gzip. Texts point into the
 * request.
 */
void canonical_ask(const struct message *request, struct str target, struct message *out);

#define SESSION_LINE (sizeof(SESSION_COOKIE "=") + SESSION_COOKIE_BYTES)

/* A visitor's own request, which goes as it is but for cookies: of these only the session's goes on. line: room for it,
 * to live as long as the request. */
void own_ask(struct message *request, char line[SESSION_LINE]);

#endif
