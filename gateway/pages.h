/*
 * The gateway's own pages: what a visitor sees when nobody behind it answers, or when a request is refused at the
 * border. Made once at the start, complete in themselves but for the site's stylesheet, which the gateway serves too.
 * Under /api/ a problem (RFC 9457) stands for each.
 */
#ifndef FILMYFLY_GATEWAY_PAGES_H
#define FILMYFLY_GATEWAY_PAGES_H

#include <h2o.h>

struct files;

/* X(name, status, title, sentence) */
#define PAGES(X)                                                                                                       \
    X(BAD_REQUEST, 400, "Bad request", "The browser sent something that is not a proper HTTP request.")                \
    X(NOT_FOUND, 404, "Page not found", "There is nothing at this address.")                                           \
    X(METHOD_NOT_ALLOWED, 405, "Not allowed", "This address can only be read.")                                        \
    X(TARGET_TOO_LONG, 414, "Address too long", "The address is longer than 8,192 characters.")                        \
    X(BODY_TOO_LARGE, 413, "Too much was sent", "What the browser sent is larger than this address takes.")            \
    X(NOT_EXPECTED, 417, "Not expected", "The browser expects something that is not done here.")                       \
    X(MISDIRECTED, 421, "Not this site", "The name that was asked for is none of this site's.")                        \
    X(TOO_MANY, 429, "Too many requests", "More was asked from your address than is answered at a time.")              \
    X(FIELDS_TOO_LARGE, 431, "Request too large",                                                                      \
      "The browser sent more header data than is taken here, often because of cookies.")                               \
    X(BROKEN, 500, "Something went wrong", "This page could not be made. The fault is ours and has been noted.")       \
    X(NOT_IMPLEMENTED, 501, "Not supported", "This kind of request is not supported.")                                 \
    X(BAD_GATEWAY, 502, "No usable answer", "The part of the site that makes this page gave no usable answer.")        \
    X(UNAVAILABLE, 503, "One moment, please", "The part of the site that makes this page is away for a moment.")       \
    X(BUSY, 503, "Very busy", "More visitors than usual are here right now.")                                          \
    X(NOT_STORED, 504, "Not in the cache",                                                                             \
      "The browser asked for a stored copy of this page only, and there is none.")                                     \
    X(UNKNOWN, 503, "Please send it again", "It is not known whether your change was saved; sending it again is safe.")

enum page {
    PAGE_NONE,
#define X(name, status, title, sentence) PAGE_##name,
    PAGES(X)
#undef X
        PAGE_COUNT
};

/* Makes the pages, once, before any loop runs. files: for the stylesheet's name; may be NULL. */
void pages_make(const struct files *files);
void pages_free(void);

/* The page that says this status, best of all: BAD_REQUEST for a 4xx that has none, BROKEN for others. */
enum page page_of_status(int status);

/* Sends the page, never to be stored. retry_after: seconds, for Retry-After with a 503; 0 leaves it out. Headers that
 * were added before stay. */
void page_send(h2o_req_t *req, enum page page, unsigned retry_after);

#endif
