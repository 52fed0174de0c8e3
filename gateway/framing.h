/*
 * Where a request of HTTP/1.1 begins and ends must be one thing to everybody who reads it (RFC 9112 section 6.3, 11.2):
 * what could be read in two ways is refused and its connection closed. Looks at the header lines as they came, since
 * libh2o keeps the last Host and the first length without a word of the others. Pure; owns nothing.
 */
#ifndef FILMYFLY_GATEWAY_FRAMING_H
#define FILMYFLY_GATEWAY_FRAMING_H

#include <stdbool.h>
#include <sys/types.h>

#include "pages.h"

#define FRAMING_HEAD_MAX ((64 << 10) + (16 << 10)) /* bytes of a request's head that are waited for */

/* A header line as picohttpparser gives it, which libh2o has inside and whose header it does not install. */
struct phr_header {
    const char *name; /* NULL: a line that goes on with the one before */
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* What picohttpparser remembers between two pieces of a chunked body; all zero at its beginning. */
struct phr_chunked_decoder {
    size_t left; /* bytes of the chunk that are still to come */
    char consume_trailer;
    char digits; /* of its size */
    char state;
};

/* What a head says will follow it. */
struct framing_body {
    size_t length; /* bytes; 0 where it says none; SIZE_MAX: more than can be counted */
    bool chunked;  /* as many as will come */
};

/*
 * What is wrong with a whole head: PAGE_NONE, or the page that refuses it. Cuts white space off the ends of the values
 * (RFC 9112 section 5).
 */
enum page framing_check(struct phr_header *lines, size_t n, int minor_version, struct framing_body *body);

/*
 * Takes the chunked coding off the next *n bytes of a body, in place (RFC 9112 section 7.1): *n is what is left of
 * them. Of the body at most *room bytes are kept, which is counted down; the rest is passed over. Trailers are, too.
 *
 * As picohttpparser: -2: there is more to come; -1: the coding is broken, or could be read in two ways; otherwise the
 * body is complete, and so many bytes that followed it stand behind what is left.
 */
ssize_t framing_decode(struct phr_chunked_decoder *decoder, char *bytes, size_t *n, size_t *room);

/* What is wrong with a head that is not whole yet after n bytes: PAGE_NONE while it may go on. */
enum page framing_check_unfinished(const char *bytes, size_t n);

#endif
