/*
 * The hop with its shell on: real instances and a real left side over real sockets, all turned by one thread, so that
 * "frozen" is simply not turned. What the judgement itself does is hop_test's; here it is sockets, descriptors and
 * lives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <czmq.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "serve.h"
#include "upstream.h"

#define INSTANCES_MAX 40
#define ASKED_MAX     256

static char run_dir[] = "/tmp/hop-shell-XXXXXX";
static struct settings settings;
static char error[512];

/* An instance, and what it has taken and not answered. */
struct instance {
    struct claim *claim;
    struct serve *serve;
    struct ticket *ticket[ASKED_MAX];
    uint64_t deadline; /* of the latest */
    unsigned n;
    bool echo; /* answers at once */
};

static struct instance instances[INSTANCES_MAX];
static struct upstream *up;
static struct message message;

/* How requests ended. */
static struct {
    unsigned n, type[MESSAGE_TYPES];
    enum cause cause; /* of the latest FAILED */
} ends;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(run_dir + strlen(run_dir) - 6, "XXXXXX");
    memset(&ends, 0, sizeof(ends));
    settings.run_dir = mkdtemp(run_dir);
    struct upstream_options options = {
        .stage = "renderer", .own_stage = "cacher", .own_instance = "1", .settings = &settings};
    up = upstream_new(&options, error, sizeof(error));
    return up ? 0 : -1;
}

static void stop(struct instance *instance)
{
    serve_free(&instance->serve);
    claim_free(&instance->claim);
    memset(instance, 0, sizeof(*instance));
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < INSTANCES_MAX; i++)
        stop(&instances[i]);
    upstream_free(&up);
    return nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void reply(struct instance *instance, enum message_type type)
{
    message.type = type;
    message.status = 200;
    message.headers.n = 0;
    message.tags.n = 0;
    serve_answer(instance->serve, &instance->ticket[--instance->n], &message, NULL);
}

static void on_request(void *user, struct ticket *ticket, const struct message *m, zmq_msg_t *body)
{
    struct instance *instance = user;
    (void)body;
    assert_true(instance->n < ASKED_MAX);
    instance->deadline = m->deadline;
    instance->ticket[instance->n++] = ticket;
    if (instance->echo)
        reply(instance, MESSAGE_RESPONSE);
}

static struct instance *start(const char *name, bool echo, uint32_t most)
{
    struct instance *instance = instances;
    while (instance->serve)
        instance++;
    instance->echo = echo;
    instance->claim = claim_new(run_dir, "renderer", name, error, sizeof(error));
    assert_non_null(instance->claim);
    struct serve_options options = {.stage = "renderer",
                                    .takes = MESSAGE_REQUEST,
                                    .settings = &settings,
                                    .claim = instance->claim,
                                    .most = most,
                                    .on_request = on_request,
                                    .user = instance};
    instance->serve = serve_new(&options, error, sizeof(error));
    assert_non_null(instance->serve);
    assert_true(claim_publish(instance->claim));
    return instance;
}

static void turn_instances(void)
{
    for (int i = 0; i < INSTANCES_MAX; i++)
        if (instances[i].serve)
            serve_turn(instances[i].serve);
}

static void turn(void)
{
    turn_instances();
    upstream_turn(up);
    usleep(500);
}

/* Turns both sides until it is so, or `seconds` have passed. */
#define turn_until(so, seconds)                                                                                        \
    do {                                                                                                               \
        uint64_t until = clock_now() + (uint64_t)((seconds)*1e9);                                                      \
        while (!(so) && clock_now() < until)                                                                           \
            turn();                                                                                                    \
        assert_true(so);                                                                                               \
    } while (0)

static void turn_for(double seconds)
{
    for (uint64_t until = clock_now() + (uint64_t)(seconds * 1e9); clock_now() < until;)
        turn();
}

