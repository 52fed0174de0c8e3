/*
 * What a request's target may be. A path is decoded once, here, to see what it means; it travels on as it was written.
 * Pure; owns nothing.
 */
#ifndef FILMYFLY_GATEWAY_TARGET_H
#define FILMYFLY_GATEWAY_TARGET_H

#include "str.h"

/*
 * Is it a path that everybody behind reads alike? It begins with a slash, its percent-encoding is well-formed, and
 * decoded it has no NUL or other control character, no ".." between slashes of either kind, and is UTF-8 in its
 * shortest form (RFC 3629 section 3).
 */
bool target_path_is_proper(struct str path);

/* The most bytes that a body sent to this path may have, below the setting's own limit. */
uint64_t target_body_limit(struct str path, uint64_t body_max);

/* Is it, decoded, the path of a page that only who is logged in gets to see, or of the way there? */
bool target_is_of_editors(struct str path);

#endif
