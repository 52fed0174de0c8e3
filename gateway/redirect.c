#include "redirect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "reply.h"
#include "request.h"

#define KEPT "max-age=3600" /* a browser would keep a permanent redirect for ever, also one made by mistake */

static bool is_loopback(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        return false;
    }
    if (address.ss_family == AF_INET) {
        return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct in6_addr *six = &((struct sockaddr_in6 *)&address)->sin6_addr;
    return address.ss_family == AF_UNIX ||
           (address.ss_family == AF_INET6 &&
            (IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == IN_LOOPBACKNET)));
}

static bool others_can_come(const struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->n_http; i++) {
        if (!is_loopback(listeners->http[i])) {
            return true;
        }
    }
    return false;
}

/* "https://example.org:8443/x": host and port. False when it is no https address. */
static bool read_site(struct redirect *redirect, const char *site)
{
    if (strncmp(site, "https://", 8) != 0) {
        return false;
    }
    const char *host = site + 8;
    size_t n = strcspn(host, "/"), closed = *host == '[' ? strcspn(host, "]") : 0;
    const char *colon = memchr(host + closed, ':', n - closed);
    size_t host_n = colon ? (size_t)(colon - host) : n, port_n = n - host_n;
    if (host_n == 0 || host_n >= sizeof(redirect->host) || port_n >= sizeof(redirect->port)) {
        return false;
    }
    snprintf(redirect->host, sizeof(redirect->host), "%.*s", (int)host_n, host);
    snprintf(redirect->port, sizeof(redirect->port), "%.*s", (int)port_n, host + host_n);
    if (strcmp(redirect->port, ":443") == 0) {
        redirect->port[0] = '\0';
    }
    return true;
}

bool redirect_open(struct redirect *redirect, const struct settings *settings, const struct listeners *listeners,
                   char *error, size_t error_size)
{
    const char *mode = settings->http_mode;
    bool asked = strcmp(mode, "redirect") == 0;

    *redirect = (struct redirect){0};
    if (!asked && strcmp(mode, "auto") != 0 && strcmp(mode, "serve") != 0) {
        snprintf(error, error_size, "FILMYFLY_HTTP_MODE is \"%.20s\"; expected auto, redirect or serve.", mode);
        return false;
    }
    bool possible = read_site(redirect, settings->site);
    if (asked && !possible) {
        snprintf(error, error_size,
                 "FILMYFLY_HTTP_MODE is redirect, but FILMYFLY_SITE is \"%s\"; expected an address with https://.",
                 settings->site);
        return false;
    }
    bool here = listeners && listeners->n_https > 0 && others_can_come(listeners);
    redirect->on = asked || (possible && here && strcmp(mode, "auto") == 0);
    return true;
}

/* The host that was asked for, without its port; that of the site for who names none. */
static struct str host_for(const struct redirect *redirect, const h2o_req_t *req)
{
    struct str host = host_of(str_of_iovec(req->authority));
    return host.p ? host : str_of(redirect->host);
}

bool redirect_answer(const struct redirect *redirect, h2o_req_t *req)
{
    if (!redirect->on || req->conn->callbacks->get_socket(req->conn)->ssl ||
        str_eq(request_path(req), STR("/readyz"))) { /* asked by what looks after the machine, not by visitors */
        return false;
    }
    struct str host = host_for(redirect, req);
    struct str path = {req->path.base, (uint32_t)req->path.len};
    if (path.n == 0 || *path.p != '/') { /* OPTIONS * */
        path = STR("/");
    }
    size_t size = sizeof("https://") + host.n + sizeof(redirect->port) + path.n;
    char *location = h2o_mem_alloc_pool(&req->pool, size);
    snprintf(location, size, "https://%.*s%s%.*s", (int)host.n, host.p, redirect->port, (int)path.n, path.p);
    reply_header(req, H2O_TOKEN_LOCATION, location);
    reply_header(req, H2O_TOKEN_CACHE_CONTROL, KEPT);
    reply_header(req, H2O_TOKEN_CONTENT_TYPE, "text/plain; charset=utf-8");
    reply_bytes(req, request_is(req, "GET") || request_is(req, "HEAD") ? 301 : 308, STR("This site speaks HTTPS.\n"));
    return true;
}
