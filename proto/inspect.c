/*
 * Topics are the messages' names. A side is watched as long as anybody has subscribed to anything, and a message is
 * packed for showing only when somebody has subscribed to its name.
 */
#include "inspect.h"

#include <czmq.h>
#include <errno.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "redact.h"
#include "stage.h"

#define FORM        1 /* of the records; the first item of each */
#define SIDES_MAX   8
#define FRAMES_TURN 256 /* heard in one turn at most */
#define FRAME_MAX   256 /* bytes of what is heard; a longer one ends its connection */
#define RECORDS     256 /* on their way to one reader */
#define RECORD_MAX  32768
#define STUCK_FOR   SECOND
#define BAD         "BAD" /* the topic of what was refused */

struct inspect {
    struct inspect_options options;
    zsock_t *xpub;
    void *socket;
    char path[128], name[80]; /* name: "gateway/1.0" */
    dev_t device;
    ino_t inode;
    struct frame_side *side[SIDES_MAX];
    unsigned sides;
    bool everything, topic[MESSAGE_TYPES]; /* subscribed; [MESSAGE_NONE]: BAD */
    bool watched;
    uint64_t stuck;         /* CLOCK_MONOTONIC, ns, since when some reader takes nothing; 0: all do */
    uint64_t dropped_here;  /* by this thread; the counter is the process's */
    struct message message; /* large, so not on the stack */
    struct arena *arena;
    struct buffer head, record;
    struct counter *shown, *dropped, *unknown;
    struct log_limit limit;
};

/* Binding. */

static bool publish(struct inspect *inspect, const char *temporary)
{
    struct stat st;
    if (chmod(temporary, 0660) < 0 || stat(temporary, &st) < 0 || rename(temporary, inspect->path) < 0)
        return false;
    inspect->device = st.st_dev;
    inspect->inode = st.st_ino;
    return true;
}

