/* The dates of HTTP (RFC 9110 section 5.6.7): the form that is written today and the two old ones that are still read.
 */
#ifndef FILMYFLY_HTTP_DATE_H
#define FILMYFLY_HTTP_DATE_H

#include "str.h"

/*
 * Seconds since 1970. `now`, of the same clock, places the two digits of a year in the oldest form: a date that would
 * be more than 50 years ahead is in the past. False for any other text; what is not a date has no say.
 */
bool date_read(struct str text, int64_t now, int64_t *seconds);

#endif