static void on_done(void *user, const struct message *answer, zmq_msg_t *body)
{
    (void)user, (void)body;
    ends.n++;
    ends.type[answer->type]++;
    if (answer->type == MESSAGE_FAILED)
        ends.cause = cause_of(answer->cause);
}

static void set_request(uint64_t deadline, const char *target)
{
    message.type = MESSAGE_REQUEST;
    message.deadline = deadline;
    message.method = STR("GET");
    message.scheme = STR("http");
    message.target = str_of(target);
    message.client = message.trace = STR("");
    message.headers.n = 0;
}

static void ask(double seconds, bool again)
{
    static uint64_t key = 1;
    set_request(clock_now() + (uint64_t)(seconds * 1e9), "/");
    upstream_send(up, &message, NULL, key++, again, on_done, NULL);
}

/* A left side of our own making. */
struct raw {
    void *socket;
    struct frame_side side;
};

static struct raw raw_new(const struct instance *instance)
{
    struct raw raw = {.socket = zmq_socket(zsys_init(), ZMQ_DEALER)};
    char endpoint[128];
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/renderer/%s.sock", run_dir, claim_instance(instance->claim));
    frame_open(&raw.side, "raw", &settings);
    frame_limit_socket(&raw.side, raw.socket, 1000);
    assert_int_equal(zmq_connect(raw.socket, endpoint), 0);
    return raw;
}

static void raw_free(struct raw *raw)
{
    frame_close(&raw->side);
    zmq_close(raw->socket);
}

static void raw_say(struct raw *raw, enum message_type type, uint64_t id)
{
    message.type = type;
    message.id = id;
    message.stage = message.instance = message.release = STR("raw\nrenderer/1: all is well");
    message.oldest = PROTOCOL_OLDEST;
    message.newest = PROTOCOL_NEWEST;
    message.credit = message.pid = 0;
    assert_true(frame_write(&raw->side, raw->socket, NULL, 0, &message, PROTOCOL_NEWEST, NULL));
}

/* The type of what arrives next, within a second; NONE if nothing does. */
static enum message_type raw_hear(struct raw *raw)
{
    for (int i = 0; i < 1000; i++) {
        zmq_pollitem_t item = {.socket = raw->socket, .events = ZMQ_POLLIN};
        turn_instances();
        if (zmq_poll(&item, 1, 1) == 1) {
            zmq_msg_t head, body;
            bool good = frame_read(&raw->side, raw->socket, "instance", &head, &body);
            enum message_type type = good ? raw->side.message.type : MESSAGE_NONE;
            zmq_msg_close(&head);
            zmq_msg_close(&body);
            return type;
        }
    }
    return MESSAGE_NONE;
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void request_is_answered_by_whoever_appears(void **state)
{
    (void)state;
    ask(5, true);
    turn_for(0.1);
    start("", true, 0);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 3);
}

/* What an instance said last counts, also when it is gone before we look: these may not be sent again, so a loss would
 * show. */
static void last_answers_of_one_that_ends_are_read(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    for (int i = 0; i < 20; i++)
        ask(5, false);
    turn_until(instance->n == 20, 3);
    while (instance->n)
        reply(instance, MESSAGE_RESPONSE);
    stop(instance);
    usleep(50000);
    turn_until(ends.n == 20, 3);
    assert_int_equal(ends.type[MESSAGE_RESPONSE], 20);
}

static void what_was_in_flight_at_a_death_goes_to_another(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    ask(5, true);
    ask(5, false);
    turn_until(instance->n == 2, 3);
    stop(instance);
    turn_until(ends.type[MESSAGE_FAILED] == 1, 1);
    assert_int_equal(ends.cause, CAUSE_UNKNOWN);
    start("", true, 0);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 3);
}

static void late_answer_of_one_that_was_frozen_counts(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    ask(5, true);
    turn_until(instance->n == 1, 3);
    for (uint64_t until = clock_now() + 1100 * MILLISECOND; clock_now() < until; usleep(1000))
        upstream_turn(up);
    assert_int_equal(upstream_ready(up), 0);
    reply(instance, MESSAGE_RESPONSE);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 1);
}

