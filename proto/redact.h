/*
 * What may be shown of a message to somebody who looks on (inspect.h): no cookie, no credential, no token, no
 * parameter of a statement, and of long texts and lists only the beginning. What is hidden reads "(hidden)".
 */
#ifndef FILMYFLY_REDACT_H
#define FILMYFLY_REDACT_H

#include <stddef.h>

#include "arena.h"
#include "messages.h"

#define REDACT_TARGET  1024 /* bytes that are kept of a target, */
#define REDACT_NAME    64   /* a header's name */
#define REDACT_VALUE   256  /* and its value */
#define REDACT_HEADERS 48   /* items that are kept of the lists */
#define REDACT_TAGS    24

/*
 * Changes the message to what may be shown; texts of it are in the arena afterwards. Names decide:
 *  - the value of a header, or of a parameter in a query string, whose name speaks of a secret is hidden;
 *  - so is what stands before the @ of an address (https://user:password@host/);
 *  - of a statement's parameters only the length is left: "(12 bytes)", NULL stays NULL.
 */
void redact_message(struct message *message, struct arena *arena);

/* Whether a header's or a parameter's name speaks of a secret; it may be percent-encoded. */
bool redact_is_secret(struct str name);

/*
 * An address, or a text that may hold some, with what is secret in it hidden and at most `most` bytes of it and an
 * ellipsis. In the arena, or the text itself when all of it may be shown.
 */
struct str redact_address(struct arena *arena, struct str text, uint32_t most);

/*
 * The first thing in an address, or in a text that may hold some, from that byte on, that is to be hidden, perhaps
 * empty; STR_NONE: there is nothing. Go on behind it.
 */
struct str redact_find(struct str text, uint32_t from);

/*
 * Bytes of the body's beginning that may be shown: 32 of a RESPONSE that any cache may keep and that sets no cookie;
 * otherwise 0, since forms and rows hold what people typed.
 */
size_t redact_body(const struct message *message, size_t n);

#endif
