/*
 * What to do with a request, given the record of its page: the judgement that gateways make on each hit, and the cacher
 * again when it is asked. Pure, no allocation, well under a microsecond. docs/life-of-a-key.md says it as a table.
 */
#ifndef FILMYFLY_VERDICT_H
#define FILMYFLY_VERDICT_H

#include "changes.h"
#include "http_condition.h"
#include "http_facts.h"
#include "meta.h"

#define CHANGED_GRACE 1000 /* ms that a page stale by change may be served while it is refreshed */
#define VALID_FOR     1000 /* ms after a validation in which a visitor's wish for another is not followed */

enum state {
    STATE_ABSENT,
    STATE_FRESH,
    STATE_STALE_BY_AGE,
    STATE_STALE_BY_CHANGE, /* by age it may be fresh or stale */
    STATE_GONE,
};

struct standing {
    enum state state;
    uint64_t age;        /* ms (RFC 9111 section 4.2.3) */
    uint64_t stale_for;  /* ms beyond its lifetime; 0 when fresh by age */
    uint64_t changed_at; /* STALE_BY_CHANGE: when it first changed; 0 when that is not known: long ago */
};

/* now: milliseconds of the cache's clock, as everywhere here. meta may be NULL: ABSENT. */
struct standing standing_of(const struct meta *meta, uint64_t now, const struct epochs *epochs);

enum verdict {
    VERDICT_SERVE,             /* the stored page, nobody is asked */
    VERDICT_SERVE_AND_REFRESH, /* the stored page, and behind it a refresh */
    VERDICT_REVALIDATE,        /* there is a page, but it has to be asked for */
    VERDICT_ASK,               /* there is none */
    VERDICT_PASS,              /* not for the cache: its own request to the origin */
    VERDICT_GATEWAY_TIMEOUT,   /* 504: nothing may be given, and nobody asked */
};

/* X-Cache-Status. */
#define CACHE_WORDS(X) X(MISS) X(HIT) X(STALE) X(UPDATING) X(EXPIRED) X(BYPASS)

enum cache_word {
#define X(NAME) WORD_##NAME,
    CACHE_WORDS(X)
#undef X
};

/* Why the page was not simply given; the text is the detail in Cache-Status. */
#define VERDICT_REASONS(X)                                                                                             \
    X(NOTHING, "")                                                                                                     \
    X(ABSENT, "absent")                                                                                                \
    X(GONE, "gone")                                                                                                    \
    X(AGE, "age")                                                                                                      \
    X(CHANGED, "changed")                                                                                              \
    X(NO_CACHE, "no-cache")                                                                                            \
    X(REQUEST, "request-control")                                                                                      \
    X(METHOD, "method")                                                                                                \
    X(PERSONAL, "personal")                                                                                            \
    X(NOT_TO_STORE, "request-no-store")                                                                                \
    X(DISCONNECTED, "disconnected")                                                                                    \
    X(FAILED, "refresh-failed")                                                                                        \
    X(HELD, "held-down")                                                                                               \
    X(UNCACHEABLE, "uncacheable")                                                                                      \
    X(FULL, "too-many")

enum verdict_reason {
#define X(NAME, TEXT) WHY_##NAME,
    VERDICT_REASONS(X)
#undef X
};

const char *verdict_reason_text(enum verdict_reason reason);
const char *cache_word_text(enum cache_word word);

struct notes {
    struct standing standing;
    enum cache_word word;
    enum verdict_reason why;
    bool forwarded;      /* the origin was asked before the page was given after all */
    uint32_t fwd_status; /* its status, 0 when it gave none */
    enum form form;      /* of the stored page, when it is served */
    struct part part;
};

/* meta: the record of the request's key (and variant), or NULL. notes may be NULL. */
enum verdict cache_verdict(const struct request_facts *facts, const struct meta *meta, uint64_t now,
                           const struct epochs *epochs, struct notes *notes);

/*
 * The rules of failure: may the page be given although it should have been asked for? `answered`: the origin did
 * answer, with an error (500, 502, 503, 504); otherwise nobody answered (RFC 9111 section 4.2.4, RFC 5861 section 4).
 */
bool verdict_may_rescue(const struct meta *meta, uint64_t now, const struct epochs *epochs, bool answered);

#endif
