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
#include "cors.h"
#include "guards.h"
#include "headers.h"
#include "hosts.h"
#include "inspect.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "meters.h"
#include "pages.h"
#include "registry.h"
#include "stage.h"
#include "tls.h"
#include "vitals.h"

#define LOOK_EVERY        (50 * MILLISECOND) /* at signals and files; a signal also wakes at once */
#define HANG_LIMIT        (10 * SECOND)      /* without a turn of a loop */
#define LEAVE_MARGIN      (2 * SECOND)
#define WARN_EVERY        (24 * 3600 * SECOND) /* that a certificate ends soon */
#define SPARE_DESCRIPTORS 256                  /* for everything that is no connection */

/* What main alone looks after. */
struct certificates {
    struct tickets *tickets; /* NULL without HTTPS */
    struct tls_watch watch;
    struct tls_term term;
    uint64_t warned; /* CLOCK_MONOTONIC, ns; 0: never */
};

struct alarm {
    uint64_t progressed; /* as at the last look */
    unsigned looks;      /* since it changed */
};

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

/* What is wrong with a setting goes to standard error; passes good on. */
static bool say(bool good, const char *sentence)
{
    if (!good) {
        fprintf(stderr, "filmyfly-gateway: %s\n", sentence);
    }
    return good;
}

static bool check_address(const char *variable, const char *address)
{
    char error[512], host[256], port[8];
    snprintf(error, sizeof(error), "%s is \"%s\"; expected ADDRESS:PORT, such as 127.0.0.1:8080.", variable, address);
    return say(!*address || listener_split_address(address, host, sizeof(host), port, sizeof(port)), error);
}

static bool check_tls(const struct settings *settings)
{
    char error[TLS_SENTENCE];
    struct tls_term term;
    SSL_CTX *tls = tls_load(settings, NULL, &term, error, sizeof(error));
    if (!say(tls != NULL, error)) {
        return false;
    }
    say(!tls_ends_soon(&term, error, sizeof(error)), error);
    SSL_CTX_free(tls);
    return true;
}

static bool check_static(const struct settings *settings)
{
    char error[512];
    char *directory = stage_share_path(settings, "static");
    struct files *files = files_load(directory, error, sizeof(error));
    bool good = say(files != NULL, error);
    files_free(&files);
    free(directory);
    return good;
}

static bool check(const struct settings *settings)
{
    char error[512];
    struct redirect redirect;
    struct hosts *hosts = hosts_new(settings->hosts, settings->site, error, sizeof(error));
    bool good = say(hosts != NULL, error);
    struct proxies proxies;
    good = say(proxies_parse(&proxies, settings->trusted_proxies, error, sizeof(error)), error) && good;
    hosts_free(&hosts);
    good &= say(cors_make(settings->cors_origins, error, sizeof(error)), error);
    good &= say(redirect_open(&redirect, settings, NULL, error, sizeof(error)), error);
    good &= check_address("FILMYFLY_HTTP", settings->http);
    good &= check_address("FILMYFLY_HTTPS", settings->https);
    good &= !*settings->https || check_tls(settings);
    good &= check_static(settings);
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

static void warn_of_end(struct certificates *certificates, uint64_t now)
{
    char text[TLS_SENTENCE];
    if ((!certificates->warned || now - certificates->warned >= WARN_EVERY) &&
        tls_ends_soon(&certificates->term, text, sizeof(text))) {
        certificates->warned = now;
        log_warning("%s", text);
    }
}

/* A broken new certificate leaves the old one in use. */
static void reload_tls(struct gateway *gateway, struct certificates *certificates)
{
    char error[TLS_SENTENCE];
    struct tls_term term;
    SSL_CTX *tls = tls_load(gateway->settings, certificates->tickets, &term, error, sizeof(error));
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
    certificates->term = term;
    certificates->warned = 0;
    log_info("the certificate was loaded anew from %s", gateway->settings->tls_cert);
}

/* Once a second. */
static void look_after_tls(struct gateway *gateway, struct certificates *certificates, uint64_t now)
{
    if (gateway->tls) {
        tickets_turn(certificates->tickets);
        if (tls_changed(&certificates->watch, gateway->settings)) {
            reload_tls(gateway, certificates);
        }
        warn_of_end(certificates, now);
    }
}

static void nap(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    nanosleep(&time, NULL); /* a signal ends it early */
}

/* When the slowest of the loops last went on: whoever hangs holds it back. */
static uint64_t loops_progressed(const struct gateway *gateway)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < gateway->n_loops; i++) {
        uint64_t progressed = atomic_load_explicit(&gateway->loops[i]->progressed, memory_order_relaxed);
        oldest = progressed < oldest ? progressed : oldest;
    }
    return oldest;
}

/*
 * The alarm for a loop that hangs: nothing else would end it where no supervisor has a watchdog. Looks are counted, not
 * time, so a process that was frozen as a whole is not taken for one that hangs.
 */
static void end_when_hung(const struct gateway *gateway, struct alarm *alarm)
{
    uint64_t progressed = loops_progressed(gateway);

    alarm->looks = progressed == alarm->progressed ? alarm->looks + 1 : 0;
    alarm->progressed = progressed;
    if (alarm->looks >= HANG_LIMIT / LOOK_EVERY) {
        log_error("a loop has not gone on for %d s: the gateway ends, so that it is started again",
                  (int)(HANG_LIMIT / SECOND));
        abort();
    }
}

