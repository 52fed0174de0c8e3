#include "stage_loop.h"

#include "log.h"
#include "stage.h"

#define TICK_MS 20

static void ask(struct stage_loop *loop)
{
    if (loop->upstream)
        upstream_turn(loop->upstream);
    serve_flush(loop->serve);
}

static int on_left(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    (void)zloop, (void)item;
    struct stage_loop *loop = argument;
    serve_turn(loop->serve);
    ask(loop);
    return 0;
}

static int on_right(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    (void)zloop, (void)item;
    ask(argument);
    return 0;
}

/* -1 ends the zloop. */
static int on_timer(zloop_t *zloop, int timer, void *argument)
{
    (void)timer;
    struct stage_loop *loop = argument;
    on_left(zloop, NULL, loop);
    if (loop->on_tick) {
        loop->on_tick(loop->user);
        serve_flush(loop->serve);
    }
    if (stage_leaving)
        serve_leave(loop->serve);
    return serve_left(loop->serve) ? -1 : 0;
}

void stage_loop_run(struct stage_loop *loop)
{
    zloop_t *own = loop->zloop ? NULL : zloop_new();
    zloop_t *zloop = own ? own : loop->zloop;
    zmq_pollitem_t left = {.fd = serve_fd(loop->serve), .events = ZMQ_POLLIN};
    zloop_poller(zloop, &left, on_left, loop);
    if (loop->upstream) {
        zmq_pollitem_t right = {.fd = upstream_fd(loop->upstream), .events = ZMQ_POLLIN};
        zloop_poller(zloop, &right, on_right, loop);
    }
    zloop_timer(zloop, TICK_MS, 0, on_timer, loop);
    /* zloop also returns when a signal interrupts it: only a finished leave ends the stage. */
    while (!serve_left(loop->serve))
        zloop_start(zloop);
    zloop_destroy(&own);
    log_info("left");
}
