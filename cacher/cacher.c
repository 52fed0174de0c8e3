/*
 * filmyfly-cacher: stands between gateways and renderers. Requests for the same page that is on its way wait for one
 * answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "log.h"
#include "stage.h"
#include "stage_loop.h"

struct cacher {
    struct claim *claim;
    struct upstream *renderers;
    struct serve *serve;
    struct fetches *fetches;
};

static void on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body)
{
    struct cacher *cacher = user;
    fetches_request(cacher->fetches, ticket, message, body);
}

static bool set_up(struct cacher *cacher, const struct settings *settings, char *error, size_t error_size)
{
    /* One cacher only: it will own the store, so its name is fixed and a second one finds it taken. */
    cacher->claim = stage_claim(settings, "cacher", "1", error, error_size);
    if (!cacher->claim)
        return false;

    struct upstream_options right = {"renderer", "cacher", "1", settings};
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
    cacher->fetches = fetches_new(cacher->serve, cacher->renderers);
    if (!cacher->fetches || !claim_publish(cacher->claim)) {
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
        stage_loop_run(&(struct stage_loop){.serve = cacher.serve, .upstream = cacher.renderers});
        status = EXIT_SUCCESS;
    } else {
        log_error("%s", error);
    }
    fetches_free(&cacher.fetches);
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
