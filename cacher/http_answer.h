/*
 * The header lines of an answer that is made of a stored page (RFC 9111 section 4): what is stored, as far as it holds
 * for this answer, then what is made anew each time. For gateways, on a hit, and for the cacher, when somebody waited.
 */
#ifndef FILMYFLY_HTTP_ANSWER_H
#define FILMYFLY_HTTP_ANSWER_H

#include "http_cache_status.h"
#include "store.h"
#include "verdict.h"

/* Room for what is made anew; it and the copy must live as long as the lines. */
struct answer_texts {
    char age[DECIMAL_BYTES], status[CACHE_STATUS_SIZE];
};

typedef void answer_line(void *user, struct str name, struct str value);

/*
 * Calls line for each, names in small letters. copy: the bytes of meta->headers, in memory of the caller's that is
 * written to. coding: of the body that is sent; STORE_IDENTITY without one. Of notes it needs word, why, standing, form
 * and what is said of forwarding.
 */
void answer_lines(const struct meta *meta, char *copy, const struct notes *notes, enum store_encoding coding,
                  struct answer_texts *texts, answer_line *line, void *user);

#endif
