/*
 * filmyfly-renderer: makes pages. A request becomes one batch of statements to dbproxy, the rows become a page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "page.h"
#include "render_command.h"
#include "stage.h"
#include "stage_loop.h"

#define TICKS_A_DEV 50 /* with FILMYFLY_DEV, templates are looked at once a second */

struct renderer {
    const struct settings *settings;
    struct claim *claim;
    struct views *views;
    struct assets *assets;
    struct pages *pages;
    struct upstream *databases;
    struct serve *serve;
    unsigned ticks;
};

static struct views *load_views(const struct settings *settings, char *error, size_t error_size)
{
    char *path = *settings->views_dir ? strdup(settings->views_dir) : stage_share_path(settings, "views");
    struct views *views = path ? views_load(path, NULL, error, error_size) : NULL;
    free(path);
    return views;
}

static struct assets *load_assets(const struct settings *settings, char *error, size_t error_size)
{
    char *path = stage_share_path(settings, "static/manifest.txt");
    struct assets *assets = assets_load(path, error, error_size);
    free(path);
    return assets;
}

static void report(void *arg, const char *message)
{
    (void)arg;
    log_warning("%s", message);
}

/* What is in the files: views, the list of static files, and whether the routes fit them. */
static bool load_files(struct renderer *renderer, char *error, size_t error_size)
{
    renderer->views = load_views(renderer->settings, error, error_size);
    if (!renderer->views)
        return false;
    renderer->assets = load_assets(renderer->settings, error, error_size);
    return renderer->assets && route_table_check(&site_routes, error, error_size) &&
           pages_check(&site_routes, renderer->views, error, error_size);
}

static void reload_files(struct renderer *renderer)
{
    char error[512];
    unsigned n = views_reload_changed(renderer->views, report, NULL);
    if (n)
        log_info("%u changed templates are in service", n);
    struct assets *assets = load_assets(renderer->settings, error, sizeof(error));
    if (!assets)
        return;
    pages_use_assets(renderer->pages, assets);
    assets_free(&renderer->assets);
    renderer->assets = assets;
}

static void on_tick(void *user)
{
    struct renderer *renderer = user;
    if (renderer->settings->dev && ++renderer->ticks % TICKS_A_DEV == 0)
        reload_files(renderer);
}

static bool set_up(struct renderer *renderer, char *error, size_t error_size)
{
    const struct settings *settings = renderer->settings;
    if (!load_files(renderer, error, error_size))
        return false;
    views_check(renderer->views, report, NULL);
    renderer->claim = stage_claim(settings, "renderer", settings->instance, error, error_size);
    if (!renderer->claim)
        return false;

    struct upstream_options right = {.stage = "dbproxy",
                                     .own_stage = "renderer",
                                     .own_instance = claim_instance(renderer->claim),
                                     .settings = settings};
    renderer->databases = upstream_new(&right, error, error_size);
    if (!renderer->databases)
        return false;
    struct pages_options pages = {settings, &site_routes, renderer->views, renderer->assets};
    renderer->pages = pages_new(&pages);
    struct serve_options left = {
        .stage = "renderer",
        .takes = MESSAGE_REQUEST,
        .settings = settings,
        .claim = renderer->claim,
        .on_request = pages_on_request,
        .user = renderer->pages,
    };
    renderer->serve = serve_new(&left, error, error_size);
    if (!renderer->serve)
        return false;
    pages_connect(renderer->pages, renderer->serve, renderer->databases);
    if (!claim_publish(renderer->claim)) {
        snprintf(error, error_size, "the renderer cannot be published: %s", strerror(errno));
        return false;
    }
    return true;
}

static int run(const struct settings *settings)
{
    struct renderer renderer = {.settings = settings};
    char error[512];
    int status = EXIT_FAILURE;
    if (set_up(&renderer, error, sizeof(error))) {
        log_info("takes requests; dbproxies are looked for in %s/dbproxy", settings->run_dir);
        stage_loop_run(&(struct stage_loop){
            .serve = renderer.serve,
            .upstream = renderer.databases,
            .on_tick = on_tick,
            .user = &renderer,
        });
        status = EXIT_SUCCESS;
    } else {
        log_error("%s", error);
    }
    serve_free(&renderer.serve);
    upstream_free(&renderer.databases);
    pages_free(&renderer.pages);
    claim_free(&renderer.claim);
    views_free(&renderer.views);
    assets_free(&renderer.assets);
    return status;
}

static bool check(const struct settings *settings)
{
    struct renderer renderer = {.settings = settings};
    char error[512];
    bool right = load_files(&renderer, error, sizeof(error));
    if (!right)
        fprintf(stderr, "filmyfly-renderer: %s\n", error);
    views_free(&renderer.views);
    assets_free(&renderer.assets);
    return right;
}

static int command(const struct settings *settings, int argc, char **argv)
{
    (void)settings;
    const char *view = NULL, *data = NULL, *partials = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char **wanted = strcmp(argv[i], "--render") == 0     ? &view
                              : strcmp(argv[i], "--data") == 0     ? &data
                              : strcmp(argv[i], "--partials") == 0 ? &partials
                                                                   : NULL;
        if (!wanted || i + 1 == argc) {
            fprintf(stderr, "filmyfly-renderer: \"%s\" %s.\n", argv[i],
                    wanted ? "needs a value" : "is no option of --render");
            return 2;
        }
        *wanted = argv[i + 1];
    }
    if (!view) {
        fprintf(stderr, "filmyfly-renderer: --render VIEW.mustache is missing.\n");
        return 2;
    }
    return render_command(view, data, partials);
}

int main(int argc, char **argv)
{
    static const struct stage_option options[] = {
        {"--render", "VIEW.mustache", "Print one rendered template."},
        {"--data", "FILE", "With --render: its data, JSON; - is standard input."},
        {"--partials", "DIR", "With --render: where its partials are; else beside it."},
        {NULL, NULL, NULL},
    };
    static const struct stage stage = {
        .name = "renderer",
        .sentence = "Makes pages: one batch of statements each, its rows rendered by a template.",
        .settings = FOR_RENDERER,
        .check = check,
        .run = run,
        .options = options,
        .command = command,
    };
    return stage_main(&stage, argc, argv);
}
