/* The messages: the table against PROTOCOL.md, packing against unpacking, and what is wrong against both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buffer.h"
#include "messages.h"
#include "source_file.h"

static struct message in, out; /* large: not on the stack */
static uint64_t chance_state = 20260101;
static char text_pool[LIMIT_HEADER_VALUE + 1];

static uint64_t below(uint64_t n)
{
    uint64_t z = chance_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (z ^ z >> 31) % n;
}

/* ---- the page and the table ---- */

static const char *const type_names[] = {
    [FIELD_UINT] = "uint", [FIELD_TEXT] = "text",   [FIELD_HEADERS] = "headers",
    [FIELD_TAGS] = "tags", [FIELD_BATCH] = "batch",
};

static void the_page_and_the_table_say_the_same(void **state)
{
    (void)state;
    size_t n;
    char *page = file_of("proto/PROTOCOL.md", &n), *save = NULL;
    const struct message_kind *kind = NULL;
    size_t field = 0;
    unsigned type = 0;
    for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned number;
        char name[64], way[64], type_name[16];
        unsigned long long limit;
        unsigned since = 1;
        if (sscanf(line, "### %u %63s (%63[^)])", &number, name, way) == 3) {
            if (kind)
                assert_int_equal(field, kind->n);
            assert_int_equal(number, ++type);
            kind = message_kind((enum message_type)type);
            assert_non_null(kind);
            assert_string_equal(name, kind->name);
            assert_string_equal(name, message_name((enum message_type)type));
            assert_string_equal(way, kind->way);
            field = 0;
        } else if (kind && strncmp(line, "- `", 3) == 0) {
            if (field >= kind->n)
                fail_msg("%s: the table does not have this field: %s", kind->name, line);
            const struct message_field *f = &kind->fields[field++];
            int end = 0;
            if (sscanf(line, "- `%63[^`]` %15s %llu%n", name, type_name, &limit, &end) != 3)
                fail_msg("%s: not a field: %s", kind->name, line);
            if (line[end] == ',')
                assert_int_equal(sscanf(line + end, ", since %u:", &since), 1);
            else
                assert_int_equal(line[end], ':');
            assert_string_equal(name, f->name);
            assert_string_equal(type_name, type_names[f->type]);
            assert_true(limit == f->limit);
            assert_int_equal(since, f->since);
        } else if (strncmp(line, "## ", 3) == 0 && kind) {
            break;
        }
    }
    assert_int_equal(field, kind->n);
    assert_int_equal(type, MESSAGE_TYPES - 1);
    free(page);
}

static void number_with_commas(char *text, size_t size, unsigned n)
{
    if (n >= 1000)
        snprintf(text, size, "%u,%03u", n / 1000, n % 1000);
    else
        snprintf(text, size, "%u", n);
}

static void the_page_states_the_limits_inside_fields(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        unsigned limit;
        const char *after;
    } places[] = {
        {"a name ", LIMIT_HEADER_NAME, " bytes"},
        {"a value ", LIMIT_HEADER_VALUE, " bytes"},
        {"a tag ", LIMIT_TAG, " bytes"},
        {"statements; ", LIMIT_PARAMETERS, " parameters"},
        {"parameters of ", LIMIT_PARAMETER, " bytes"},
        {"A head is at most ", LIMIT_HEAD_BYTES, " bytes"},
        {"This is protocol ", PROTOCOL_NEWEST, ". Every"},
    };
    size_t n;
    char *page = file_of("proto/PROTOCOL.md", &n);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char number[16], text[80];
        number_with_commas(number, sizeof number, places[i].limit);
        snprintf(text, sizeof text, "%s%s%s", places[i].before, number, places[i].after);
        if (!strstr(page, text))
            fail_msg("PROTOCOL.md does not say \"%s\"", text);
    }
    for (int i = 0; i < CAUSE_COUNT; i++) {
        char text[80];
        snprintf(text, sizeof text, "  `%s` (", cause_name((enum cause)i));
        if (!strstr(page, text))
            fail_msg("PROTOCOL.md does not have the cause %s", text);
        assert_int_equal(cause_of(str_of(cause_name((enum cause)i))), i);
    }
    assert_int_equal(cause_of(STR("whatever")), CAUSE_INTERNAL);
    free(page);
}

/* ---- random messages ---- */

