/* Misses that wait for one answer: a gateway's side, the cacher's fetches and a renderer's side in one thread, over
 * real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <czmq.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "fetch.h"
#include "log.h"

static char run_dir[] = "/tmp/fetch-test-XXXXXX";
static struct settings settings;
static char error[512];

static struct upstream *gateway, *renderers;
static struct claim *cacher_claim, *renderer_claim;
static struct serve *cacher, *renderer;
static struct fetches *fetches;
static struct message message;

/* What the renderer was asked and has not answered. */
static struct ticket *asked[16];
static unsigned asked_n, asked_all;
static bool asked_canonical; /* the latest had gzip and no condition */

static unsigned ended, statuses[600], failures[CAUSE_COUNT];

static void on_page(void *user, struct ticket *ticket, const struct message *m, zmq_msg_t *body)
{
    (void)user, (void)body;
    asked_canonical = str_eq(headers_get(&m->headers, STR("accept-encoding")), STR("gzip")) &&
                      !headers_get(&m->headers, STR("if-none-match")).p;
    asked[asked_n++] = ticket;
    asked_all++;
}

static void on_request(void *user, struct ticket *ticket, const struct message *m, zmq_msg_t *body)
{
    (void)user;
    fetches_request(fetches, ticket, m, body);
}

static void on_done(void *user, const struct message *answer, zmq_msg_t *body)
{
    (void)user, (void)body;
    ended++;
    if (answer->type == MESSAGE_FAILED)
        failures[cause_of(answer->cause)]++;
    else if (answer->type == MESSAGE_RESPONSE)
        statuses[answer->status]++;
}

static struct serve *open_side(const char *stage, struct claim **claim, serve_request *take)
{
    *claim = claim_new(run_dir, stage, "1", error, sizeof(error));
    assert_non_null(*claim);
    struct serve_options options = {
        .stage = stage, .takes = MESSAGE_REQUEST, .settings = &settings, .claim = *claim, .on_request = take};
    struct serve *serve = serve_new(&options, error, sizeof(error));
    assert_non_null(serve);
    assert_true(claim_publish(*claim));
    return serve;
}

static void turn(void)
{
    upstream_turn(gateway);
    serve_turn(cacher);
    upstream_turn(renderers);
    if (renderer)
        serve_turn(renderer);
    usleep(500);
}

#define turn_until(so, seconds)                                                                                        \
    do {                                                                                                               \
        uint64_t until = clock_now() + (uint64_t)((seconds)*1e9);                                                      \
        while (!(so) && clock_now() < until)                                                                           \
            turn();                                                                                                    \
        assert_true(so);                                                                                               \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    asked_n = asked_all = ended = 0;
    memset(statuses, 0, sizeof(statuses));
    memset(failures, 0, sizeof(failures));
    strcpy(run_dir + strlen(run_dir) - 6, "XXXXXX");
    settings.run_dir = mkdtemp(run_dir);
    struct upstream_options to_cacher = {"cacher", "gateway", "1", &settings};
    struct upstream_options to_renderer = {"renderer", "cacher", "1", &settings};
    gateway = upstream_new(&to_cacher, error, sizeof(error));
    renderers = upstream_new(&to_renderer, error, sizeof(error));
    cacher = open_side("cacher", &cacher_claim, on_request);
    fetches = fetches_new(cacher, renderers);
    turn_until(upstream_ready(gateway) == 1, 3);
    return 0;
}

