/*
 * May a response be stored, and given to others (RFC 9111 section 3)? And what of it is stored.
 */
#ifndef FILMYFLY_HTTP_STORE_H
#define FILMYFLY_HTTP_STORE_H

#include "changes.h"
#include "http_facts.h"
#include "http_fresh.h"
#include "meta.h"

enum store_kind {
    STORE_NOT,   /* for the one who asked, and nobody else */
    STORE_KEEP,  /* stored, but each use of it has to be asked for: others are not given this answer */
    STORE_SHARE, /* stored, and for all who wait */
    STORE_ERROR, /* 500, 502, 503, 504: for all who wait, unless `for_one`; never stored */
};

/* Why; the text is the detail in Cache-Status. */
#define STORE_REASONS(X)                                                                                               \
    X(STORED, "stored")                                                                                                \
    X(METHOD, "method")                                                                                                \
    X(PERSONAL, "personal-request")                                                                                    \
    X(REQUEST_NO_STORE, "request-no-store")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                                        \
    X(NO_STORE, "no-store")                                                                                            \
    X(PRIVATE, "private")                                                                                              \
    X(VARY, "vary")                                                                                                    \
    X(STATUS, "status")                                                                                                \
    X(NO_LIFETIME, "no-lifetime")                                                                                      \
    X(NO_CACHE, "no-cache")                                                                                            \
    X(SERVER_ERROR, "server-error")                                                                                    \
    X(TAGS, "too-many-tags")                                                                                           \
    X(SIZE, "too-long")                                                                                                \
    X(FIELDS, "malformed-field")

enum store_reason {
#define X(NAME, TEXT) STORE_##NAME,
    STORE_REASONS(X)
#undef X
        STORE_REASON_COUNT
};

const char *store_reason_text(enum store_reason reason);

struct store_policy {
    bool heuristics; /* lifetimes may be guessed where the RFC permits it (section 4.2.2) */
};

struct judgement {
    enum store_kind kind;
    enum store_reason reason;
    struct control control; /* the one that counts */
    bool for_one;           /* ERROR: the answer has what is meant for the one who asked */
};

/*
 * The judgement on a final response to a GET. Of KEEP and SHARE, meta has status, flags, born, arrived, lifetime, swr
 * and sie then, and nothing else. A 304 to a validation is merged first (http_validate.h).
 */
struct judgement store_judge(const struct request_facts *facts, const struct message *response,
                             const struct arrival *arrival, const struct store_policy *policy, struct meta *meta);

/*
 * The header lines to store, as pairs (section 3.1): without those of the connection, those that private= and no-cache=
 * name, and what is made anew for each answer (Content-Length, Age, Cache-Status). What was meant for us
 * (CDN-Cache-Control) is stored, since a 304 need not say it again, and left out of answers (http_answer.h). Names are
 * in small letters then, so that gateways can send the lines as they are. `out->failed` when they are too long.
 */
void store_headers(const struct judgement *judgement, const struct headers *headers, struct buffer *out);

#define STORE_ROW_TAGS 128 /* row tags of a page; with more it keeps only the broad ones */

/*
 * The tags of a response: the hashes of its row tags, and the slots of the broad ones. With more than STORE_ROW_TAGS
 * row tags only the broad ones remain; false when there are none: such a page would never hear of a change.
 */
bool store_tags(const struct tags *tags, const struct hash *seed, struct epochs *epochs,
                uint64_t row_tags[STORE_ROW_TAGS], uint32_t *n, uint32_t *broad);

/* A field of one connection, never passed on (RFC 9110 section 7.6.1), or that only tells of HTTP/1.1's framing. */
bool name_is_hop_by_hop(struct str name);
/* The same, also by being named in a Connection line. */
bool header_is_hop_by_hop(const struct headers *headers, struct str name);

/* 500, 502, 503, 504: what stale-if-error means by an error (RFC 5861 section 4). */
static inline bool status_is_error(uint64_t status)
{
    return status == 500 || (status >= 502 && status <= 504);
}

#endif
