#include "stage_loop.h"

#include "clock.h"
#include "inspect.h"
#include "log.h"
#include "stage.h"
#include "vitals.h"

#define TICK_MS 20

static void end_turn(struct stage_loop *loop)
{
    if (loop->on_turn)
        loop->on_turn(loop->user);
    serve_flush(loop->serve);
    if (loop->serve_2)
        serve_flush(loop->serve_2);
}

static void ask(struct stage_loop *loop)
{
    if (loop->upstream)
        upstream_turn(loop->upstream);
    if (loop->upstream_2)
        upstream_turn(loop->upstream_2);
    end_turn(loop);
}

static int on_left(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    (void)zloop, (void)item;
    struct stage_loop *loop = argument;
    serve_turn(loop->serve);
    if (loop->serve_2)
        serve_turn(loop->serve_2);
    ask(loop);
    return 0;
}

static int on_right(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    (void)zloop, (void)item;
    ask(argument);
    return 0;
}

static bool has_left(const struct stage_loop *loop)
{
    return serve_left(loop->serve) && (!loop->serve_2 || serve_left(loop->serve_2));
}

static void stop_serving(const struct stage_loop *loop, void stop(struct serve *))
{
    stop(loop->serve);
    if (loop->serve_2)
        stop(loop->serve_2);
}

static void leave(const struct stage_loop *loop)
{
    vitals_set_state(VITALS_LEAVING);
    stop_serving(loop, serve_leave);
}

static void drain(const struct stage_loop *loop)
{
    stop_serving(loop, serve_drain);
    if (serve_held(loop->serve) == 0 && (!loop->serve_2 || serve_held(loop->serve_2) == 0))
        vitals_set_state(VITALS_DRAINED);
}

/* -1 ends the zloop. */
static int on_timer(zloop_t *zloop, int timer, void *argument)
{
    (void)timer;
    struct stage_loop *loop = argument;
    on_left(zloop, NULL, loop);
    if (loop->on_tick) {
        loop->on_tick(loop->user);
        end_turn(loop);
    }
    if (loop->inspect)
        inspect_turn(loop->inspect);
    uint64_t now = clock_now();
    vitals_tick(now, now);
    if (stage_leaving)
        leave(loop);
    else if (stage_draining)
        drain(loop);
    return has_left(loop) ? -1 : 0;
}

static void watch(zloop_t *zloop, int fd, zloop_fn *handler, struct stage_loop *loop)
{
    zmq_pollitem_t item = {.fd = fd, .events = ZMQ_POLLIN};
    zloop_poller(zloop, &item, handler, loop);
}

static void on_command(void *user, enum inspect_command command)
{
    (void)user;
    if (command == INSPECT_DRAIN) {
        stage_draining = 1;
    } else {
        stage_exit_status = EXIT_RESTART;
        stage_leaving = 1;
    }
}

/* Without it the stage works as well; nobody can look on. */
static struct inspect *open_inspect(const struct stage_loop *loop)
{
    char error[256];
    const struct inspect_options options = {.claim = serve_claim(loop->serve), .thread = -1, .on_command = on_command};
    struct inspect *inspect = inspect_new(&options, error, sizeof(error));
    if (!inspect) {
        log_warning("nobody can look on: %s", error);
        return NULL;
    }
    serve_inspect(loop->serve, inspect);
    if (loop->serve_2)
        serve_inspect(loop->serve_2, inspect);
    if (loop->upstream)
        upstream_inspect(loop->upstream, inspect);
    if (loop->upstream_2)
        upstream_inspect(loop->upstream_2, inspect);
    return inspect;
}

void stage_loop_run(struct stage_loop *loop)
{
    zloop_t *own = loop->zloop ? NULL : zloop_new();
    zloop_t *zloop = own ? own : loop->zloop;
    watch(zloop, serve_fd(loop->serve), on_left, loop);
    if (loop->serve_2)
        watch(zloop, serve_fd(loop->serve_2), on_left, loop);
    if (loop->upstream)
        watch(zloop, upstream_fd(loop->upstream), on_right, loop);
    if (loop->upstream_2)
        watch(zloop, upstream_fd(loop->upstream_2), on_right, loop);
    zloop_timer(zloop, TICK_MS, 0, on_timer, loop);
    loop->inspect = open_inspect(loop);
    vitals_set_state(VITALS_SERVING);
    /* zloop also returns when a signal interrupts it: only a finished leave ends the stage. */
    while (!has_left(loop))
        zloop_start(zloop);
    zloop_destroy(&own);
    inspect_free(&loop->inspect);
    log_info("left");
}
