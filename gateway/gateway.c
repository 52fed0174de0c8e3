/*
 * The gateway: HTTP on one side, the pipeline on the other. This file sets up and takes down; the work is done by the
 * loops.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "guards.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "meters.h"
#include "pages.h"
#include "registry.h"
#include "stage.h"
#include "tls.h"

#define LOOK_EVERY        (50 * MILLISECOND) /* at signals and files; a signal also wakes at once */
#define LEAVE_MARGIN      (2 * SECOND)
#define SPARE_DESCRIPTORS 256 /* for everything that is no connection */

static struct files *load_files(const struct settings *settings)
{
    char error[512];
    char *directory = stage_share_path(settings, "static");
    struct files *files = files_load(directory, error, sizeof(error));
    if (!files) {
        log_warning("static files are not served: %s", error);
    }
    free(directory);
    return files;
}

static bool check(const struct settings *settings)
{
    char error[512], host[256], port[8];
    const char *addresses[][2] = {{"FILMYFLY_HTTP", settings->http}, {"FILMYFLY_HTTPS", settings->https}};
    bool good = true;

    for (int i = 0; i < 2; i++) {
        if (*addresses[i][1] && !listener_split_address(addresses[i][1], host, sizeof(host), port, sizeof(port))) {
            fprintf(stderr, "filmyfly-gateway: %s is \"%s\"; expected ADDRESS:PORT, such as 127.0.0.1:8080.\n",
                    addresses[i][0], addresses[i][1]);
            good = false;
        }
    }
    if (*settings->https) {
        SSL_CTX *tls = tls_load(settings, NULL, error, sizeof(error));
        if (!tls) {
            fprintf(stderr, "filmyfly-gateway: %s\n", error);
            good = false;
        }
        SSL_CTX_free(tls);
    }
    char *directory = stage_share_path(settings, "static");
    struct files *files = files_load(directory, error, sizeof(error));
    if (!files) {
        fprintf(stderr, "filmyfly-gateway: %s\n", error);
        good = false;
    }
    files_free(&files);
    free(directory);
    return good;
}

/* Each connection is a descriptor; out of them the loops would spin, so say it now. */
static void raise_descriptor_limit(const struct settings *settings, unsigned loops)
{
    rlim_t needed = (rlim_t)settings->connections * loops + SPARE_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed) {
        return;
    }
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        limit.rlim_cur = before;
    }
    if (limit.rlim_cur < needed) {
        log_warning("%u loops with FILMYFLY_CONNECTIONS=%" PRIu64
                    " need %ju descriptors and only %ju are allowed; raise "
                    "the limit (nofile) or lower the setting",
                    loops, settings->connections, (uintmax_t)needed, (uintmax_t)limit.rlim_cur);
    }
}

/* A broken new certificate leaves the old one in use. */
static void reload_tls(struct gateway *gateway)
{
    char error[512];
    if (!gateway->tls) {
        return;
    }
    SSL_CTX *tls = tls_load(gateway->settings, gateway->tls, error, sizeof(error));
    if (!tls) {
        log_error("the certificate stays as it is: %s", error);
        return;
    }
    pthread_mutex_lock(&gateway->mutex);
    SSL_CTX *old = gateway->tls;
    gateway->tls = tls;
    atomic_fetch_add(&gateway->tls_version, 1);
    pthread_mutex_unlock(&gateway->mutex);
    SSL_CTX_free(old);
    log_info("the certificate was loaded anew from %s", gateway->settings->tls_cert);
}

static void nap(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    nanosleep(&time, NULL); /* a signal ends it early */
}

static void serve(struct gateway *gateway, struct tls_stamp *stamp)
{
    uint64_t next_look = 0;

    while (!stage_leaving) {
        uint64_t now = clock_now();
        bool changed = gateway->tls && now >= next_look && tls_changed(gateway->settings, stamp);
        if (now >= next_look) {
            next_look = now + SECOND;
        }
        if (stage_reload || changed) {
            stage_reload = 0;
            reload_tls(gateway);
        }
        nap(LOOK_EVERY);
    }
}