/* What the loops were told through their inspect sockets. */
static void obey(struct gateway *gateway)
{
    unsigned asked = atomic_exchange(&gateway->asked, 0);
    if (asked & 1u << INSPECT_DRAIN && !stage_draining) {
        log_info("no new connections; what is open is finished within %" PRIu64 " s",
                 (uint64_t)(gateway->leave_limit / SECOND));
        stage_draining = 1;
        atomic_store(&gateway->state, STATE_DRAINING);
    }
    if (asked & 1u << INSPECT_RESTART) {
        stage_exit_status = EXIT_RESTART;
        stage_leaving = 1;
    }
}

static void serve(struct gateway *gateway, struct certificates *certificates)
{
    struct alarm alarm = {0};
    uint64_t next_look = 0;

    while (!stage_leaving) {
        uint64_t now = clock_now();
        vitals_tick(now, loops_progressed(gateway));
        end_when_hung(gateway, &alarm);
        if (now >= next_look) {
            next_look = now + SECOND;
            meters_look(now);
            look_after_tls(gateway, certificates, now);
        }
        if (stage_reload) {
            stage_reload = 0;
            if (gateway->tls) {
                tls_watch_start(&certificates->watch, gateway->settings);
                reload_tls(gateway, certificates);
            }
        }
        obey(gateway);
        if (stage_draining && meters_connections() == 0) {
            vitals_set_state(VITALS_DRAINED);
        }
        nap(LOOK_EVERY);
    }
}

/* Waits for the loops, but not for ever: this thread is the alarm for a loop that spins. */
static int leave(struct gateway *gateway, unsigned loops)
{
    uint64_t limit = clock_now() + gateway->leave_limit + LEAVE_MARGIN;
    log_info("leaving: what is open is finished within %" PRIu64 " s", (uint64_t)(gateway->leave_limit / SECOND));
    atomic_store(&gateway->state, gateway->handed ? STATE_LEAVING : STATE_CLOSING);
    while (atomic_load(&gateway->left) < loops && clock_now() < limit) {
        if (atomic_load(&gateway->drained) == loops &&
            atomic_exchange(&gateway->state, STATE_CLOSING) != STATE_CLOSING) {
            log_info("leaving: nobody is accepted any more, a successor is waited for");
        }
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
    struct loop **loops = gateway->loops;
    sigset_t all, before;

    for (unsigned i = 0; i < n; i++) {
        loops[i] = loop_new(gateway, i, i < listeners->n_http ? listeners->http[i] : -1,
                            i < listeners->n_https ? listeners->https[i] : -1, listeners->handed, error, error_size);
        if (!loops[i]) {
            return false;
        }
    }
    gateway->n_loops = n;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    for (unsigned i = 0; i < n && result == 0; i++) {
        result = pthread_create(&loops[i]->thread, NULL, loop_run, loops[i]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) { /* others may run already, with what we would free */
        log_error("A thread cannot be started: %s.", strerror(result));
        _exit(1);
    }
    return true;
}

/* All that can fail, in order. */
static bool set_up(struct gateway *gateway, struct listeners *listeners, struct certificates *certificates, char *error,
                   size_t error_size)
{
    const struct settings *settings = gateway->settings;

    gateway->hosts = hosts_new(settings->hosts, settings->site, error, error_size);
    if (!gateway->hosts || !cors_make(settings->cors_origins, error, error_size) ||
        !proxies_parse(&gateway->proxies, settings->trusted_proxies, error, error_size) ||
        !guards_prove(error, error_size) || !listeners_open(listeners, settings, error, error_size) ||
        !redirect_open(&gateway->redirect, settings, listeners, error, error_size)) {
        return false;
    }
    gateway->handed = listeners->handed;
    if (listeners->n_https > 0) {
        certificates->tickets = tickets_open(settings->run_dir);
        tls_watch_start(&certificates->watch, settings); /* before they are read: what is replaced meanwhile is seen */
        gateway->tls = tls_load(settings, certificates->tickets, &certificates->term, error, error_size);
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
    char error[TLS_SENTENCE];
    struct listeners listeners;
    struct certificates certificates = {0};
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
    gateway.claim = claim;
    gateway.store = *settings->cache_dir ? store_source_new(settings->cache_dir) : NULL;
    gateway.quota = quota_new(settings);
    gateway.access_log = settings->access_log ? access_log_open() : NULL;
    uint64_t longest = settings->deadline > settings->write_deadline ? settings->deadline : settings->write_deadline;
    gateway.leave_limit = longest + SECOND;
    pages_make(gateway.files);
    headers_make(settings->hsts / SECOND);

    if (!set_up(&gateway, &listeners, &certificates, error, sizeof(error))) {
        log_error("%s", error);
        claim_free(&claim);
        return 1;
    }
    log_info("ready: %u loops, %u sockets for HTTP (%s), %u for HTTPS (%s)%s", listeners_loops(&listeners),
             listeners.n_http, settings->http, listeners.n_https, settings->https,
             listeners.handed ? ", handed over" : "");
    vitals_set_state(VITALS_SERVING);
    serve(&gateway, &certificates);
    vitals_set_state(VITALS_LEAVING);
    claim_withdraw(claim); /* a successor may take the name at once */
    int status = leave(&gateway, listeners_loops(&listeners));
    access_log_close(&gateway.access_log);
    return status;
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