static struct str random_text(uint64_t limit)
{
    static const char *const edges[] = {"", "a", "\0\xff\x80", "ä€"};
    if (below(4) == 0)
        return str_of(edges[below(4)]);
    uint64_t n = below(20) == 0 ? limit : below(limit < 40 ? limit + 1 : 40);
    return (struct str){text_pool + below(sizeof text_pool - n), (uint32_t)n};
}

static uint64_t random_uint(uint64_t limit)
{
    if (below(4) == 0)
        return limit;
    uint64_t n = (UINT64_C(1) << below(64)) - below(2);
    return n > limit ? n % limit : n;
}

static void randomize(struct message *m, const struct message_field *f)
{
    void *at = (char *)m + f->offset;
    struct headers *headers = at;
    struct tags *tags = at;
    struct batch *batch = at;
    switch (f->type) {
    case FIELD_UINT:
        *(uint64_t *)at = random_uint(f->limit);
        break;
    case FIELD_TEXT:
        *(struct str *)at = random_text(f->limit);
        break;
    case FIELD_HEADERS:
        headers->n = (uint32_t)below(f->limit + 1);
        for (uint32_t i = 0; i < headers->n; i++)
            headers->item[i] = (struct header){random_text(LIMIT_HEADER_NAME), random_text(100)};
        break;
    case FIELD_TAGS:
        tags->n = (uint32_t)below(f->limit + 1);
        for (uint32_t i = 0; i < tags->n; i++)
            tags->item[i] = random_text(LIMIT_TAG);
        break;
    case FIELD_BATCH:
        batch->n = (uint32_t)below(f->limit + 1);
        for (uint32_t i = 0; i < batch->n; i++) {
            batch->item[i].name = random_text(LIMIT_NAME);
            batch->item[i].n = (uint32_t)below(LIMIT_PARAMETERS + 1);
            for (uint32_t j = 0; j < batch->item[i].n; j++)
                batch->item[i].parameter[j] = below(3) ? random_text(200) : STR_NONE;
        }
        break;
    }
}

static void random_message(struct message *m, enum message_type type)
{
    const struct message_kind *kind = message_kind(type);
    m->type = type;
    m->id = random_uint(UINT64_MAX);
    for (size_t i = 0; i < kind->n; i++)
        randomize(m, &kind->fields[i]);
}

static void same_str(struct str a, struct str b)
{
    assert_true(str_eq(a, b));
    assert_int_equal(a.p == NULL, b.p == NULL);
}

static void same_field(const struct message *a, const struct message *b, const struct message_field *f)
{
    const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    const struct headers *hx = x, *hy = y;
    const struct tags *tx = x, *ty = y;
    const struct batch *bx = x, *by = y;
    switch (f->type) {
    case FIELD_UINT:
        assert_true(*(const uint64_t *)x == *(const uint64_t *)y);
        break;
    case FIELD_TEXT:
        same_str(*(const struct str *)x, *(const struct str *)y);
        break;
    case FIELD_HEADERS:
        assert_int_equal(hx->n, hy->n);
        for (uint32_t i = 0; i < hx->n; i++) {
            same_str(hx->item[i].name, hy->item[i].name);
            same_str(hx->item[i].value, hy->item[i].value);
        }
        break;
    case FIELD_TAGS:
        assert_int_equal(tx->n, ty->n);
        for (uint32_t i = 0; i < tx->n; i++)
            same_str(tx->item[i], ty->item[i]);
        break;
    case FIELD_BATCH:
        assert_int_equal(bx->n, by->n);
        for (uint32_t i = 0; i < bx->n; i++) {
            same_str(bx->item[i].name, by->item[i].name);
            assert_int_equal(bx->item[i].n, by->item[i].n);
            for (uint32_t j = 0; j < bx->item[i].n; j++)
                same_str(bx->item[i].parameter[j], by->item[i].parameter[j]);
        }
        break;
    }
}

/* A copy in memory of exactly its size, so that AddressSanitizer sees each byte read beyond it. */
static const char *unpack_exact(const char *bytes, size_t n, struct message *message)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, bytes, n);
    const char *why = message_unpack(copy, n, message);
    free(copy);
    return why;
}

