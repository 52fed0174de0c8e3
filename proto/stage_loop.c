#include "stage_loop.h"

#include "log.h"
#include "stage.h"

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
    if (stage_leaving)
        serve_leave(loop->serve);
    if (stage_leaving && loop->serve_2)
        serve_leave(loop->serve_2);
    return has_left(loop) ? -1 : 0;
}

static void watch(zloop_t *zloop, int fd, zloop_fn *handler, struct stage_loop *loop)
{
    zmq_pollitem_t item = {.fd = fd, .events = ZMQ_POLLIN};
    zloop_poller(zloop, &item, handler, loop);
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
    /* zloop also returns when a signal interrupts it: only a finished leave ends the stage. */
    while (!has_left(loop))
        zloop_start(zloop);
    zloop_destroy(&own);
    log_info("left");
}
