/*
 * The names that the site answers to. What another name asks for is refused with 421 (RFC 9110 section 7.4): links and
 * stored pages would carry whatever a stranger writes into Host. Ports are not looked at: what is in front may use
 * others than this machine.
 */
#ifndef FILMYFLY_GATEWAY_HOSTS_H
#define FILMYFLY_GATEWAY_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

#define HOSTS_MOST 64

struct hosts;

/*
 * names: the setting FILMYFLY_HOSTS, which must live on: names with spaces or commas between, "*.films.example" for all
 * below it, "*" for any; empty: the host of `site` ("https://films.example:8443"). NULL with one sentence in error when
 * there is something else in it.
 */
struct hosts *hosts_new(const char *names, const char *site, char *error, size_t error_size);
void hosts_free(struct hosts **hosts);

/* The authority without its port; the brackets of an IPv6 address stay. STR_NONE when it is none. */
struct str host_of(struct str authority);

/* Is the authority ("films.example:8443") one of the site's? This machine's own loopback names always are. */
bool hosts_know(const struct hosts *hosts, struct str authority);

#endif