/* A reader is nobody to wait for: little is kept for him, and nothing when we leave. */
static void limit_socket(struct inspect *inspect)
{
    int hwm = RECORDS, linger = 0, nodrop = 1;
    int64_t longest = FRAME_MAX;
    zmq_setsockopt(inspect->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
    zmq_setsockopt(inspect->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm));
    zmq_setsockopt(inspect->socket, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(inspect->socket, ZMQ_MAXMSGSIZE, &longest, sizeof(longest));
    zmq_setsockopt(inspect->socket, ZMQ_XPUB_NODROP, &nodrop, sizeof(nodrop));
}

static bool open_socket(struct inspect *inspect, char *error, size_t error_size)
{
    const struct claim *claim = inspect->options.claim;
    char suffix[32] = ".inspect", temporary[sizeof(inspect->path)], hidden[32];
    snprintf(inspect->name, sizeof(inspect->name), "%s/%s", claim_stage(claim), claim_instance(claim));
    if (inspect->options.thread >= 0) {
        size_t n = strlen(inspect->name);
        snprintf(inspect->name + n, sizeof(inspect->name) - n, ".%d", inspect->options.thread);
        snprintf(suffix, sizeof(suffix), ".%d.inspect", inspect->options.thread);
    }
    snprintf(hidden, sizeof(hidden), ".i%d", inspect->options.thread + 1);
    if (!claim_file(claim, suffix, inspect->path, sizeof(inspect->path)) ||
        (size_t)snprintf(temporary, sizeof(temporary), "%s%s", claim_bind_path(claim), hidden) >= sizeof(temporary)) {
        snprintf(error, error_size, "the path of %s's inspect socket is too long; use a shorter FILMYFLY_RUN_DIR",
                 inspect->name);
        return false;
    }
    inspect->xpub = zsock_new(ZMQ_XPUB);
    if (!inspect->xpub) {
        snprintf(error, error_size, "a ZeroMQ socket cannot be made: %s", zmq_strerror(zmq_errno()));
        return false;
    }
    inspect->socket = zsock_resolve(inspect->xpub);
    limit_socket(inspect);
    if (zsock_bind(inspect->xpub, "ipc://%s", temporary) < 0 || !publish(inspect, temporary)) {
        snprintf(error, error_size, "%s cannot be made: %s", inspect->path, zmq_strerror(zmq_errno()));
        return false;
    }
    return true;
}

struct inspect *inspect_new(const struct inspect_options *options, char *error, size_t error_size)
{
    struct inspect *inspect = calloc(1, sizeof(*inspect));
    if (!inspect) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    inspect->options = *options;
    inspect->head.limit = inspect->record.limit = RECORD_MAX;
    inspect->shown = counter("tap.shown", COUNTER_SUM);
    inspect->dropped = counter("tap.dropped", COUNTER_SUM);
    inspect->unknown = counter("inspect.unknown", COUNTER_SUM);
    if (!open_socket(inspect, error, error_size))
        inspect_free(&inspect);
    return inspect;
}

void inspect_free(struct inspect **slot)
{
    struct inspect *inspect = *slot;
    struct stat st;
    if (!inspect)
        return;
    for (unsigned i = 0; i < inspect->sides; i++)
        frame_watch(inspect->side[i], NULL, NULL);
    if (inspect->inode && stat(inspect->path, &st) == 0 && st.st_ino == inspect->inode && st.st_dev == inspect->device)
        unlink(inspect->path);
    zsock_destroy(&inspect->xpub);
    arena_free(&inspect->arena);
    buffer_release(&inspect->head);
    buffer_release(&inspect->record);
    free(inspect);
    *slot = NULL;
}

/* Showing. */

/* Once more without regard for who is full: he misses it, and from then on what he misses is not counted. */
static void send_to_others(struct inspect *inspect, zmq_msg_t *record)
{
    int nodrop = 0;
    zmq_setsockopt(inspect->socket, ZMQ_XPUB_NODROP, &nodrop, sizeof(nodrop));
    zmq_msg_send(record, inspect->socket, ZMQ_DONTWAIT);
    nodrop = 1;
    zmq_setsockopt(inspect->socket, ZMQ_XPUB_NODROP, &nodrop, sizeof(nodrop));
    inspect->stuck = 0;
}

static void drop(struct inspect *inspect)
{
    count(inspect->dropped, 1);
    inspect->dropped_here++;
}

/* With ZMQ_XPUB_NODROP a reader who is full stops it for all, which is how drops can be counted. He may do so for a
 * second. */
static void send_record(struct inspect *inspect)
{
    zmq_msg_t record;
    if (inspect->record.failed || zmq_msg_init_size(&record, inspect->record.n) < 0) {
        drop(inspect);
        return;
    }
    memcpy(zmq_msg_data(&record), inspect->record.p, inspect->record.n);
    if (zmq_msg_send(&record, inspect->socket, ZMQ_DONTWAIT) >= 0) {
        count(inspect->shown, 1);
        inspect->stuck = 0;
    } else {
        uint64_t now = clock_now();
        drop(inspect);
        if (!inspect->stuck)
            inspect->stuck = now;
        else if (now - inspect->stuck > STUCK_FOR)
            send_to_others(inspect, &record);
    }
    zmq_msg_close(&record);
}

static int append(void *out, const char *bytes, size_t n)
{
    buffer_append(out, bytes, n);
    return 0;
}

static void pack_text(msgpack_packer *pk, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, text, n);
}

static void pack_bytes(msgpack_packer *pk, const void *p, size_t n)
{
    msgpack_pack_bin(pk, n);
    msgpack_pack_bin_body(pk, n ? p : "", n);
}

