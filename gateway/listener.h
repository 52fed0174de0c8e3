/*
 * The listening sockets: handed over by a holder as systemd does (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES with the names
 * "http" and "https"), so that they stay open while the gateway restarts; or opened here, one for each loop and
 * address, with SO_REUSEPORT.
 */
#ifndef FILMYFLY_GATEWAY_LISTENER_H
#define FILMYFLY_GATEWAY_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

#define LISTENERS_MAX 64 /* of each kind; also the most loops */

struct listeners {
    int http[LISTENERS_MAX],
        https[LISTENERS_MAX]; /* descriptors, non-blocking; each belongs to the loop that serves it */
    unsigned n_http, n_https;
    bool handed; /* others hold them too: what waits in their queues is not lost when we close */
};

/* False with one sentence in error. Unsets the LISTEN_ variables. */
bool listeners_open(struct listeners *listeners, const struct settings *settings, char *error, size_t error_size);

/* As many as this process may use, and no more than there may be loops. */
unsigned listener_processors(void);

/* Loops needed so that every socket is served: a listening socket that nobody serves loses its clients. */
unsigned listeners_loops(const struct listeners *listeners);

/*
 * Splits "127.0.0.1:8080", "[::1]:8080", "*:80" or ":80" into host ("" is any) and port. False when it has no such
 * form.
 */
bool listener_split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size);

#endif
