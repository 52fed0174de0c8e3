/* The frames of the protocol before (tests/frames): each is still read, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "messages.h"
#include "source_file.h"

static struct message out; /* large: not on the stack */
static char *frame;        /* what `out` points into */

static void same_str(struct str a, struct str b)
{
    assert_true(str_eq(a, b));
    assert_int_equal(a.p == NULL, b.p == NULL);
}

static void read_frame(const char *name, enum message_type type, uint64_t id)
{
    char path[128];
    size_t n;
    free(frame);
    snprintf(path, sizeof path, "tests/frames/protocol-1/%s.frame", name);
    frame = file_of(path, &n);
    memset(&out, 0x55, sizeof out);
    const char *why = message_unpack(frame, n, &out);
    if (why)
        fail_msg("%s: %s", path, why);
    assert_int_equal(out.protocol, 1);
    assert_int_equal(out.type, type);
    assert_true(out.id == id);
}

static void frames_of_protocol_1_are_read(void **state)
{
    (void)state;
    const uint64_t id = 0x8899aabbccddeeff, deadline = 81234567890123;
    read_frame("hello", MESSAGE_HELLO, 0);
    same_str(out.stage, STR("renderer"));
    same_str(out.instance, STR("2"));
    assert_true(out.oldest == 1 && out.newest == 1 && out.credit == 64 && out.pid == 4711);
    same_str(out.release, STR("0.1.0"));

    read_frame("ping", MESSAGE_PING, 7);
    read_frame("pong", MESSAGE_PONG, 7);
    assert_true(out.credit == 64 && out.held == 3);
    read_frame("leave", MESSAGE_LEAVE, 0);
    read_frame("bye", MESSAGE_BYE, 0);

    read_frame("request", MESSAGE_REQUEST, id);
    assert_true(out.deadline == deadline);
    same_str(out.method, STR("GET"));
    same_str(out.scheme, STR("https"));
    same_str(out.target, STR("/movie/king-kong-1933?x=%C3%A9"));
    same_str(out.client, STR("192.0.2.7"));
    assert_int_equal(out.headers.n, 4);
    same_str(out.headers.item[0].name, STR("host"));
    same_str(out.headers.item[0].value, STR("movies.example"));
    same_str(out.headers.item[1].value, STR("text/html"));
    same_str(out.headers.item[2].name, STR("x-twice"));
    same_str(out.headers.item[2].value, STR("1"));
    same_str(out.headers.item[3].name, STR("x-twice"));
    same_str(out.headers.item[3].value, STR("2"));
    same_str(out.trace, STR_NONE); /* came with protocol 2 */

    read_frame("response", MESSAGE_RESPONSE, id);
    assert_true(out.status == 200);
    assert_int_equal(out.headers.n, 3);
    same_str(out.headers.item[0].value, STR("text/html; charset=utf-8"));
    same_str(out.headers.item[1].value, STR("a=1"));
    same_str(out.headers.item[2].value, STR("b=2"));
    assert_int_equal(out.tags.n, 2);
    same_str(out.tags.item[0], STR("movie:42"));
    same_str(out.tags.item[1], STR("movies"));

    read_frame("query", MESSAGE_QUERY, id);
    assert_true(out.deadline == deadline);
    assert_int_equal(out.batch.n, 2);
    same_str(out.batch.item[0].name, STR("movie-by-slug"));
    assert_int_equal(out.batch.item[0].n, 3);
    same_str(out.batch.item[0].parameter[0], STR("king-kong-1933"));
    same_str(out.batch.item[0].parameter[1], STR_NONE);
    same_str(out.batch.item[0].parameter[2], STR(""));
    same_str(out.batch.item[1].name, STR("categories"));
    assert_int_equal(out.batch.item[1].n, 0);
    same_str(out.trace, STR_NONE);

    read_frame("result", MESSAGE_RESULT, id);
    assert_int_equal(out.tags.n, 2);
    same_str(out.tags.item[1], STR("movie-slug:king-kong-1933"));
    read_frame("busy", MESSAGE_BUSY, id);
    assert_true(out.retry_after == 1);
    read_frame("failed", MESSAGE_FAILED, id);
    same_str(out.cause, STR("unknown"));
    same_str(out.text, STR("renderer/2 died, and it may not be sent again"));
    read_frame("refused", MESSAGE_REFUSED, id);
    same_str(out.text, STR("there is no statement named movie-by-slog"));
    free(frame);
    frame = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_protocol_1_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
