/*
 * What several threads of one process use at once, as the gateway's loops do: each has an upstream of its own, all of
 * them meet the same instances, and share the log, its limits and the counters. ThreadSanitizer watches it in the
 * preset tsan; in every preset no answer may be lost or go astray, and no line of the log may be torn.
 *
 * cmocka's assertions jump, so only the first thread makes them; the others write down what they saw.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <czmq.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "log.h"
#include "serve.h"
#include "upstream.h"

#define CALLERS  4
#define SERVERS  3
#define ROUNDS   3   /* of each caller; each with a new upstream */
#define REQUESTS 300 /* of each round */
#define WINDOW   16  /* of them in flight */
#define NAMES    40  /* counters that all threads look up */

/* What a request's body holds, and its answer's. */
struct stamp {
    unsigned caller, round, number;
};

struct server {
    pthread_t thread;
    struct claim *claim;
    struct serve *serve;
    struct message answer;
    unsigned leaves_after; /* 0: it stays to the end */
    unsigned served;
};

struct caller {
    pthread_t thread;
    unsigned number, round;
    struct message request;
    unsigned sent, answered, failed, astray;
    bool seen[REQUESTS];
    struct counter *found[NAMES];
    char error[256];
};

static char run_dir[] = "/tmp/threads-XXXXXX";
static struct settings settings;
static struct server servers[SERVERS];
static struct caller callers[CALLERS];
static atomic_bool over; /* every caller has ended */
static struct log_limit limit;
static struct counter *answers, *waits;
static int log_pipe;
static char text[1 << 17];

/* The instances. */

static void on_request(void *user, struct ticket *ticket, const struct message *m, zmq_msg_t *body)
{
    struct server *server = user;
    (void)m;
    server->answer.type = MESSAGE_RESPONSE;
    server->answer.status = 200;
    server->served++;
    log_limited(&limit, LOG_LEVEL_WARNING, "limited");
    serve_answer(server->serve, &ticket, &server->answer, body);
}

static void wait_readable(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    poll(&item, 1, 20);
}

static void *run_server(void *argument)
{
    struct server *server = argument;
    while (!atomic_load(&over) && !serve_left(server->serve)) {
        wait_readable(serve_fd(server->serve));
        serve_turn(server->serve);
        if (server->leaves_after && server->served >= server->leaves_after)
            serve_leave(server->serve);
    }
    return NULL;
}

/* The left sides. */

static void on_done(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct caller *caller = user;
    struct stamp stamp = {CALLERS, ROUNDS, REQUESTS};
    caller->answered++;
    if (answer->type != MESSAGE_RESPONSE) {
        caller->failed++;
        return;
    }
    if (zmq_msg_size(body) == sizeof(stamp))
        memcpy(&stamp, zmq_msg_data(body), sizeof(stamp));
    if (stamp.caller != caller->number || stamp.round != caller->round || stamp.number >= REQUESTS ||
        caller->seen[stamp.number]) {
        caller->astray++;
        return;
    }
    caller->seen[stamp.number] = true;
    count(answers, 1);
    histogram(waits, 1000);
    log_limited(&limit, LOG_LEVEL_WARNING, "limited");
}

static void ask(struct upstream *up, struct caller *caller)
{
    struct stamp stamp = {caller->number, caller->round, caller->sent++};
    struct message *m = &caller->request;
    char target[64];
    zmq_msg_t body;

    snprintf(target, sizeof(target), "/%u/%u/%u", stamp.caller, stamp.round, stamp.number);
    m->type = MESSAGE_REQUEST;
    m->deadline = clock_now() + 30 * SECOND;
    m->method = STR("GET");
    m->scheme = STR("http");
    m->target = str_of(target);
    m->client = m->trace = STR("");
    zmq_msg_init_size(&body, sizeof(stamp));
    memcpy(zmq_msg_data(&body), &stamp, sizeof(stamp));
    upstream_send(up, m, &body, upstream_key(0, m->target), true, on_done, caller);
    zmq_msg_close(&body);
}

static bool run_round(struct caller *caller)
{
    char instance[32];
    snprintf(instance, sizeof(instance), "1.%u", caller->number);
    struct upstream_options options = {
        .stage = "renderer", .own_stage = "cacher", .own_instance = instance, .settings = &settings};
    struct upstream *up = upstream_new(&options, caller->error, sizeof(caller->error));
    if (!up)
        return false;
    caller->sent = caller->answered = 0;
    memset(caller->seen, 0, sizeof(caller->seen));
    while (caller->answered < REQUESTS) {
        while (caller->sent < REQUESTS && caller->sent - caller->answered < WINDOW)
            ask(up, caller);
        upstream_turn(up);
        wait_readable(upstream_fd(up));
    }
    upstream_free(&up);
    log_info("caller %u ends round %u", caller->number, caller->round);
    return true;
}

