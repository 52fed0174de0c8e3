#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_HANDED 3 /* as sd_listen_fds(3) says */

bool listener_split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1] || strlen(colon + 1) >= port_size || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        return false;
    }
    size_t n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    } else if (memchr(address, ':', n)) {
        return false; /* IPv6 without brackets */
    }
    if (n == 1 && *address == '*') {
        n = 0;
    }
    if (n >= host_size) {
        return false;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    snprintf(port, port_size, "%s", colon + 1);
    return true;
}

static bool set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static bool add(int *list, unsigned *n, int fd)
{
    if (*n == LISTENERS_MAX) {
        return false;
    }
    list[(*n)++] = fd;
    return true;
}

/* Sorts the descriptors that were handed over by their names. */
static bool take_handed(struct listeners *listeners, unsigned n, const char *names, char *error, size_t error_size)
{
    for (unsigned i = 0; i < n; i++) {
        int fd = FIRST_HANDED + (int)i;
        size_t length = strcspn(names, ":");
        bool http = length == 4 && strncmp(names, "http", length) == 0;
        bool https = length == 5 && strncmp(names, "https", length) == 0;
        if (!http && !https) {
            snprintf(error, error_size,
                     "Descriptor %d was handed over under the name \"%.*s\" (LISTEN_FDNAMES); expected http or https.",
                     fd, (int)(length < 64 ? length : 64), names);
            return false;
        }
        if (!is_listening(fd) || !set_flags(fd)) {
            snprintf(error, error_size, "Descriptor %d was handed over (LISTEN_FDS) but is no listening socket.", fd);
            return false;
        }
        if (!(http ? add(listeners->http, &listeners->n_http, fd) : add(listeners->https, &listeners->n_https, fd))) {
            snprintf(error, error_size, "More than %d sockets of one kind were handed over (LISTEN_FDS).",
                     LISTENERS_MAX);
            return false;
        }
        names += length + (names[length] == ':');
    }
    listeners->handed = true;
    return true;
}

unsigned listener_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0) {
        return 1;
    }
    int n = CPU_COUNT(&set);
    return n < LISTENERS_MAX ? (unsigned)n : LISTENERS_MAX;
}

/* Binds one more socket to the address; a port of 0 is replaced by the one that the first socket got. */
static int open_socket(const struct addrinfo *info, const int *first, const char **what)
{
    struct sockaddr_storage address;
    socklen_t size = info->ai_addrlen;
    int on = 1;

    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (first) {
        size = sizeof(address);
        getsockname(*first, (struct sockaddr *)&address, &size);
    }
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *what = "socket";
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    *what = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ? "SO_REUSEPORT"
            : bind(fd, (struct sockaddr *)&address, size) < 0             ? "bind"
            : listen(fd, SOMAXCONN) < 0                                   ? "listen"
                                                                          : NULL;
    if (*what) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static bool open_address(const char *variable, const char *text, unsigned loops, int *list, unsigned *n, char *error,
                         size_t error_size)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *info;
    const char *what = NULL;

    if (!*text) {
        return true;
    }
    if (!listener_split_address(text, host, sizeof(host), port, sizeof(port))) {
        snprintf(error, error_size, "%s is \"%s\"; expected ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:443.",
                 variable, text);
        return false;
    }
    int result = getaddrinfo(*host ? host : NULL, port, &hints, &info);
    if (result != 0) {
        snprintf(error, error_size, "%s is \"%s\", which is no address here: %s.", variable, text,
                 gai_strerror(result));
        return false;
    }
    for (unsigned i = 0; i < loops && !what; i++) {
        int fd = open_socket(info, i ? &list[0] : NULL, &what);
        if (fd >= 0) {
            add(list, n, fd);
        }
    }
    freeaddrinfo(info);
    if (what) {
        snprintf(error, error_size, "%s %s cannot be listened on (%s): %s.", variable, text, what, strerror(errno));
        return false;
    }
    return true;
}

bool listeners_open(struct listeners *listeners, const struct settings *settings, char *error, size_t error_size)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    unsigned loops = settings->loops ? (unsigned)settings->loops : listener_processors();
    bool done;

    *listeners = (struct listeners){0};
    if (pid && fds && strtol(pid, NULL, 10) == (long)getpid()) {
        unsigned long n = strtoul(fds, NULL, 10);
        done = take_handed(listeners, n < 2 * LISTENERS_MAX + 1 ? (unsigned)n : 2 * LISTENERS_MAX + 1,
                           names ? names : "", error, error_size);
    } else {
        done = open_address("FILMYFLY_HTTP", settings->http, loops, listeners->http, &listeners->n_http, error,
                            error_size) &&
               open_address("FILMYFLY_HTTPS", settings->https, loops, listeners->https, &listeners->n_https, error,
                            error_size);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (done && listeners_loops(listeners) == 0) {
        snprintf(error, error_size, "There is nothing to listen on: FILMYFLY_HTTP and FILMYFLY_HTTPS are both empty.");
        return false;
    }
    return done;
}

unsigned listeners_loops(const struct listeners *listeners)
{
    return listeners->n_http > listeners->n_https ? listeners->n_http : listeners->n_https;
}
