/*
 * Where the database is and how to get there: a libpq URL taken apart, and the addresses behind its host names. libpq
 * would resolve names while everything waits; here a thread of its own does it, and libpq is only ever given addresses.
 * Passwords stay inside.
 */
#ifndef FILMYFLY_ENDPOINTS_H
#define FILMYFLY_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoints;

#define ENDPOINT_KEYWORDS 64

/* What PQconnectStartParams takes; valid until the next call of endpoints_pick or endpoints_ready. */
struct endpoint {
    const char *keywords[ENDPOINT_KEYWORDS];
    const char *values[ENDPOINT_KEYWORDS];
};

/* variable: the setting that it comes from, to be named in errors. NULL with one sentence, which never shows the URL,
 * when it is neither a URL nor "key=value …". */
struct endpoints *endpoints_new(const char *variable, const char *url, char *error, size_t error_size);
void endpoints_free(struct endpoints **endpoints);

/*
 * True when there are addresses to try. Otherwise a look-up is under way, or just failed (it is tried again within a
 * second): ask again at the next tick. Addresses are looked up anew when they are older than 5 s.
 */
bool endpoints_ready(struct endpoints *endpoints, uint64_t now);
/* The address for this attempt: several are tried one after another, attempt 0 the first. */
const struct endpoint *endpoints_pick(struct endpoints *endpoints, unsigned attempt);
/* How many addresses there are now. */
unsigned endpoints_count(const struct endpoints *endpoints);

/* Seconds that connecting may take: connect_timeout of the URL, 5 without one. */
unsigned endpoints_patience(const struct endpoints *endpoints);

/* PQerrorMessage and the like as one line, without the newline at its end. */
const char *endpoints_one_line(const char *text, char *space, size_t size);

#endif
