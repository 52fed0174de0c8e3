/*
 * filmyfly-cacher: stands between gateways and renderers. It owns the store that gateways read; requests for the same
 * page that is on its way wait for one answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "counters.h"
#include "follow.h"
#include "log.h"
#include "release.h"
#include "stage.h"
#include "stage_loop.h"

struct cacher {
    struct claim *claim;
    struct upstream *renderers;
    struct serve *serve;
    struct store *store;
    struct cache *cache;
    struct follow *follow;
};

static void on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body)
{
    struct cacher *cacher = user;
    cache_request(cacher->cache, ticket, message, body);
}

static void on_tick(void *user)
{
    struct cacher *cacher = user;
    cache_tick(cacher->cache);
    follow_tick(cacher->follow);
}

static void on_turn(void *user)
{
    struct cacher *cacher = user;
    cache_turn_ends(cacher->cache);
}

static bool set_up(struct cacher *cacher, const struct settings *settings, char *error, size_t error_size)
{
    /* One cacher only: it will own the store, so its name is fixed and a second one finds it taken. */
    cacher->claim = stage_claim(settings, "cacher", "1", error, error_size);
    if (!cacher->claim)
        return false;

    struct upstream_options right = {
        .stage = "renderer", .own_stage = "cacher", .own_instance = "1", .settings = settings};
    cacher->renderers = upstream_new(&right, error, error_size);
    if (!cacher->renderers)
        return false;
    struct serve_options left = {
        .stage = "cacher",
        .takes = MESSAGE_REQUEST,
        .settings = settings,
        .claim = cacher->claim,
        /* It does no work of its own: those who wait for a page cost it little, and they should all be here to share
           it. */
        .credit = (uint32_t)settings->queue,
        .most = (uint32_t)settings->queue * 4,
        .on_request = on_request,
        .user = cacher,
    };
    cacher->serve = serve_new(&left, error, error_size);
    if (!cacher->serve)
        return false;
    if (*settings->cache_dir) {
        cacher->store = store_open(settings->cache_dir, settings->cache_size, error, error_size);
        if (!cacher->store)
            return false;
        gauge(counter("store.limit", COUNTER_GAUGE), settings->cache_size);
    }
    struct cache_options options = {settings, cacher->serve, cacher->renderers, cacher->store};
    cacher->cache = cache_new(&options, error, error_size);
    if (!cacher->cache)
        return false;
    release_compare(cacher->cache, settings);
    cacher->follow = follow_new(settings, cacher->cache, error, error_size);
    if (!cacher->follow)
        return false;
    if (!claim_publish(cacher->claim)) {
        snprintf(error, error_size, "the cacher cannot be published: %s", strerror(errno));
        return false;
    }
    return true;
}

static int run(const struct settings *settings)
{
    struct cacher cacher = {0};
    char error[512];
    int status = EXIT_FAILURE;
    if (set_up(&cacher, settings, error, sizeof(error))) {
        log_info("takes requests; renderers are looked for in %s/renderer", settings->run_dir);
        stage_loop_run(&(struct stage_loop){.serve = cacher.serve,
                                            .upstream = cacher.renderers,
                                            .upstream_2 = follow_upstream(cacher.follow),
                                            .on_tick = on_tick,
                                            .on_turn = on_turn,
                                            .user = &cacher});
        status = EXIT_SUCCESS;
    } else {
        log_error("%s", error);
    }
    follow_free(&cacher.follow);
    store_close(&cacher.store); /* first: a successor waits for it, and the compressor may have a page to finish */
    cache_free(&cacher.cache);
    serve_free(&cacher.serve);
    upstream_free(&cacher.renderers);
    claim_free(&cacher.claim);
    return status;
}

int main(int argc, char **argv)
{
    static const struct stage stage = {
        .name = "cacher",
        .sentence = "Stands between gateways and renderers; many visitors of one page wait for one answer.",
        .settings = FOR_CACHER,
        .run = run,
    };
    return stage_main(&stage, argc, argv);
}
