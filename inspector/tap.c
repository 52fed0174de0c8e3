/*
 * One SUB socket is connected to the inspect sockets of all instances that were asked for. libzmq connects again by
 * itself when a new life has taken the place of an old one; new names are looked for twice a second.
 */
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "clock.h"
#include "find.h"
#include "tap_record.h"

#define FIND_EVERY   (SECOND / 2)
#define RECORDS_KEPT 1000  /* unread, of each instance */
#define RECORD_MAX   65536 /* bytes */
#define SOURCES_MAX  512
#define BEHIND       15 /* nice(2) */

struct source {
    struct found file;
    bool complained; /* it cannot be reached, and this was said */
    bool connected;
    uint64_t dropped; /* as it last said */
};

struct tap {
    const struct invocation *invocation;
    struct target target;
    unsigned long left; /* records to be printed; 0: no end */
    void *context, *sub;
    struct source source[SOURCES_MAX];
    size_t sources;
    struct tap_record record;
};

/* What was asked for. */

static bool read_count(struct tap *tap)
{
    const char *text = given(tap->invocation, "--count");
    char *end = NULL;

    if (!text) {
        return true;
    }
    errno = 0;
    tap->left = strtoul(text, &end, 10);
    if (errno != 0 || *text < '1' || *text > '9' || *end) {
        complain(0, "--count is \"%s\"; expected a number, 1 or more", text);
        return false;
    }
    return true;
}

static void subscribe(struct tap *tap, const char *topic)
{
    zmq_setsockopt(tap->sub, ZMQ_SUBSCRIBE, topic, strlen(topic));
}

/* "request,RESULT": subscribes to the names. */
static bool subscribe_to(struct tap *tap, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, ",");
        bool known = n == 3 && strncasecmp(names, "BAD", n) == 0;
        if (known) {
            subscribe(tap, "BAD");
        }
        for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPES; type++) {
            const char *name = message_name((enum message_type)type);
            if (strlen(name) == n && strncasecmp(names, name, n) == 0) {
                known = true;
                subscribe(tap, name);
            }
        }
        if (!known) {
            complain(0,
                     "--type: \"%.*s\" is no type of message; they are HELLO, PING, PONG, LEAVE, BYE, REQUEST, "
                     "RESPONSE, QUERY, RESULT, BUSY, FAILED, REFUSED and BAD",
                     (int)n, names);
            return false;
        }
        names += n + (names[n] == ',');
    }
    return true;
}

static bool read_types(struct tap *tap)
{
    const char *names = given(tap->invocation, "--type");

    if (!names) {
        /* All but the heartbeats. */
        names = "HELLO,LEAVE,BYE,REQUEST,RESPONSE,QUERY,RESULT,BUSY,FAILED,REFUSED,BAD";
    } else if (strcmp(names, "all") == 0) {
        subscribe(tap, "");
        return true;
    } else if (!*names) {
        complain(0, "--type is empty; expected names such as REQUEST,RESPONSE, or all");
        return false;
    }
    return subscribe_to(tap, names);
}

/* Connecting. */

/* Whether somebody listens, and lets us in: libzmq would try without a word. errno says why not. */
static bool is_listening(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return false;
    }
    bool fits = strlen(path) < sizeof(address.sun_path);
    errno = ENAMETOOLONG;
    if (fits) {
        memcpy(address.sun_path, path, strlen(path) + 1);
    }
    bool listening = fits && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return listening;
}

static void connect_source(struct tap *tap, struct source *source)
{
    char endpoint[FOUND_PATH + 8];

    if (source->connected) {
        return;
    }
    if (!is_listening(source->file.path)) {
        /* Refused: the instance is dead, which is not the tap's business; another may take its place. */
        if (errno != ECONNREFUSED && errno != ENOENT && !source->complained) {
            source->complained = true;
            complain(0, "%s cannot be connected to: %s; it is left out", source->file.path, strerror(errno));
        }
        return;
    }
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", source->file.path);
    source->connected = zmq_connect(tap->sub, endpoint) == 0;
}

static void on_file(void *user, const struct found *found)
{
    struct tap *tap = user;
    struct source *source = NULL;

    for (size_t i = 0; i < tap->sources && !source; i++) {
        if (strcmp(tap->source[i].file.path, found->path) == 0) {
            source = &tap->source[i];
        }
    }
    if (!source && tap->sources < SOURCES_MAX) {
        source = &tap->source[tap->sources++];
        *source = (struct source){.file = *found};
    }
    if (source) {
        connect_source(tap, source);
    }
}