static void what_is_packed_is_unpacked(void **state)
{
    (void)state;
    struct buffer head = {.limit = LIMIT_HEAD_BYTES};
    for (int round = 0; round < 200; round++) {
        for (unsigned type = 1; type < MESSAGE_TYPES; type++) {
            const struct message_kind *kind = message_kind((enum message_type)type);
            for (uint32_t protocol = PROTOCOL_OLDEST; protocol <= PROTOCOL_NEWEST; protocol++) {
                random_message(&in, (enum message_type)type);
                buffer_reset(&head);
                assert_true(message_pack(&in, protocol, &head));
                assert_null(message_unpack(head.p, head.n, &out));
                assert_int_equal(out.type, type);
                assert_int_equal(out.protocol, type == MESSAGE_HELLO ? PROTOCOL_OLDEST : protocol);
                assert_true(out.id == in.id);
                for (size_t i = 0; i < kind->n; i++) {
                    if (kind->fields[i].since > protocol) {
                        assert_int_equal(kind->fields[i].type, FIELD_TEXT);
                        assert_null(((const struct str *)((const char *)&out + kind->fields[i].offset))->p);
                    } else {
                        same_field(&in, &out, &kind->fields[i]);
                    }
                }
            }
        }
    }
    buffer_release(&head);
}

static void cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    struct buffer head = {.limit = LIMIT_HEAD_BYTES};
    for (unsigned type = 1; type < MESSAGE_TYPES; type++) {
        do {
            random_message(&in, (enum message_type)type);
            buffer_reset(&head);
            assert_true(message_pack(&in, PROTOCOL_NEWEST, &head));
        } while (head.n > 6000);
        for (size_t cut = 0; cut < head.n; cut++)
            assert_non_null(unpack_exact(head.p, cut, &out));
        assert_null(unpack_exact(head.p, head.n, &out));
        buffer_append_char(&head, '\0');
        assert_non_null(unpack_exact(head.p, head.n, &out));
    }
    buffer_release(&head);
}

static void mutated_heads_are_refused_or_within_the_limits(void **state)
{
    (void)state;
    struct buffer head = {.limit = LIMIT_HEAD_BYTES}, again = {.limit = 2 * LIMIT_HEAD_BYTES};
    unsigned accepted = 0;
    for (int round = 0; round < 20000; round++) {
        random_message(&in, (enum message_type)(1 + below(MESSAGE_TYPES - 1)));
        buffer_reset(&head);
        assert_true(message_pack(&in, (uint32_t)(1 + below(2)), &head));
        for (uint64_t n = 1 + below(3); n > 0; n--)
            head.p[below(below(2) ? head.n : (head.n < 24 ? head.n : 24))] = (char)below(256);
        if (message_unpack(head.p, head.n, &out))
            continue;
        accepted++;
        buffer_reset(&again);
        assert_true(message_pack(&out, out.type == MESSAGE_HELLO ? 1 : out.protocol, &again));
    }
    assert_true(accepted > 100);
    buffer_release(&head);
    buffer_release(&again);
}

/* ---- limits ---- */

/* Makes the field one greater than its limit allows. */
static void exceed(struct message *m, const struct message_field *f)
{
    void *at = (char *)m + f->offset;
    switch (f->type) {
    case FIELD_UINT:
        *(uint64_t *)at = f->limit + 1;
        break;
    case FIELD_TEXT:
        *(struct str *)at = (struct str){text_pool, (uint32_t)f->limit + 1};
        break;
    case FIELD_HEADERS:
        ((struct headers *)at)->item[0].name = (struct str){text_pool, LIMIT_HEADER_NAME + 1};
        ((struct headers *)at)->n = 1;
        break;
    case FIELD_TAGS:
        ((struct tags *)at)->item[0] = (struct str){text_pool, LIMIT_TAG + 1};
        ((struct tags *)at)->n = 1;
        break;
    case FIELD_BATCH:
        ((struct batch *)at)->item[0] = (struct statement_call){.name = STR("x"), .n = LIMIT_PARAMETERS + 1};
        ((struct batch *)at)->n = 1;
        break;
    }
}

static void beyond_a_limit_nothing_is_packed(void **state)
{
    (void)state;
    struct buffer head = {.limit = LIMIT_HEAD_BYTES};
    buffer_append_char(&head, '!');
    for (unsigned type = 1; type < MESSAGE_TYPES; type++) {
        const struct message_kind *kind = message_kind((enum message_type)type);
        for (size_t i = 0; i < kind->n; i++) {
            if (kind->fields[i].limit == UINT64_MAX)
                continue;
            random_message(&in, (enum message_type)type);
            exceed(&in, &kind->fields[i]);
            assert_false(message_pack(&in, PROTOCOL_NEWEST, &head));
            assert_int_equal(head.n, 1);
        }
    }
    in.type = MESSAGE_PING;
    assert_false(message_pack(&in, 0, &head));
    assert_false(message_pack(&in, PROTOCOL_NEWEST + 1, &head));
    in.type = MESSAGE_TYPES;
    assert_false(message_pack(&in, 1, &head));
    /* Each text fits, all together do not. */
    random_message(&in, MESSAGE_RESPONSE);
    in.headers.n = 5;
    for (int i = 0; i < 5; i++)
        in.headers.item[i] = (struct header){STR("x"), {text_pool, LIMIT_HEADER_VALUE}};
    head.limit = 2 * LIMIT_HEAD_BYTES;
    assert_false(message_pack(&in, 1, &head));
    assert_int_equal(head.n, 1);
    buffer_release(&head);
}

