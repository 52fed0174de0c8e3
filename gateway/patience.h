/*
 * How much a connection may do that brings nobody anything. Every HTTP/2 frame but those of requests and their bodies
 * takes something from the connection's patience: PING, SETTINGS, resets in either direction, priorities, small
 * windows, empty data. It grows back slowly with time, and with each request that is answered well, so that a client
 * who reads many pages may say as much about them as it likes.
 */
#ifndef FILMYFLY_GATEWAY_PATIENCE_H
#define FILMYFLY_GATEWAY_PATIENCE_H

#include "connection.h"

enum h2_frame_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
};

/* struct st_h2o_http2_frame_t of 2.2.5. */
struct h2_frame {
    uint32_t length;
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
};

/* struct st_h2o_http2_data_payload_t */
struct h2_data {
    const uint8_t *bytes;
    size_t length;
};

/* The connection sent a frame. False: its patience is worn out, and it is to be ended. */
bool patience_frame(struct connection *connection, const struct h2_frame *frame);

/* The library sends it a reset. */
void patience_reset(struct connection *connection);

/* A request of it is over. */
void patience_praise(struct connection *connection, const h2o_req_t *req);

#endif
