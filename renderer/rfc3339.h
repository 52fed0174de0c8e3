/* Times as feeds and APIs write them (RFC 3339), from those that PostgreSQL writes. */
#ifndef FILMYFLY_RFC3339_H
#define FILMYFLY_RFC3339_H

#include "arena.h"

/*
 * "2025-11-22 13:10:05.123456+00", or what is RFC 3339 already, becomes "2025-11-22T13:10:05Z": whole seconds. STR_NONE
 * when it is neither.
 */
struct str rfc3339_time(struct arena *arena, struct str time);

#endif