static bool is_connected(const struct tap *tap)
{
    for (size_t i = 0; i < tap->sources; i++) {
        if (tap->source[i].connected) {
            return true;
        }
    }
    return false;
}

/* Printing. */

/* What an instance could not send in time is told, once for each gap. */
static void tell_drops(struct tap *tap, const struct tap_record *record)
{
    for (size_t i = 0; i < tap->sources; i++) {
        struct source *source = &tap->source[i];
        if (!str_eq(record->name, str_of(source->file.name))) {
            continue;
        }
        if (record->dropped > source->dropped && !tap->invocation->json) {
            fflush(stdout);
            complain(0, "%llu messages of %s are not shown: the reader was too slow",
                     (unsigned long long)(record->dropped - source->dropped), source->file.name);
        }
        source->dropped = record->dropped;
    }
}

static void print_record(struct tap *tap, zmq_msg_t *bytes)
{
    struct tap_record *record = &tap->record;

    if (!tap_record_read(record, zmq_msg_data(bytes), zmq_msg_size(bytes))) {
        complain(0, "a record is not understood; is an instance of another release than this program?");
        return;
    }
    tell_drops(tap, record);
    (tap->invocation->json ? tap_record_print_json : tap_record_print)(record);
}

/* Prints what is there. True: that was all that was asked for. */
static bool receive(struct tap *tap)
{
    bool done = false;
    zmq_msg_t bytes;

    zmq_msg_init(&bytes);
    while (!done && zmq_msg_recv(&bytes, tap->sub, ZMQ_DONTWAIT) >= 0) {
        print_record(tap, &bytes);
        done = tap->left == 1;
        tap->left -= tap->left > 0;
    }
    zmq_msg_close(&bytes);
    return fflush(stdout) != 0 || done;
}

static void watch(struct tap *tap)
{
    uint64_t find_at = clock_now() + FIND_EVERY;

    for (bool done = false; !done;) {
        uint64_t now = clock_now();
        if (now >= find_at) {
            find_at = now + FIND_EVERY;
            find_files(tap->invocation->run_dir, &tap->target, ".inspect", on_file, tap);
        }
        zmq_pollitem_t item = {.socket = tap->sub, .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, (long)((find_at - now) / MILLISECOND) + 1);
        done = receive(tap);
    }
}

static bool open_socket(struct tap *tap)
{
    int hwm = RECORDS_KEPT, linger = 0;
    int64_t longest = RECORD_MAX;

    tap->context = zmq_ctx_new();
    tap->sub = tap->context ? zmq_socket(tap->context, ZMQ_SUB) : NULL;
    return tap->sub && zmq_setsockopt(tap->sub, ZMQ_RCVHWM, &hwm, sizeof(hwm)) == 0 &&
           zmq_setsockopt(tap->sub, ZMQ_LINGER, &linger, sizeof(linger)) == 0 &&
           zmq_setsockopt(tap->sub, ZMQ_MAXMSGSIZE, &longest, sizeof(longest)) == 0;
}

static int run(struct tap *tap)
{
    const char *whom = tap->invocation->word[0];

    if (!open_socket(tap)) {
        return complain(EXIT_DEGRADED, "a ZeroMQ socket cannot be made: %s", zmq_strerror(zmq_errno()));
    }
    if (!target_read(&tap->target, whom) || !read_count(tap) || !read_types(tap)) {
        return EXIT_USAGE;
    }
    find_files(tap->invocation->run_dir, &tap->target, ".inspect", on_file, tap);
    if (!is_connected(tap)) {
        if (!find_was_refused()) {
            complain(0, "nobody shows messages of %s in %s: nobody listens on an .inspect socket there",
                     whom ? whom : "any stage", tap->invocation->run_dir);
        }
        return EXIT_ABSENT;
    }
    watch(tap);
    return EXIT_GOOD;
}

int tap_run(const struct invocation *invocation)
{
    struct tap *tap = calloc(1, sizeof(*tap));

    if (!tap) {
        return complain(EXIT_DEGRADED, "out of memory");
    }
    tap->invocation = invocation;
    setpriority(PRIO_PROCESS, 0, BEHIND); /* on a busy machine the stages come first */
    int status = run(tap);
    if (tap->sub) {
        zmq_close(tap->sub);
    }
    if (tap->context) {
        zmq_ctx_term(tap->context);
    }
    free(tap);
    return status;
}
