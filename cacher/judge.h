/*
 * What a shared answer may be, pure: which requests may wait for one answer together, what the renderer is asked for
 * them, and who of those who waited may have it. Rules of RFC 9110 and RFC 9111 by section.
 */
#ifndef FILMYFLY_JUDGE_H
#define FILMYFLY_JUDGE_H

#include "messages.h"

/*
 * Whether the request may wait for the answer to another's: GET or HEAD without content, without Authorization (RFC
 * 9111 section 3.5) and without Cookie, and with room for the line that the canonical GET adds.
 */
bool judge_may_share(const struct message *request, size_t body_bytes);

/*
 * The canonical GET: what the renderer is asked for all who wait. `out` gets method GET and the headers less Range, the
 * client's conditionals (RFC 9110 sections 13 and 14.2) and its Accept-Encoding, which becomes gzip; texts still point
 * into `request`.
 */
void judge_canonical(const struct message *request, struct message *out);

/*
 * Whether an answer is for more than the one who caused it: no Set-Cookie, no private, no no-store (RFC 9111
 * section 5.2.2). Errors of the server (5xx) are shared although they are not to be stored: asking again for each who
 * waits would make it worse.
 */
bool judge_is_shared(const struct message *response);

/* Whether an answer to `asked` fits `request`: each header that Vary names is the same in both (RFC 9111 section 4.1).
 */
bool judge_fits(const struct message *response, const struct headers *asked, const struct headers *request);

/*
 * Whether the answer may be 304 for this request: a GET or HEAD that was answered 200, and If-None-Match matches its
 * ETag weakly (RFC 9110 section 13.1.2; other methods have been done, and their answer tells how).
 */
bool judge_not_modified(const struct message *response, const struct message *request);

#endif
