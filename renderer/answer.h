/*
 * From a finished page to a RESPONSE: status, header lines, entity tag, encoding. What caches may do is said in
 * standard headers only (RFC 9111, 5861, 9213), so that any cache on the way treats the pages rightly.
 */
#ifndef FILMYFLY_ANSWER_H
#define FILMYFLY_ANSWER_H

#include "gzip.h"
#include "router.h"
#include "settings.h"

struct answer {
    unsigned status;
    enum route_form form;
    enum route_freshness fresh;
    struct str body;     /* identity bytes */
    struct str location; /* or STR_NONE, as are the next two */
    struct str allow;
    struct str speculation;  /* the address of the rules that say what a browser may load ahead */
    uint64_t retry_after;    /* seconds; 0: none */
    bool noindex;            /* search engines leave it out */
    const struct tags *tags; /* or NULL */
};

/* What the client said about the answer that it wants. */
struct wishes {
    bool gzip;
    struct str if_none_match; /* or STR_NONE */
};

struct answer_writer;

struct answer_writer *answer_writer_new(const struct settings *settings);
void answer_writer_free(struct answer_writer **writer);

/*
 * Fills the message (its texts live until the next call) and the body. A 200 was last modified now; one whose entity
 * tag the client has becomes a 304 without a body, which says nothing of that.
 */
void answer_write(struct answer_writer *writer, const struct answer *answer, const struct wishes *wishes,
                  struct message *message, zmq_msg_t *body);

#endif
