/*
 * In which form a stored page answers a request: whole, as 304, or in part. Conditions of clients are RFC 9110 section
 * 13, ranges section 14, their use by a cache RFC 9111 section 4.3.2. If-Match and If-Unmodified-Since are not for
 * caches.
 */
#ifndef FILMYFLY_HTTP_CONDITION_H
#define FILMYFLY_HTTP_CONDITION_H

#include "http_facts.h"
#include "meta.h"

enum form {
    FORM_WHOLE,
    FORM_NOT_MODIFIED,  /* 304 */
    FORM_PART,          /* 206, of the identity coding */
    FORM_UNSATISFIABLE, /* 416, with Content-Range: bytes * /length */
};

struct part {
    uint32_t first, n, whole; /* bytes of the identity coding */
};

/*
 * The form for a request that the page may answer. A part is chosen only of a page with status 200 whose plain length
 * is known; several ranges, and what is no range, are answered whole. `part` is set for PART, and its `whole` for
 * UNSATISFIABLE.
 */
enum form condition_form(const struct request_facts *facts, const struct meta *meta, struct part *part);

/* Do two entity tags match weakly or strongly (RFC 9110 section 8.8.3.2)? */
bool etag_weakly(struct str x, struct str y);
bool etag_strongly(struct str x, struct str y);

#endif
