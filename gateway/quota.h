/*
 * What one client may take: connections, and requests that the store could not answer. One table for the process, of
 * fixed size, shared by all loops; who is not in it and finds no room, because every place he could have belongs to a
 * client with something open, is not limited (the connections in all are).
 *
 * A client is an address (address_client). Loopback addresses are exempt unless FILMYFLY_LIMIT_LOOPBACK says otherwise.
 */
#ifndef FILMYFLY_GATEWAY_QUOTA_H
#define FILMYFLY_GATEWAY_QUOTA_H

#include "address.h"
#include "settings.h"

struct quota;

/* Never freed: the loops see it to the end of the process. NULL: out of memory. */
struct quota *quota_new(const struct settings *settings);

/* What the table thinks of a connection or a request, to be given back at its end. */
enum quota_grant {
    QUOTA_REFUSED,
    QUOTA_EXEMPT,  /* allowed, not counted */
    QUOTA_COUNTED, /* allowed, and counted until it is given back */
};

/* A new connection. now: CLOCK_MONOTONIC, ns. */
enum quota_grant quota_connect(struct quota *quota, const struct address *client, uint64_t now);
void quota_disconnect(struct quota *quota, const struct address *client, enum quota_grant grant);

/* A request for the pipeline. When it is refused, *retry_after is in how many seconds it would not be. */
enum quota_grant quota_ask(struct quota *quota, const struct address *client, uint64_t now, unsigned *retry_after);
void quota_answered(struct quota *quota, const struct address *client, enum quota_grant grant);

#endif
