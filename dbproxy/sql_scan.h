/* A look at a statement's SQL that understands just enough to tell code from strings and comments: which $n it uses,
 * and where it ends. */
#ifndef FILMYFLY_SQL_SCAN_H
#define FILMYFLY_SQL_SCAN_H

#include <stdint.h>

struct sql_scan {
    uint64_t used;     /* bit n-1 is set when $n is used, n from 1 to 64 */
    const char *large; /* the first $n with n = 0 or n > 64, or NULL */
    const char *end;   /* the ';' that ends the first statement, or the terminating NUL */
    const char *more;  /* the first thing after that which is neither blank nor comment, or NULL */
};

/* sql is NUL-terminated; an unclosed string or comment ends at the end. */
struct sql_scan sql_scan(const char *sql);

#endif
