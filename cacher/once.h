/* Remembers for which keys something was done within the last second. Bounded: a newer key takes an older's place, and
 * then something may be done twice. */
#ifndef FILMYFLY_ONCE_H
#define FILMYFLY_ONCE_H

#include "hash.h"

#define ONCE_PLACES 4096
#define ONCE_EVERY  1000 /* ms */

struct once {
    struct {
        uint64_t key, at;
    } place[ONCE_PLACES];
};

/* True when it has not been true for this key within the last second. A zeroed struct is an empty one. */
bool once_may(struct once *once, struct hash key, uint64_t now);

#endif