/* Waits for the loops, but not for ever: this thread is the alarm for a loop that spins. */
static int leave(struct gateway *gateway, unsigned loops)
{
    uint64_t limit = clock_now() + gateway->leave_limit + LEAVE_MARGIN;
    log_info("leaving: no new connections; what is open is finished within %" PRIu64 " s",
             (uint64_t)(gateway->leave_limit / SECOND));
    atomic_store(&gateway->state, STATE_LEAVING);
    while (atomic_load(&gateway->left) < loops && clock_now() < limit) {
        nap(5 * MILLISECOND);
    }
    unsigned left = atomic_load(&gateway->left), lost = atomic_load(&gateway->lost);
    if (left < loops) {
        log_error("%u of %u loops did not end in time; they are cut off", loops - left, loops);
        _exit(1);
    }
    if (lost > 0) {
        log_warning("left, with %u connections cut off because they did not end in time", lost);
    } else {
        log_info("left, with nothing lost");
    }
    return 0;
}

/* Starts a thread for each loop, which leaves the signals to this one. */
static bool start_loops(struct gateway *gateway, const struct listeners *listeners, char *error, size_t error_size)
{
    unsigned n = listeners_loops(listeners);
    struct loop *loops[LISTENERS_MAX];
    sigset_t all, before;

    for (unsigned i = 0; i < n; i++) {
        loops[i] = loop_new(gateway, i, i < listeners->n_http ? listeners->http[i] : -1,
                            i < listeners->n_https ? listeners->https[i] : -1, listeners->handed, error, error_size);
        if (!loops[i]) {
            return false;
        }
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    for (unsigned i = 0; i < n && result == 0; i++) {
        result = pthread_create(&loops[i]->thread, NULL, loop_run, loops[i]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        snprintf(error, error_size, "A thread cannot be started: %s.", strerror(result));
    }
    return result == 0;
}

/* All that can fail, in order. */
static bool set_up(struct gateway *gateway, struct listeners *listeners, struct tls_stamp *stamp, char *error,
                   size_t error_size)
{
    const struct settings *settings = gateway->settings;

    if (!guards_prove(error, error_size) || !listeners_open(listeners, settings, error, error_size)) {
        return false;
    }
    if (listeners->n_https > 0) {
        tls_changed(settings, stamp); /* before they are read: what is replaced meanwhile is seen */
        gateway->tls = tls_load(settings, NULL, error, error_size);
        if (!gateway->tls) {
            return false;
        }
        atomic_store(&gateway->tls_version, 1);
    }
    raise_descriptor_limit(settings, listeners_loops(listeners));
    upstream_key(0, STR("")); /* draws the process's seed while there is one thread */
    return start_loops(gateway, listeners, error, error_size);
}

static int run(const struct settings *settings)
{
    char error[512];
    struct listeners listeners;
    struct tls_stamp stamp = {0};
    struct claim *claim = stage_claim(settings, "gateway", settings->instance, error, sizeof(error));
    if (!claim) {
        log_error("%s", error);
        return 1;
    }
    meters_open();
    /* Threads see it to the very end, so it is not on this function's stack. */
    static struct gateway gateway = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    gateway.settings = settings;
    gateway.files = load_files(settings);
    gateway.instance = claim_instance(claim);
    gateway.store = *settings->cache_dir ? store_source_new(settings->cache_dir) : NULL;
    uint64_t longest = settings->deadline > settings->write_deadline ? settings->deadline : settings->write_deadline;
    gateway.leave_limit = longest + SECOND;
    pages_make(gateway.files);

    if (!set_up(&gateway, &listeners, &stamp, error, sizeof(error))) {
        log_error("%s", error);
        claim_free(&claim);
        return 1;
    }
    log_info("ready: %u loops, %u sockets for HTTP (%s), %u for HTTPS (%s)%s", listeners_loops(&listeners),
             listeners.n_http, settings->http, listeners.n_https, settings->https,
             listeners.handed ? ", handed over" : "");
    serve(&gateway, &stamp);
    claim_withdraw(claim); /* a successor may take the name at once */
    return leave(&gateway, listeners_loops(&listeners));
}

int main(int argc, char **argv)
{
    static const struct stage stage = {
        .name = "gateway",
        .sentence = "speaks HTTP with the visitors and asks the cacher for pages.",
        .settings = FOR_GATEWAY,
        .check = check,
        .run = run,
    };
    return stage_main(&stage, argc, argv);
}
