/*
 * The keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1): a random one every hour, the two before it still
 * understood, so that a stolen key opens three hours of tickets and no more. They lie in a file of the run directory
 * (0600): all gateways of the directory share them, and who comes back after a restart resumes.
 *
 * The main thread turns them; the loops read them in the midst of a handshake, behind a mutex that is held for the
 * copying of a key.
 */
#ifndef FILMYFLY_GATEWAY_TICKETS_H
#define FILMYFLY_GATEWAY_TICKETS_H

#include <openssl/ssl.h>

struct tickets;

/*
 * Takes the keys of the file, or makes both. Never NULL: a file that cannot be used is said in the log, and the keys
 * are this process's own. To the end of the process: contexts point to it.
 */
struct tickets *tickets_open(const char *run_dir);

/* Once a second: takes what another gateway wrote, and makes a new key when the newest is an hour old. */
void tickets_turn(struct tickets *tickets);

/* Makes a context use them. */
void tickets_use(struct tickets *tickets, SSL_CTX *ctx);

#endif
