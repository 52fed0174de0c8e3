/* Dates as HTTP writes them (RFC 9110 section 5.6.7). */
#ifndef FILMYFLY_RENDERER_HTTP_DATE_H
#define FILMYFLY_RENDERER_HTTP_DATE_H

#include <time.h>

#include "str.h"

#define HTTP_DATE_SIZE 30 /* with the NUL behind it */

/* "Sun, 22 Nov 2026 13:13:08 GMT". The text is in `out`; STR_NONE for a year that has not four digits. */
struct str http_date(time_t time, char out[HTTP_DATE_SIZE]);

#endif