static void open_renderer(void)
{
    renderer = open_side("renderer", &renderer_claim, on_page);
    turn_until(upstream_ready(renderers) == 1, 3);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    fetches_free(&fetches);
    serve_free(&cacher);
    serve_free(&renderer);
    upstream_free(&renderers);
    upstream_free(&gateway);
    claim_free(&cacher_claim);
    claim_free(&renderer_claim);
    return nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A visitor asks; one header line, or NULL. */
static void visit(double seconds, const char *method, const char *name, const char *value)
{
    message.type = MESSAGE_REQUEST;
    message.deadline = clock_now() + (uint64_t)(seconds * 1e9);
    message.method = str_of(method);
    message.scheme = STR("http");
    message.target = STR("/page");
    message.client = message.trace = STR("");
    message.headers.n = 0;
    if (name)
        headers_add(&message.headers, str_of(name), str_of(value));
    upstream_send(gateway, &message, NULL, 1, true, on_done, NULL);
}

static void render(enum message_type type, const char *name, const char *value)
{
    message.type = type;
    message.status = 200;
    message.tags.n = message.headers.n = 0;
    message.cause = str_of(cause_name(CAUSE_UNAVAILABLE));
    message.text = STR("a sentence that is long enough to lie in memory of its own and not in the frame");
    headers_add(&message.headers, STR("etag"), STR("\"a\""));
    if (name)
        headers_add(&message.headers, str_of(name), str_of(value));
    serve_answer(renderer, &asked[--asked_n], &message, NULL);
}

static void one_answer_is_for_all_who_wait(void **state)
{
    (void)state;
    open_renderer();
    visit(5, "GET", NULL, NULL);
    visit(5, "HEAD", NULL, NULL);
    visit(5, "GET", "if-none-match", "\"a\"");
    turn_until(serve_held(cacher) == 3 && asked_n == 1, 2);
    assert_true(asked_canonical);
    render(MESSAGE_RESPONSE, NULL, NULL);
    turn_until(ended == 3, 2);
    assert_int_equal(statuses[200], 2);
    assert_int_equal(statuses[304], 1);
    assert_int_equal(asked_all, 1);
}

static void what_is_not_for_all_is_asked_for_singly(void **state)
{
    (void)state;
    open_renderer();
    for (int i = 0; i < 3; i++)
        visit(5, "GET", NULL, NULL);
    turn_until(serve_held(cacher) == 3 && asked_n == 1, 2);
    render(MESSAGE_RESPONSE, "set-cookie", "a=b");
    turn_until(ended == 1 && asked_n == 2, 2);
    visit(5, "GET", NULL, NULL);
    turn_until(asked_n == 3, 2); /* it is remembered: the next one does not wait behind them */
    while (asked_n)
        render(MESSAGE_RESPONSE, "set-cookie", "a=b");
    turn_until(ended == 4, 2);
}

static void a_page_that_varies_does_not_queue_its_visitors(void **state)
{
    (void)state;
    open_renderer();
    visit(5, "GET", "accept-language", "de");
    visit(5, "GET", "accept-language", "en");
    turn_until(serve_held(cacher) == 2 && asked_n == 1, 2);
    render(MESSAGE_RESPONSE, "vary", "accept-language");
    turn_until(ended == 1 && asked_n == 1, 2);
    visit(5, "GET", "accept-language", "fr");
    turn_until(asked_n == 2, 2);
}

/* A failure within the time is everybody's, at once: asking anew for each would be a storm. */
static void a_failure_is_for_all_who_wait(void **state)
{
    (void)state;
    open_renderer();
    for (int i = 0; i < 10; i++)
        visit(5, "GET", NULL, NULL);
    turn_until(serve_held(cacher) == 10 && asked_n == 1, 2);
    render(MESSAGE_FAILED, NULL, NULL);
    turn_until(ended == 10, 2);
    assert_int_equal(asked_all, 1);
    assert_int_equal(failures[CAUSE_UNAVAILABLE], 10);
}

/* Nobody is there when the first one's time is over; who came later waits on, and is answered when somebody comes. */
static void each_waits_for_as_long_as_it_may(void **state)
{
    (void)state;
    visit(0.4, "GET", NULL, NULL);
    turn_until(serve_held(cacher) == 1, 1);
    visit(5, "GET", NULL, NULL);
    turn_until(ended == 1, 1);
    assert_int_equal(failures[CAUSE_UNAVAILABLE] + failures[CAUSE_DEADLINE],
                     1); /* the cacher's word or the gateway's */
    open_renderer();
    turn_until(asked_n == 1, 2);
    render(MESSAGE_RESPONSE, NULL, NULL);
    turn_until(statuses[200] == 1, 2);
}

/* FAILED and then a message without its fields: what is logged must be of the message that came. */
static void a_renderer_that_answers_with_another_kind_harms_nothing(void **state)
{
    (void)state;
    static const enum message_type types[] = {MESSAGE_FAILED, MESSAGE_REFUSED, MESSAGE_RESULT, MESSAGE_BUSY};
    open_renderer();
    for (unsigned i = 0; i < 4; i++) {
        visit(5, "GET", NULL, NULL);
        turn_until(asked_n == 1, 2);
        message.retry_after = 1;
        render(types[i], NULL, NULL);
        turn_until(ended == i + 1, 2);
    }
    assert_int_equal(failures[CAUSE_INTERNAL], 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    log_open("fetch-test");
    log_set_level("error");
    zsys_init();
    zsys_handler_set(NULL);
    if (!settings_load(&settings, FOR_CACHER, error, sizeof(error)))
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(one_answer_is_for_all_who_wait),
        TEST(what_is_not_for_all_is_asked_for_singly),
        TEST(a_page_that_varies_does_not_queue_its_visitors),
        TEST(a_failure_is_for_all_who_wait),
        TEST(each_waits_for_as_long_as_it_may),
        TEST(a_renderer_that_answers_with_another_kind_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
