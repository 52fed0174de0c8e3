/* What the inspector makes of records: of whole ones, and of whatever else somebody may publish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <msgpack.h>
#include <unistd.h>

#include "buffer.h"
#include "printable.h"
#include "tap_record.h"

static struct tap_record record;
static struct message message;
static char output[65536];

static void pack_text(msgpack_packer *pk, const char *text)
{
    msgpack_pack_str(pk, strlen(text));
    msgpack_pack_str_body(pk, text, strlen(text));
}

static int append(void *out, const char *bytes, size_t n)
{
    buffer_append(out, bytes, n);
    return 0;
}

/* A record of a RESPONSE, as PROTOCOL.md has it. */
static struct buffer make_record(const char *error)
{
    struct buffer out = {.limit = 65536}, head = {.limit = 65536};
    msgpack_packer pk;
    message.type = MESSAGE_RESPONSE;
    message.id = 0xfeed;
    message.status = 200;
    message.headers.n = 0;
    headers_add(&message.headers, STR("content-type"), STR("text/html\x1b[2J"));
    message.tags.n = 1;
    message.tags.item[0] = STR("movie:1");
    assert_true(message_pack(&message, PROTOCOL_NEWEST, &head));
    buffer_append_str(&out, *error ? STR("BAD ") : STR("RESPONSE "));
    msgpack_packer_init(&pk, &out, append);
    msgpack_pack_array(&pk, 12);
    msgpack_pack_uint32(&pk, 1);
    msgpack_pack_uint64(&pk, 1700000000123456789ull);
    pack_text(&pk, "cacher/1");
    pack_text(&pk, "right");
    pack_text(&pk, "in");
    pack_text(&pk, "renderer/2");
    msgpack_pack_uint64(&pk, 120);
    msgpack_pack_uint64(&pk, 14021);
    msgpack_pack_uint64(&pk, 3);
    pack_text(&pk, error);
    msgpack_pack_bin(&pk, *error ? 0 : head.n);
    msgpack_pack_bin_body(&pk, head.p, *error ? 0 : head.n);
    msgpack_pack_bin(&pk, 2);
    msgpack_pack_bin_body(&pk, "<h", 2);
    buffer_release(&head);
    return out;
}

/* What printing it writes. */
static const char *printed(void print(const struct tap_record *))
{
    FILE *before = stdout;
    stdout = fmemopen(output, sizeof(output), "w");
    assert_non_null(stdout);
    print(&record);
    fclose(stdout);
    stdout = before;
    return output;
}

static void a_record_becomes_a_line(void **state)
{
    struct buffer bytes = make_record("");
    (void)state;
    assert_true(tap_record_read(&record, bytes.p, bytes.n));
    assert_string_equal(printed(tap_record_print),
                        "22:13:20.123456 cacher/1 <- renderer/2 RESPONSE 000000000000feed 200 "
                        "text/html?[2J +14021 B\n");
    buffer_release(&bytes);
}

static void a_record_becomes_an_object(void **state)
{
    struct buffer bytes = make_record("");
    json_error_t error;
    (void)state;
    assert_true(tap_record_read(&record, bytes.p, bytes.n));
    json_t *object = json_loads(printed(tap_record_print_json), 0, &error);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "time")), "2023-11-14T22:13:20.123456Z");
    assert_string_equal(json_string_value(json_object_get(object, "type")), "RESPONSE");
    assert_int_equal(json_integer_value(json_object_get(object, "dropped")), 3);
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 200);
    assert_string_equal(json_string_value(json_object_get(object, "body")), "<h");
    json_decref(object);
    buffer_release(&bytes);
}

static void what_was_refused_is_told_with_its_reason(void **state)
{
    struct buffer bytes = make_record("an unknown type of message");
    (void)state;
    assert_true(tap_record_read(&record, bytes.p, bytes.n));
    assert_non_null(strstr(printed(tap_record_print), " BAD an unknown type of message +14021 B\n"));
    assert_non_null(strstr(printed(tap_record_print_json), "\"error\":\"an unknown type of message\""));
    buffer_release(&bytes);
}

/* Every byte changed, and every length: it is refused, or printed as one line without controls. */
static void no_bytes_harm_the_reader(void **state)
{
    static const unsigned char values[] = {0x00, 0x1b, 0x7f, 0x80, 0x9f, 0xc1, 0xc6, 0xd9, 0xdb, 0xdd, 0xff};
    struct buffer bytes = make_record("");
    (void)state;
    for (size_t i = 0; i < bytes.n; i++) {
        /* An own allocation of that length, so that a read beyond it is seen. */
        char *cut = malloc(i ? i : 1);
        memcpy(cut, bytes.p, i);
        assert_false(tap_record_read(&record, cut, i));
        free(cut);
    }
    for (size_t i = 0; i < bytes.n; i++) {
        for (size_t v = 0; v < sizeof(values); v++) {
            char before = bytes.p[i];
            bytes.p[i] = (char)values[v];
            if (tap_record_read(&record, bytes.p, bytes.n)) {
                const char *line = printed(tap_record_print);
                assert_int_equal(strcspn(line, "\x1b\x7f\t\r\n"), strlen(line) - 1);
                json_t *object = json_loads(printed(tap_record_print_json), 0, NULL);
                assert_non_null(object);
                json_decref(object);
            }
            bytes.p[i] = before;
        }
    }
    buffer_release(&bytes);
}

static void assert_printable(const char *text, const char *expected)
{
    char out[64];
    assert_int_equal(printable(out, sizeof(out), text, strlen(text)), strlen(expected));
    assert_string_equal(out, expected);
}

static void only_printable_characters_are_printed(void **state)
{
    char out[4];
    (void)state;
    assert_printable("", "");
    assert_printable("plain é 漢 🎬", "plain é 漢 🎬");
    assert_printable("\x1b[0m\r\n\t\x7f", "?[0m????");
    assert_printable("\xc2\x9b", "?");                           /* CSI in one character */
    assert_printable("\xe2\x80\xae\xe2\x81\xa6", "??");          /* right to left */
    assert_printable("\xc0\xaf\xed\xa0\x80\xf5\xff", "???????"); /* overlong, a surrogate, beyond Unicode */
    assert_printable("\xe2\x82", "??");                          /* cut off */
    assert_int_equal(printable(out, sizeof(out), "aé漢", 6), 3); /* the third has no room */
    assert_string_equal(out, "aé");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_a_line),
        cmocka_unit_test(a_record_becomes_an_object),
        cmocka_unit_test(what_was_refused_is_told_with_its_reason),
        cmocka_unit_test(no_bytes_harm_the_reader),
        cmocka_unit_test(only_printable_characters_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
