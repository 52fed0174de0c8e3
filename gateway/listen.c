/*
 * filmyfly-listen COMMAND…: opens the listening sockets and runs COMMAND with them, as systemd hands sockets over
 * (LISTEN_FDS, LISTEN_FDNAMES, descriptors from 3). COMMAND is a supervisor: the sockets stay open in it while the
 * gateway behind it dies and comes back, and clients that connect meanwhile wait instead of being refused.
 *
 * As many sockets are opened for each address as the gateway has loops, with SO_REUSEPORT, so that the kernel shares
 * connections out.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener.h"
#include "settings.h"

#define FIRST_FD    3
#define SOCKETS_MAX (2 * LISTENERS_MAX)
#define BACKLOG     4096

struct handover {
    int fds[SOCKETS_MAX];
    size_t n;
    char names[SOCKETS_MAX * sizeof("https:")];
};

static bool complain(const char *variable, const char *address, const char *what)
{
    fprintf(stderr, "filmyfly-listen: %s is \"%s\": %s.\n", variable, address, what);
    return false;
}

static int open_socket(const struct addrinfo *address, bool shared)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && (!shared || listen(fd, BACKLOG) == 0)) {
        return fd;
    }
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

static bool open_resolved(struct handover *handover, const char *name, const struct addrinfo *address, size_t loops)
{
    /* With SO_REUSEPORT alone a second FilmyFly of the same user would silently get half of the first one's visitors.
     */
    int probe = open_socket(address, false);
    size_t used;

    if (probe < 0) {
        return false;
    }
    close(probe);
    for (size_t i = 0; i < loops && handover->n < SOCKETS_MAX; i++) {
        int fd = open_socket(address, true);
        if (fd < 0) {
            return false;
        }
        handover->fds[handover->n++] = fd;
        used = strlen(handover->names);
        snprintf(handover->names + used, sizeof(handover->names) - used, "%s%s", used ? ":" : "", name);
    }
    return true;
}

static bool open_address(struct handover *handover, const char *variable, const char *name, const char *text,
                         size_t loops)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *address = NULL;
    char host[256], port[8], what[256];
    int error;
    bool opened;

    if (*text == '\0') {
        return true;
    }
    if (!listener_split_address(text, host, sizeof(host), port, sizeof(port))) {
        return complain(variable, text, "expected HOST:PORT, [IPV6]:PORT or :PORT");
    }
    error = getaddrinfo(*host ? host : NULL, port, &hints, &address);
    if (error) {
        return complain(variable, text, gai_strerror(error));
    }
    opened = open_resolved(handover, name, address, loops);
    if (!opened) {
        snprintf(what, sizeof(what), "cannot listen there (%s); %s", strerror(errno),
                 errno == EADDRINUSE ? "end what listens there, or set another address" : "set another address");
    }
    freeaddrinfo(address);
    return opened || complain(variable, text, what);
}

/* Moves the sockets to FIRST_FD and up, where the receiver looks; what stood there before is closed. */
static bool place(struct handover *handover)
{
    char count[16];

    for (size_t i = 0; i < handover->n; i++) {
        handover->fds[i] = fcntl(handover->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + SOCKETS_MAX);
        if (handover->fds[i] < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < handover->n; i++) {
        if (dup2(handover->fds[i], FIRST_FD + (int)i) < 0) { /* without FD_CLOEXEC */
            return false;
        }
    }
    snprintf(count, sizeof(count), "%zu", handover->n);
    unsetenv("LISTEN_PID"); /* the gateway's own number, set by whoever execs it */
    return setenv("LISTEN_FDS", count, 1) == 0 && setenv("LISTEN_FDNAMES", handover->names, 1) == 0;
}

int main(int argc, char **argv)
{
    struct handover handover = {.n = 0};
    struct settings settings;
    char error[512];
    size_t loops;

    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "Usage: filmyfly-listen COMMAND [ARGUMENT]...\n"
                "Opens FILMYFLY_HTTP and FILMYFLY_HTTPS, FILMYFLY_LOOPS sockets each, and runs COMMAND with them.\n");
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    if (!settings_load(&settings, FOR_GATEWAY, error, sizeof(error))) {
        fprintf(stderr, "filmyfly-listen: %s\n", error);
        return 1;
    }
    loops = settings.loops ? settings.loops : listener_processors();
    if (!open_address(&handover, "FILMYFLY_HTTP", "http", settings.http, loops) ||
        !open_address(&handover, "FILMYFLY_HTTPS", "https", settings.https, loops)) {
        return 1;
    }
    if (!place(&handover)) {
        fprintf(stderr, "filmyfly-listen: cannot hand the sockets over: %s.\n", strerror(errno));
        return 1;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "filmyfly-listen: cannot run %s: %s.\n", argv[1], strerror(errno));
    return 111;
}