/* Nobody may say of a write that reached somebody that nothing was done. */
static void write_to_a_frozen_one_ends_in_doubt(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    ask(1.5, false);
    turn_until(instance->n == 1, 1);
    while (!ends.n) {
        upstream_turn(up);
        usleep(1000);
    }
    assert_int_equal(upstream_ready(up), 0);
    assert_int_equal(ends.cause, CAUSE_DEADLINE);
}

static void without_anybody_it_is_unavailable(void **state)
{
    (void)state;
    ask(0.2, false);
    turn_until(ends.n == 1, 1);
    assert_int_equal(ends.cause, CAUSE_UNAVAILABLE);
}

static void full_instance_says_busy(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 1);
    ask(5, true);
    turn_until(instance->n == 1, 3);
    ask(5, true);
    turn_until(ends.type[MESSAGE_BUSY] == 1, 1);
    reply(instance, MESSAGE_RESPONSE);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 1);
}

static void leaving_finishes_what_is_still_in_the_pipe(void **state)
{
    (void)state;
    struct instance *instance = start("", true, 0);
    turn_until(upstream_ready(up) == 1, 3);
    for (int i = 0; i < 50; i++)
        ask(5, false);
    upstream_turn(up); /* sent, not yet read */
    serve_leave(instance->serve);
    turn_until(serve_left(instance->serve), 0.9); /* with the BYE, before patience is over */
    stop(instance);
    turn_until(ends.n == 50, 1);
    assert_int_equal(ends.type[MESSAGE_RESPONSE], 50);
}

static void replacement_under_the_same_name_loses_nothing(void **state)
{
    (void)state;
    struct instance *old = start("1", true, 0);
    turn_until(upstream_ready(up) == 1, 3);
    for (int round = 0; round < 5; round++) {
        unsigned before = ends.n;
        for (int i = 0; i < 10; i++)
            ask(5, false);
        upstream_turn(up);
        serve_leave(old->serve);
        struct instance *new = start("1", true, 0);
        for (int i = 0; i < 10; i++)
            ask(5, false);
        turn_until(serve_left(old->serve), 0.9);
        stop(old);
        turn_until(ends.n == before + 20, 3);
        old = new;
    }
    assert_int_equal(ends.type[MESSAGE_RESPONSE], 100);
}

static void leaving_does_not_wait_for_one_who_never_says_bye(void **state)
{
    (void)state;
    struct instance *instance = start("", true, 0);
    struct raw raw = raw_new(instance);
    raw_say(&raw, MESSAGE_HELLO, 0);
    assert_int_equal(raw_hear(&raw), MESSAGE_HELLO);
    serve_leave(instance->serve);
    assert_int_equal(raw_hear(&raw), MESSAGE_LEAVE);
    instance->echo = false;
    uint64_t id = 0;
    for (uint64_t until = clock_now() + 1200 * MILLISECOND; clock_now() < until; usleep(10000)) {
        set_request(clock_now() + SECOND, "/"); /* and goes on asking */
        raw_say(&raw, MESSAGE_REQUEST, ++id);
        turn_instances();
        while (instance->n)
            reply(instance, MESSAGE_RESPONSE);
    }
    assert_true(serve_left(instance->serve));
    set_request(clock_now() + SECOND, "/");
    raw_say(&raw, MESSAGE_REQUEST, ++id);
    enum message_type last = MESSAGE_NONE;
    while (raw.side.message.id != id && (last = raw_hear(&raw)) != MESSAGE_NONE)
        ;
    assert_int_equal(last, MESSAGE_BUSY);
    raw_free(&raw);
}

static void leaving_does_not_wait_for_one_who_is_gone(void **state)
{
    (void)state;
    struct instance *instance = start("", true, 0);
    struct raw raw = raw_new(instance);
    raw_say(&raw, MESSAGE_HELLO, 0);
    assert_int_equal(raw_hear(&raw), MESSAGE_HELLO);
    raw_free(&raw);
    usleep(50000);
    turn_instances();
    serve_leave(instance->serve);
    assert_true(serve_left(instance->serve));
}

