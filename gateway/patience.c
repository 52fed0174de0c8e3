#include "patience.h"

#include "clock.h"

/*
 * At once: 256 resets, 512 PINGs, 128 SETTINGS, 1,024 priorities; every second a sixteenth of that; and one reset more,
 * or what acknowledges 32 large pieces of an answer, for each request that is answered.
 */
#define PATIENCE_MOST  8192
#define PATIENCE_GROWS 512 /* a second */
#define PRAISE         32
#define RESET_COST     32
#define SMALL_WINDOW   1024 /* bytes; what opens less by itself is a game */
#define SMALL_DATA     64
#define FLAG_END       1

/* Starts full: patience_at 0 is long ago. */
static void grow(struct connection *connection)
{
    uint64_t now = connection->owner->now, ms = (now - connection->patience_at) / MILLISECOND;
    if (ms < 1000 * PATIENCE_MOST / PATIENCE_GROWS) {
        connection->patience += (int64_t)(ms * PATIENCE_GROWS / 1000);
    } else {
        connection->patience = PATIENCE_MOST;
    }
    if (connection->patience > PATIENCE_MOST) {
        connection->patience = PATIENCE_MOST;
    }
    connection->patience_at = now;
}

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int cost_of(const struct h2_frame *frame)
{
    switch (frame->type) {
    case H2_DATA:
        return frame->length < SMALL_DATA && !(frame->flags & FLAG_END) ? 4 : 0;
    case H2_HEADERS: /* a request, which the limits judge */
        return 0;
    case H2_WINDOW_UPDATE:
        return frame->length == 4 && number_at(frame->payload) >= SMALL_WINDOW ? 1 : 8;
    case H2_PRIORITY:
        return 8;
    case H2_RST_STREAM:
        return RESET_COST;
    case H2_SETTINGS: /* an acknowledgement answers ours */
        return frame->flags & FLAG_END ? 16 : 64;
    default:
        return 16;
    }
}

bool patience_frame(struct connection *connection, const struct h2_frame *frame)
{
    int cost = cost_of(frame);
    connection->patience -= cost;
    if (connection->patience < 0) { /* perhaps since a reset of ours */
        grow(connection);
    }
    return connection->patience >= 0;
}

void patience_reset(struct connection *connection)
{
    connection->patience -= RESET_COST;
}

void patience_praise(struct connection *connection, const h2o_req_t *req)
{
    if (req->res.status >= 200 && req->res.status < 400 && connection->patience < PATIENCE_MOST) {
        connection->patience += PRAISE;
    }
}
