/* How long a response is fresh and how old it is (RFC 9111 section 4.2). */
#ifndef FILMYFLY_HTTP_FRESH_H
#define FILMYFLY_HTTP_FRESH_H

#include "http_control.h"

/* When a reply was asked for and came. */
struct arrival {
    uint64_t asked, came; /* milliseconds of the cache's clock */
    int64_t wall;         /* seconds since 1970 when it came: only to be held against Date */
};

struct lifetime {
    uint32_t seconds;
    bool stated;    /* the origin said so: max-age, s-maxage or Expires */
    bool heuristic; /* guessed from Last-Modified */
};

/*
 * Section 4.2.1: s-maxage, else max-age, else Expires less Date; what is malformed or contradicts itself is 0.
 * `control` is that of the targeted field when there is one; then Expires does not count (RFC 9213 section 2.2). With
 * `heuristics`, and only for statuses that permit it (section 4.2.2), a tenth of the time since Last-Modified, one day
 * at most.
 */
struct lifetime fresh_lifetime(const struct control *control, bool targeted, uint64_t status,
                               const struct headers *headers, int64_t wall, bool heuristics);

/* Section 4.2.3: the age when it came, in milliseconds, from Date, Age and the time it took. */
uint64_t fresh_initial_age(const struct headers *headers, const struct arrival *arrival);

/* Is the status one that may be given a lifetime by guess (RFC 9110 section 15.1)? */
bool status_is_heuristic(uint64_t status);

#endif