/* Left sides that come and go fill the table of neighbours: the next one is heard all the same, soon. */
static void a_storm_of_hellos_does_not_keep_others_out(void **state)
{
    (void)state;
    struct instance *instance = start("", true, 0);
    enum message_type heard = MESSAGE_HELLO;
    int said = 0;
    for (; said < 1000 && heard == MESSAGE_HELLO; said++) {
        struct raw raw = raw_new(instance);
        raw_say(&raw, MESSAGE_HELLO, 0);
        heard = raw_hear(&raw);
        raw_free(&raw);
    }
    assert_true(said > 200);
    ask(5, true);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 4);
}

/* Whose entry might be another's by now must not be charged with the tickets of the one before. */
static void tickets_outlive_their_peer(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    struct raw raw = raw_new(instance);
    set_request(clock_now() + 60 * SECOND, "/");
    raw_say(&raw, MESSAGE_REQUEST, 7);
    turn_until(instance->n == 1, 1);
    usleep(1100000); /* silent for so long that a newcomer may have its entry when the table is full */
    for (int i = 0; i < 300; i++) {
        struct raw next = raw_new(instance);
        raw_say(&next, MESSAGE_HELLO, 0);
        bool heard = raw_hear(&next) == MESSAGE_HELLO;
        raw_free(&next);
        if (!heard)
            break;
    }
    reply(instance, MESSAGE_RESPONSE);
    assert_int_equal(serve_held(instance->serve), 0);
    assert_int_equal(raw_hear(&raw), MESSAGE_RESPONSE);
    set_request(clock_now() + 60 * SECOND, "/");
    raw_say(&raw, MESSAGE_REQUEST, 8); /* and it is no worse off for it */
    turn_until(instance->n == 1, 1);
    raw_free(&raw);
}

static void no_ticket_is_open_for_ever(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    struct raw raw = raw_new(instance);
    set_request(UINT64_MAX, "/");
    raw_say(&raw, MESSAGE_REQUEST, 1);
    set_request(1, "/past");
    raw_say(&raw, MESSAGE_REQUEST, 2);
    turn_until(instance->n == 1, 1);
    assert_true(instance->deadline <= clock_now() + 300 * SECOND);
    turn_for(0.05);
    assert_int_equal(instance->n, 1);
    raw_free(&raw);
}

static void answer_of_another_kind_is_a_failure(void **state)
{
    (void)state;
    struct instance *instance = start("", false, 0);
    for (enum message_type type = MESSAGE_RESULT; type <= MESSAGE_REFUSED; type += MESSAGE_REFUSED - MESSAGE_RESULT) {
        ask(5, true);
        turn_until(instance->n == 1, 3);
        message.text = STR("x");
        reply(instance, type);
        turn_until(ends.n == (type == MESSAGE_RESULT ? 1 : 2), 1);
    }
    assert_int_equal(ends.type[MESSAGE_FAILED], 2);
    assert_int_equal(ends.cause, CAUSE_INTERNAL);
}

static void what_is_beyond_the_limits_fails_alone(void **state)
{
    (void)state;
    static char target[LIMIT_TARGET + 2];
    memset(target, 'x', sizeof(target) - 1);
    struct instance *instance = start("", false, 0);
    set_request(clock_now() + 5 * SECOND, target);
    upstream_send(up, &message, NULL, 1, true, on_done, NULL);
    turn_until(ends.n == 1, 3);
    assert_int_equal(ends.cause, CAUSE_INTERNAL);

    ask(5, true); /* and an answer: */
    turn_until(instance->n == 1, 1);
    zmq_msg_t body;
    zmq_msg_init_size(&body, settings.body_max + 1);
    message.type = MESSAGE_RESPONSE;
    message.headers.n = message.tags.n = 0;
    serve_answer(instance->serve, &instance->ticket[--instance->n], &message, &body);
    assert_int_equal(zmq_msg_size(&body), 0);
    zmq_msg_close(&body);
    turn_until(ends.n == 2, 1);
    assert_int_equal(ends.type[MESSAGE_FAILED], 2);
    ask(5, true);
    turn_until(instance->n == 1, 1);
}

