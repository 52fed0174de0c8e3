/* Dates as HTTP writes them (RFC 9110 section 5.6.7), from those that PostgreSQL writes. */
#ifndef FILMYFLY_HTTP_DATE_H
#define FILMYFLY_HTTP_DATE_H

#include <time.h>

#include "arena.h"
#include "str.h"

/*
 * "2026-11-22 13:13:08.25+00", or a date alone, becomes "Sun, 22 Nov 2026 13:13:08 GMT". STR_NONE when it is none, not
 * in UTC, or later than now, which a Last-Modified must not be (RFC 9110 section 8.8.2.1).
 */
struct str http_date(struct arena *arena, struct str text, time_t now);

#endif