static const char *refused(const char *bytes, size_t n)
{
    const char *why = unpack_exact(bytes, n, &out);
    assert_non_null(why);
    return why;
}
#define REFUSED(literal) refused("" literal, sizeof(literal) - 1)

static void wrong_heads_are_refused_with_a_reason(void **state)
{
    (void)state;
    REFUSED("");
    REFUSED("\x90");
    REFUSED("\x93\x03\x02\x07"); /* protocol 3 */
    REFUSED("\x93\x00\x02\x07"); /* protocol 0 */
    REFUSED("\x93\x01\x00\x07"); /* no type */
    REFUSED("\x93\x01\x0d\x07"); /* an unknown type */
    REFUSED("\x93\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x07");
    REFUSED("\x92\x01\x02");                             /* no id */
    REFUSED("\x93\x01\x02\xff");                         /* a negative id */
    REFUSED("\x94\x01\x02\x07\xc0");                     /* PING has no field */
    REFUSED("\x93\x01\x03\x07");                         /* PONG has two */
    REFUSED("\x95\x01\x03\x07\xce\x00\x0f\x42\x41\x00"); /* credit 1,000,001 */
    REFUSED("\x95\x01\x03\x07\xa1"
            "1\x00");                                /* credit is a text */
    REFUSED("\x94\x01\x09\x07\xdd\xff\xff\xff\xff"); /* 4 billion tags */
    REFUSED("\x96\x01\x07\x07\xcc\xc8\x91\xa1"
            "a\x90"); /* a header line without a value */
    REFUSED("\x95\x01\x08\x07\x01\x91\x91\xa1"
            "s"); /* a statement without parameters */
    REFUSED("\x95\x01\x08\x07\x01\x91\x93\xa1"
            "s\x90\x90");
    REFUSED("\x83\x01\x02\x07\x01\x02\x07"); /* a map */
    assert_int_equal(out.type, MESSAGE_NONE);
    REFUSED("\x94\x01\x0a\xcd\x12\x34\xc0"); /* as far as it could be read: BUSY of request 0x1234 */
    assert_int_equal(out.type, MESSAGE_BUSY);
    assert_int_equal(out.id, 0x1234);
    static char long_head[LIMIT_HEAD_BYTES + 1];
    refused(long_head, sizeof long_head);
}

static void headers_are_found_whatever_their_case(void **state)
{
    (void)state;
    static struct headers headers;
    headers.n = 0;
    assert_true(headers_add(&headers, STR("Set-Cookie"), STR("a")));
    assert_true(headers_add(&headers, STR("set-cookie"), STR("b")));
    same_str(headers_get(&headers, STR("SET-COOKIE")), STR("a"));
    same_str(headers_get(&headers, STR("cookie")), STR_NONE);
    while (headers.n < LIMIT_HEADERS)
        assert_true(headers_add(&headers, STR("x"), STR("")));
    assert_false(headers_add(&headers, STR("x"), STR("")));
    assert_null(message_kind(MESSAGE_NONE));
    assert_null(message_kind(MESSAGE_TYPES));
    assert_string_equal(message_name(MESSAGE_TYPES), "?");
}

int main(void)
{
    for (size_t i = 0; i < sizeof text_pool; i++)
        text_pool[i] = (char)below(256);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_and_the_table_say_the_same),
        cmocka_unit_test(the_page_states_the_limits_inside_fields),
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(cut_short_or_too_long_is_refused),
        cmocka_unit_test(mutated_heads_are_refused_or_within_the_limits),
        cmocka_unit_test(beyond_a_limit_nothing_is_packed),
        cmocka_unit_test(wrong_heads_are_refused_with_a_reason),
        cmocka_unit_test(headers_are_found_whatever_their_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
