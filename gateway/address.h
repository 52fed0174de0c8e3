/*
 * Addresses of clients, all in one form, and whose word about a client's address counts: a proxy in front of the
 * gateway tells whom it speaks for in X-Forwarded-For (or CF-Connecting-IP), which anybody else could invent.
 */
#ifndef FILMYFLY_GATEWAY_ADDRESS_H
#define FILMYFLY_GATEWAY_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "str.h"

/* An IPv6 address; IPv4 is ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). All zero: not known. */
struct address {
    unsigned char byte[16];
};

#define ADDRESS_TEXT   INET6_ADDRSTRLEN
#define PROXIES_MAX    64
#define ADDRESS_ORIGIN 64 /* bits of an IPv6 address that tell clients apart: who has one has all of them below */

struct address address_of(const struct sockaddr_storage *from);

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]:443", "192.0.2.1:443". False when it is none of them. */
bool address_parse(struct str text, struct address *address);

/* Into `buffer` of at least ADDRESS_TEXT; "" when it is not known. */
struct str address_print(const struct address *address, char *buffer);

bool address_is_known(const struct address *address);
bool address_is_loopback(const struct address *address);
bool address_same(const struct address *a, const struct address *b);

/* What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address. */
struct address address_client(const struct address *address);

struct proxies {
    struct {
        struct address address;
        unsigned bits;
    } range[PROXIES_MAX];
    unsigned n;
};

/* FILMYFLY_TRUSTED_PROXIES: addresses and ranges ("10.0.0.0/8") with commas or blanks between. False with one sentence
 * in error. */
bool proxies_parse(struct proxies *proxies, const char *list, char *error, size_t error_size);

bool proxies_trust(const struct proxies *proxies, const struct address *address);

/*
 * The client that a trusted peer speaks for. forwarded: all its X-Forwarded-For lines, joined; read from the right, the
 * first address that is no trusted proxy is the client, for what stands left of it is the client's own word.
 * cloudflare: CF-Connecting-IP, which counts only when there is no X-Forwarded-For: a proxy that does not know that
 * field passes on what a client invents. STR_NONE: there is none. The peer itself when neither says anything.
 */
struct address proxies_client(const struct proxies *proxies, const struct address *peer, struct str forwarded,
                              struct str cloudflare);

#endif
