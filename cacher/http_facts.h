/*
 * What a request says that a cache must know, read once from its header lines, in any order and from any kind of list.
 * Texts point into the request.
 */
#ifndef FILMYFLY_HTTP_FACTS_H
#define FILMYFLY_HTTP_FACTS_H

#include "http_control.h"

/* The one cookie that makes a request personal, when its value has the form of a session's token: 256 bits in the
 * alphabet of base64url (RFC 4648 section 5) without padding. Other cookies do not reach the renderer. */
#define SESSION_COOKIE       "__Host-session"
#define SESSION_COOKIE_BYTES 43

#define FACTS_LINES 4 /* lines of If-None-Match; with more the field is taken as one that does not match */

enum fact_flags {
    FACT_READS = 1 << 0,        /* GET or HEAD */
    FACT_HEAD = 1 << 1,         /* HEAD */
    FACT_SAFE = 1 << 2,         /* GET, HEAD, OPTIONS, TRACE (RFC 9110 section 9.2.1) */
    FACT_PERSONAL = 1 << 3,     /* Authorization, or a session cookie */
    FACT_CONTENT = 1 << 4,      /* has a body; the owner sets it */
    FACT_DISCONNECTED = 1 << 5, /* nobody to ask (RFC 9111 section 4.2.4); the owner sets it */
    FACT_GZIP = 1 << 6,         /* takes that coding */
    FACT_BROTLI = 1 << 7,
    FACT_PRAGMA = 1 << 8,        /* Pragma: no-cache */
    FACT_CACHE_CONTROL = 1 << 9, /* there was a Cache-Control */
    FACT_MANY_RANGES = 1 << 10,  /* Range in several lines */
    FACT_MANY_MATCHES = 1 << 11, /* If-None-Match in more than FACTS_LINES */
    FACT_ANY_CODING = 1 << 12,   /* "*", for those that are not named */
    FACT_GZIP_NAMED = 1 << 13,
};

struct request_facts {
    uint32_t flags;
    struct control control;
    uint32_t if_none_match_n;
    struct str if_none_match[FACTS_LINES];
    struct str if_modified_since, range, if_range; /* STR_NONE without one */
    struct str session;                            /* the token of the session cookie, or STR_NONE */
};

void facts_begin(struct request_facts *facts, struct str method);
void facts_add(struct request_facts *facts, struct str name, struct str value);
void facts_end(struct request_facts *facts);

/* All three, of a REQUEST. */
void facts_read(struct request_facts *facts, const struct message *request, size_t body_bytes);

/* May it be answered from the store at all, and its answer be another's? */
static inline bool facts_may_share(const struct request_facts *facts)
{
    return (facts->flags & (FACT_READS | FACT_PERSONAL | FACT_CONTENT)) == FACT_READS;
}

/* RFC 9111 section 5.2.1.4; section 5.4: Pragma counts where there is no Cache-Control. */
static inline bool facts_no_cache(const struct request_facts *facts)
{
    return facts->control.flags & CONTROL_NO_CACHE ||
           (facts->flags & (FACT_PRAGMA | FACT_CACHE_CONTROL)) == FACT_PRAGMA;
}

#endif