static void *run_caller(void *argument)
{
    struct caller *caller = argument;
    char name[32];
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "threads.%u", i);
        caller->found[i] = counter(name, COUNTER_SUM);
        count(caller->found[i], 1);
    }
    for (caller->round = 0; caller->round < ROUNDS && run_round(caller); caller->round++)
        ;
    return NULL;
}

/* Set-up. */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_directory(void **state)
{
    (void)state;
    return nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The log goes into a pipe, all that is written here fits into it; failures and sanitizers still have standard error.
 */
static int set_up(void **state)
{
    int ends[2], ours = dup(STDERR_FILENO);
    (void)state;
    if (ours < 0 || pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return -1;
    log_pipe = ends[0];
    log_open("threads/1");
    dup2(ours, STDERR_FILENO);
    close(ours);
    /* What a process does once, it does while it has one thread. */
    zsys_init();
    zsys_handler_set(NULL);
    upstream_key(0, STR(""));
    answers = counter("threads.answers", COUNTER_SUM);
    waits = counter("threads.waits", COUNTER_HISTOGRAM);
    settings = (struct settings){.deadline = 60 * SECOND,
                                 .write_deadline = 60 * SECOND,
                                 .credit = 64,
                                 .queue = 1024,
                                 .body_max = 1 << 20,
                                 .run_dir = mkdtemp(run_dir)};
    return settings.run_dir ? 0 : -1;
}

static void start_server(struct server *server)
{
    char error[512];
    server->claim = claim_new(run_dir, "renderer", "", error, sizeof(error));
    assert_non_null(server->claim);
    struct serve_options options = {.stage = "renderer",
                                    .takes = MESSAGE_REQUEST,
                                    .settings = &settings,
                                    .claim = server->claim,
                                    .on_request = on_request,
                                    .user = server};
    server->serve = serve_new(&options, error, sizeof(error));
    assert_non_null(server->serve);
    assert_true(claim_publish(server->claim));
    assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

/* Everything at once, to its end. */
static void run_all(void)
{
    servers[0].leaves_after = REQUESTS / 2;
    for (unsigned i = 0; i < SERVERS; i++)
        start_server(&servers[i]);
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i].number = i;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]), 0);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    atomic_store(&over, true);
    for (unsigned i = 0; i < SERVERS; i++) {
        pthread_join(servers[i].thread, NULL);
        serve_free(&servers[i].serve);
        claim_free(&servers[i].claim);
    }
    ssize_t n = read(log_pipe, text, sizeof(text) - 1);
    assert_true(n > 0);
}

/* The tests: the first runs the threads, the others look at what they left. */

static void every_thread_gets_its_own_answers(void **state)
{
    unsigned served = 0;
    (void)state;
    run_all();
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_string_equal(callers[i].error, "");
        assert_int_equal(callers[i].round, ROUNDS);
        assert_int_equal(callers[i].failed, 0);
        assert_int_equal(callers[i].astray, 0);
    }
    for (unsigned i = 0; i < SERVERS; i++) {
        assert_true(servers[i].served > 0);
        served += servers[i].served;
    }
    assert_true(served >= CALLERS * ROUNDS * REQUESTS);
}

static void no_count_is_lost(void **state)
{
    (void)state;
    assert_int_equal(answers->value, CALLERS * ROUNDS * REQUESTS);
    assert_int_equal(waits->bin[9], CALLERS * ROUNDS * REQUESTS);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(callers[0].found[i]->value, CALLERS);
        for (unsigned c = 1; c < CALLERS; c++)
            assert_ptr_equal(callers[c].found[i], callers[0].found[i]);
    }
}

static void every_line_is_whole_and_accounted_for(void **state)
{
    unsigned rounds = 0, limited = limit.left_out, served = 0;
    char level[16], sentence[512];
    (void)state;
    for (char *line = text, *end; *line; line = end + 1) {
        unsigned left_out = 0, a, b;
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        assert_int_equal(sscanf(line, "%*4u-%*2u-%*2uT%*2u:%*2u:%*6fZ threads/1 %15[a-z]: %511[^\n]", level, sentence),
                         2);
        assert_null(strstr(sentence, "threads/1"));
        assert_null(strstr(sentence, "could not be written"));
        rounds += sscanf(sentence, "caller %u ends round %u", &a, &b) == 2;
        if (strncmp(sentence, "limited", 7) == 0) {
            sscanf(sentence, "limited (%u lines", &left_out);
            limited += 1 + left_out;
        }
    }
    for (unsigned i = 0; i < SERVERS; i++)
        served += servers[i].served;
    assert_int_equal(rounds, CALLERS * ROUNDS);
    assert_int_equal(limited, served + CALLERS * ROUNDS * REQUESTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_gets_its_own_answers),
        cmocka_unit_test(no_count_is_lost),
        cmocka_unit_test(every_line_is_whole_and_accounted_for),
    };
    return cmocka_run_group_tests(tests, set_up, remove_directory);
}