static void sockets_of_the_dead_do_not_hide_the_living(void **state)
{
    (void)state;
    struct claim *claim = claim_new(run_dir, "renderer", "first", error, sizeof(error)); /* makes the folder */
    claim_free(&claim);
    for (int i = 0; i < 150; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/renderer/dead-%d.sock", run_dir, i);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
    }
    turn_for(0.3);
    start("living", true, 0);
    turn_until(upstream_ready(up) == 1, 15);
}

/* No descriptor left to open the folder with: that says nothing of who is in it. */
static void registry_that_cannot_be_read_changes_nothing(void **state)
{
    (void)state;
    struct rlimit before, none;
    start("", true, 0);
    turn_until(upstream_ready(up) == 1, 3);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn_for(0.5);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(upstream_ready(up), 1);
    ask(5, true);
    turn_until(ends.type[MESSAGE_RESPONSE] == 1, 1);
}

/* HOP_SHELL_LIVES=10000 for a long look. */
static void descriptors_stay_constant_while_instances_come_and_go(void **state)
{
    (void)state;
    const char *text = getenv("HOP_SHELL_LIVES");
    int rounds = (text ? atoi(text) : 200) / INSTANCES_MAX, first = 0;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < INSTANCES_MAX; i++)
            start("", true, 0);
        turn_until(upstream_ready(up) == INSTANCES_MAX, 10);
        unsigned before = ends.n;
        for (int i = 0; i < INSTANCES_MAX; i++)
            ask(5, true);
        turn_until(ends.n == before + INSTANCES_MAX, 5);
        for (int i = 0; i < INSTANCES_MAX; i++)
            stop(&instances[i]);
        turn_until(upstream_ready(up) == 0, 5);
        turn_for(0.25); /* the registry is looked at */
        if (round == 0)
            first = count_descriptors();
    }
    /* The library closes in a thread of its own: what is left may vary by a few, not by one a life. */
    assert_in_range(count_descriptors(), 1, first + 4);
    assert_int_equal(ends.type[MESSAGE_RESPONSE], ends.n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    log_open("hop-shell");
    log_set_level(getenv("HOP_SHELL_LOG") ? "debug" : "error");
    zsys_init();
    zsys_handler_set(NULL);
    if (!settings_load(&settings, FOR_CACHER, error, sizeof(error)))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(request_is_answered_by_whoever_appears),
        TEST(last_answers_of_one_that_ends_are_read),
        TEST(what_was_in_flight_at_a_death_goes_to_another),
        TEST(late_answer_of_one_that_was_frozen_counts),
        TEST(write_to_a_frozen_one_ends_in_doubt),
        TEST(without_anybody_it_is_unavailable),
        TEST(full_instance_says_busy),
        TEST(leaving_finishes_what_is_still_in_the_pipe),
        TEST(replacement_under_the_same_name_loses_nothing),
        TEST(leaving_does_not_wait_for_one_who_never_says_bye),
        TEST(leaving_does_not_wait_for_one_who_is_gone),
        TEST(a_storm_of_hellos_does_not_keep_others_out),
        TEST(tickets_outlive_their_peer),
        TEST(no_ticket_is_open_for_ever),
        TEST(answer_of_another_kind_is_a_failure),
        TEST(what_is_beyond_the_limits_fails_alone),
        TEST(sockets_of_the_dead_do_not_hide_the_living),
        TEST(registry_that_cannot_be_read_changes_nothing),
        TEST(descriptors_stay_constant_while_instances_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
