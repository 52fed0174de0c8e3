#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fault.h"

struct resolve {
    atomic_bool done;
    atomic_int holders; /* the thread and the asker; the last one frees */
    struct resolved resolved;
    unsigned n;
    char *name[];
};

static void let_go(struct resolve *resolve)
{
    if (atomic_fetch_sub(&resolve->holders, 1) > 1)
        return;
    for (unsigned i = 0; i < resolve->n; i++)
        free(resolve->name[i]);
    free(resolve);
}

static void look_up(struct resolve *resolve, unsigned host)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG},
                    *list = NULL;
    struct resolved *r = &resolve->resolved;
    fault("dbproxy-look-up", str_of(resolve->name[host]));
    int status = getaddrinfo(resolve->name[host], NULL, &hints, &list);
    if (status != 0) {
        snprintf(r->error, sizeof(r->error), "%s: %s", resolve->name[host], gai_strerror(status));
        return;
    }
    for (struct addrinfo *a = list; a && r->n < RESOLVED_MAX; a = a->ai_next) {
        r->item[r->n].host = host;
        if (getnameinfo(a->ai_addr, a->ai_addrlen, r->item[r->n].address, sizeof(r->item[r->n].address), NULL, 0,
                        NI_NUMERICHOST) == 0)
            r->n++;
    }
    freeaddrinfo(list);
}

static void *run(void *argument)
{
    struct resolve *resolve = argument;
    for (unsigned i = 0; i < resolve->n; i++)
        if (*resolve->name[i])
            look_up(resolve, i);
    atomic_store(&resolve->done, true);
    let_go(resolve);
    return NULL;
}

/* Signals belong to the loop's thread: one delivered here would wake nobody. */
static int start_thread(struct resolve *resolve)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&thread, &attributes, run, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

struct resolve *resolve_start(const char *const *names, unsigned n)
{
    struct resolve *resolve = calloc(1, sizeof(*resolve) + n * sizeof(resolve->name[0]));
    if (!resolve)
        return NULL;
    atomic_init(&resolve->holders, 1);
    resolve->n = n;
    int status = 0;
    for (unsigned i = 0; i < n; i++)
        if (!(resolve->name[i] = strdup(names[i])))
            status = ENOMEM;
    if (status == 0) {
        atomic_store(&resolve->holders, 2);
        status = start_thread(resolve);
        if (status != 0)
            atomic_store(&resolve->holders, 1);
    }
    if (status != 0) {
        let_go(resolve);
        errno = status;
        return NULL;
    }
    return resolve;
}

bool resolve_poll(struct resolve **resolve, struct resolved *resolved)
{
    if (!atomic_load(&(*resolve)->done))
        return false;
    *resolved = (*resolve)->resolved;
    resolve_abandon(resolve);
    return true;
}

void resolve_abandon(struct resolve **resolve)
{
    if (*resolve)
        let_go(*resolve);
    *resolve = NULL;
}
