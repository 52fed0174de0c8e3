/* What tests/bench/tap.py counts: a number of messages written and read through frame.c, over a pair of sockets in one
 * process. Nobody is attached, unless a third argument asks for a watcher. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static void ignore(void *user, const struct frame_passed *passed)
{
    (void)user;
    (void)passed;
}

static const char *nobody(const void *owner, void *socket, const void *routing_id, size_t n)
{
    (void)owner;
    (void)socket;
    (void)routing_id;
    (void)n;
    return "?";
}

static void make_request(struct message *m)
{
    static const char *const lines[][2] = {{"host", "localhost"},
                                           {"accept", "text/html"},
                                           {"accept-encoding", "gzip"},
                                           {"user-agent", "bench"},
                                           {"accept-language", "en"}};
    m->type = MESSAGE_REQUEST;
    m->deadline = 1;
    m->method = STR("GET");
    m->scheme = STR("https");
    m->target = STR("/movie/alien-1979");
    m->client = STR("192.0.2.1");
    m->trace = STR("0123456789abcdef");
    m->headers.n = 0;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        headers_add(&m->headers, str_of(lines[i][0]), str_of(lines[i][1]));
}

int main(int argc, char **argv)
{
    static struct message request;
    struct settings settings = {.body_max = 4 << 20};
    struct frame_side side;
    unsigned messages = argc > 1 ? (unsigned)atoi(argv[1]) : 1000, good = 0;
    size_t body_bytes = argc > 2 ? (size_t)atol(argv[2]) : 0;
    void *context = zmq_ctx_new(), *left = zmq_socket(context, ZMQ_PAIR), *right = zmq_socket(context, ZMQ_PAIR);

    frame_open(&side, "bench", &settings);
    frame_name_peers(&side, nobody, NULL);
    if (argc > 3)
        frame_watch(&side, ignore, NULL);
    if (zmq_bind(right, "inproc://bench") < 0 || zmq_connect(left, "inproc://bench") < 0)
        return 1;
    make_request(&request);
    for (unsigned i = 0; i < messages; i++) {
        zmq_msg_t body, head, got;
        zmq_msg_init_size(&body, body_bytes);
        memset(zmq_msg_data(&body), 'x', body_bytes);
        request.id = i;
        frame_write(&side, left, NULL, 0, &request, PROTOCOL_NEWEST, &body);
        good += frame_read(&side, right, "bench", &head, &got) == FRAME_GOOD;
        zmq_msg_close(&head);
        zmq_msg_close(&got);
        zmq_msg_close(&body);
    }
    frame_close(&side);
    zmq_close(left);
    zmq_close(right);
    zmq_ctx_term(context);
    return good == messages ? 0 : 1;
}
