/*
 * Who may read the API from a page of another site (Fetch standard, section 3.2): by default everybody, since nothing
 * there depends on who asks, else the origins of a list. Never with credentials. The lines are added behind the cache,
 * so one stored answer serves all origins. Preflights are answered here and reach nobody else.
 */
#ifndef FILMYFLY_GATEWAY_CORS_H
#define FILMYFLY_GATEWAY_CORS_H

#include <h2o.h>
#include <stdbool.h>

#include "str.h"

#define CORS_ORIGINS 32

/*
 * Takes the setting, which must live on: "*", or up to CORS_ORIGINS origins ("https://films.example") with spaces or
 * commas between, or empty for nobody. False with one sentence in error when it is none of these. Once, before any
 * loop runs.
 */
bool cors_make(const char *origins, char *error, size_t error_size);

/* Is the path one that CORS is for? */
bool cors_covers(struct str path);

/* Adds what an answer under /api/ says to browsers about the request's origin; nothing elsewhere. */
void cors_add_lines(h2o_req_t *req);

/* Answers a preflight under /api/; false when the request is none. */
bool cors_answer_preflight(h2o_req_t *req);

/* The list's spelling of the origin: "*" when all may read, STR_NONE when this one may not. */
struct str cors_allowed(struct str origin);

#endif
