/* What an answer tells of how the cache came to it: Cache-Status (RFC 9211), one member of ours. */
#ifndef FILMYFLY_HTTP_CACHE_STATUS_H
#define FILMYFLY_HTTP_CACHE_STATUS_H

#include <stddef.h>

#include "verdict.h"

#define CACHE_STATUS_SIZE 160

struct cache_note {
    enum cache_word word;
    enum verdict_reason why;
    bool forwarded;      /* the origin was asked for this answer */
    uint32_t fwd_status; /* its status, 0 when it gave none */
    bool stored;         /* the answer was stored */
    bool collapsed;      /* it was asked once for several */
    bool variant;        /* the page varies, and this was asked for because of its own values */
    bool has_ttl;        /* of a stored page: seconds left, negative when it is stale */
    int64_t ttl;
    const char *not_stored; /* NULL, or why the answer was not stored */
};

/* "FilmyFly; hit; ttl=1200": the number of bytes; text is terminated. */
size_t cache_status_write(const struct cache_note *note, char text[CACHE_STATUS_SIZE]);

/* The seconds left of a page's lifetime. */
int64_t cache_ttl(const struct meta *meta, const struct standing *standing);

#endif
