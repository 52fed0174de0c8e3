/*
 * What every answer says to browsers beside its own header lines, as one table: pages from the store or not, static
 * files, the gateway's own pages, 304, redirects, errors. It is added last, behind the cache, so that a new table
 * holds for what is stored already. An origin's own line of such a name does not pass: there is one policy.
 */
#ifndef FILMYFLY_GATEWAY_HEADERS_H
#define FILMYFLY_GATEWAY_HEADERS_H

#include <h2o.h>

#include "str.h"

/* Makes the table, once, before any loop runs. hsts: seconds of Strict-Transport-Security; 0: it is not sent. */
void headers_make(uint64_t hsts);

/* Adds the table's lines, of Cross-Origin-Opener-Policy on the pages of editors only. They are static: nothing is
 * copied or written for an answer but the list itself. */
void headers_add_table(h2o_req_t *req);

/*
 * Is a line of this name, in small letters, the gateway's to say? True for the table's names, for those of CORS
 * (cors.h), and for what tells strangers which program made an answer.
 */
bool headers_own(struct str name);

#endif
