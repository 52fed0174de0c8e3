/*
 * Cache-Control of a request or a response (RFC 9111 section 5.2), read once into flags and numbers. Unknown directives
 * are ignored (section 5.2.3); names are compared without case, values may be quoted.
 */
#ifndef FILMYFLY_HTTP_CONTROL_H
#define FILMYFLY_HTTP_CONTROL_H

#include "messages.h"

enum control_flags {
    CONTROL_NO_CACHE = 1 << 0,
    CONTROL_NO_STORE = 1 << 1,
    CONTROL_PRIVATE = 1 << 2,
    CONTROL_PUBLIC = 1 << 3,
    CONTROL_MUST_REVALIDATE = 1 << 4,
    CONTROL_PROXY_REVALIDATE = 1 << 5,
    CONTROL_MUST_UNDERSTAND = 1 << 6,
    CONTROL_ONLY_IF_CACHED = 1 << 7,
    CONTROL_MAX_AGE = 1 << 8, /* the number of that name is set */
    CONTROL_S_MAXAGE = 1 << 9,
    CONTROL_MAX_STALE = 1 << 10,
    CONTROL_MIN_FRESH = 1 << 11,
    CONTROL_SWR = 1 << 12, /* stale-while-revalidate */
    CONTROL_SIE = 1 << 13, /* stale-if-error */
    CONTROL_NO_TRANSFORM = 1 << 14,
};

#define CONTROL_FIELDS 8 /* fields that private= and no-cache= may name, both together; beyond: as without names */

struct control {
    uint32_t flags;
    uint32_t max_age, s_maxage, max_stale, min_fresh, swr, sie; /* seconds */
    uint32_t fields_n;
    struct str fields[CONTROL_FIELDS]; /* named by private="…" or no-cache="…" (sections 5.2.2.4, 5.2.2.7) */
};

/*
 * One line of the field; lines of one message are added up. What is said twice in different ways, or is no number, is
 * taken in the stricter sense (section 4.2.1): such a lifetime is 0.
 */
void control_add(struct control *control, struct str line);

/* All lines of `name`; true when there was one. */
bool control_read(struct control *control, const struct headers *headers, struct str name);

/* One directive that is already split; value STR_NONE without one. Unknown names are ignored. */
void control_directive(struct control *control, struct str name, struct str value);

/* The flag of a directive's name; 0 for one that is not known. */
uint32_t control_flag(struct str name);

#endif