static void pack_record(struct inspect *inspect, const char *topic, const struct frame_passed *passed, size_t body)
{
    struct buffer *record = &inspect->record;
    struct timespec now;
    msgpack_packer pk;
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_reset(record);
    buffer_append_str(record, str_of(topic));
    buffer_append_char(record, ' ');
    msgpack_packer_init(&pk, record, append);
    msgpack_pack_array(&pk, 12);
    msgpack_pack_uint32(&pk, FORM);
    msgpack_pack_uint64(&pk, (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec);
    pack_text(&pk, inspect->name);
    pack_text(&pk, passed->side);
    pack_text(&pk, passed->in ? "in" : "out");
    pack_text(&pk, passed->peer);
    msgpack_pack_uint64(&pk, passed->head_n);
    msgpack_pack_uint64(&pk, zmq_msg_size(passed->body));
    msgpack_pack_uint64(&pk, inspect->dropped_here);
    pack_text(&pk, passed->bad ? passed->bad : "");
    pack_bytes(&pk, inspect->head.p, inspect->head.n);
    pack_bytes(&pk, zmq_msg_data(passed->body), body);
}

static bool is_watched(const struct inspect *inspect, enum message_type type)
{
    return inspect->everything || inspect->topic[type];
}

/* Of what was refused nothing is shown but that it was: nobody knows what is in it. */
static void show(void *user, const struct frame_passed *passed)
{
    struct inspect *inspect = user;
    struct message *m = &inspect->message;
    bool bad = passed->bad || message_unpack(passed->head, passed->head_n, m);
    size_t body = 0;
    if (!is_watched(inspect, bad ? MESSAGE_NONE : m->type))
        return;
    buffer_reset(&inspect->head);
    if (!bad) {
        arena_reset(inspect->arena);
        redact_message(m, inspect->arena);
        message_pack(m, PROTOCOL_NEWEST, &inspect->head);
        body = redact_body(m, zmq_msg_size(passed->body));
    }
    pack_record(inspect, bad ? BAD : message_name(m->type), passed, body);
    send_record(inspect);
}

void inspect_add(struct inspect *inspect, struct frame_side *side)
{
    if (inspect->sides < SIDES_MAX)
        inspect->side[inspect->sides++] = side;
    if (inspect->watched)
        frame_watch(side, show, inspect);
}

/* Hearing. */

static void subscribe(struct inspect *inspect, struct str topic, bool on)
{
    if (topic.n == 0)
        inspect->everything = on;
    if (str_eq(topic, STR(BAD)))
        inspect->topic[MESSAGE_NONE] = on;
    for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPES; type++)
        if (str_eq(topic, str_of(message_name((enum message_type)type))))
            inspect->topic[type] = on;
}

static void hear(struct inspect *inspect, struct str frame)
{
    if (frame.n > 0 && (*frame.p == 0 || *frame.p == 1)) {
        subscribe(inspect, (struct str){frame.p + 1, frame.n - 1}, *frame.p == 1);
    } else if (str_eq(frame, STR("restart"))) {
        log_info("told to restart");
        inspect->options.on_command(inspect->options.user, INSPECT_RESTART);
    } else if (str_eq(frame, STR("drain"))) {
        log_info("told to take no new work");
        inspect->options.on_command(inspect->options.user, INSPECT_DRAIN);
    } else {
        count(inspect->unknown, 1);
        log_limited(&inspect->limit, LOG_LEVEL_WARNING, "what %s was told is no command; dropped", inspect->path);
    }
}

static void look_who_watches(struct inspect *inspect)
{
    bool watched = inspect->everything;
    for (int type = 0; type < MESSAGE_TYPES; type++)
        watched |= inspect->topic[type];
    if (watched == inspect->watched)
        return;
    if (watched && !inspect->arena)
        inspect->arena = arena_new(RECORD_MAX * 8);
    inspect->watched = watched;
    for (unsigned i = 0; i < inspect->sides; i++)
        frame_watch(inspect->side[i], watched ? show : NULL, inspect);
}

void inspect_turn(struct inspect *inspect)
{
    bool heard = true;
    for (int i = 0; heard && i < FRAMES_TURN; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        heard = zmq_msg_recv(&frame, inspect->socket, ZMQ_DONTWAIT) >= 0;
        if (heard)
            hear(inspect, (struct str){zmq_msg_data(&frame), (uint32_t)zmq_msg_size(&frame)});
        zmq_msg_close(&frame);
    }
    look_who_watches(inspect);
}
