#include "deadlines.h"

#include "clock.h"
#include "stage.h"
#include "visit.h"

#define LOOK_EVERY     SECOND
#define IDLE_WHEN_FULL (5 * SECOND)

#define CONNECTION_BYTES  (16 << 10) /* about, with TLS */
#define WORTH_GIVING_BACK (8 << 20)
#define CALM_LOOKS        3

static bool is_past(uint64_t since, uint64_t wait, uint64_t now)
{
    return since != 0 && now > since + wait;
}

/* What an idle connection still has to send: a peer that takes nothing would keep it for ever. */
static void note_stuck(struct connection *connection, uint64_t now)
{
    bool stuck = !connection->visits && h2o_socket_is_writing(connection->socket);
    if (!stuck) {
        connection->stuck_since = 0;
    } else if (!connection->stuck_since) {
        connection->stuck_since = now;
    }
}

/* HTTP/1 may have the next requests in its input while it answers one. */
static bool is_http2(const struct connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    h2o_iovec_t protocol = socket->ssl ? h2o_socket_ssl_get_selected_protocol(socket) : (h2o_iovec_t){NULL, 0};
    return h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2"));
}

static void look_at(struct connection *connection, const struct settings *settings, uint64_t now)
{
    note_stuck(connection, now);
    if (is_past(connection->partial_since, settings->client_wait, now) && is_http2(connection)) {
        connection_cut(connection, CUT_SLOW_REQUEST);
    }
    if (is_past(connection->stuck_since, settings->send_wait, now)) {
        connection_cut(connection, CUT_SLOW_READER);
    }
    for (const struct visit *visit = connection->visits; visit && !connection->cut; visit = visit->next) {
        if (is_past(visit->deadline, 0, now)) {
            connection_cut(connection, visit->answered ? CUT_SLOW_READER : CUT_SLOW_REQUEST);
        }
    }
    if (connection->owner->full && !connection->visits && !connection->uploads &&
        is_past(connection->idle_since, IDLE_WHEN_FULL, now)) {
        connection_cut(connection, CUT_IDLE);
    }
}

/* What was needed for a while and is not any more goes back to the system; malloc would keep it. Rare, for it takes
 * milliseconds. */
static void give_memory_back(struct connections *connections)
{
    size_t used = connections->held + connections->open * CONNECTION_BYTES;
    connections->peak = used > connections->peak ? used : connections->peak;
    bool calm = connections->peak > WORTH_GIVING_BACK && used < connections->peak / 4;
    connections->calm = calm ? connections->calm + 1 : 0;
    if (connections->calm == CALM_LOOKS) {
        stage_give_memory_back();
        connections->peak = used;
    }
}

void deadlines_tick(struct connections *connections)
{
    uint64_t now = connections->now;
    if (now < connections->next_look && !connections->full) {
        return;
    }
    connections->next_look = now + LOOK_EVERY;
    give_memory_back(connections);
    for (struct connection *connection = connections->list; connection; connection = connection->next) {
        if (!connection->cut) {
            look_at(connection, connections->settings, now);
        }
    }
}
