#include "tap_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "printable.h"
#include "reader.h"

#define FORM 1
#define BAD  "BAD"

bool tap_record_read(struct tap_record *record, const void *bytes, size_t n)
{
    const char *space = memchr(bytes, ' ', n < 32 ? n : 32);
    uint32_t items = 0;
    uint64_t form = 0;
    struct str head;

    if (!space) {
        return false;
    }
    const char *start = space + 1;
    struct reader r = reader_of(start, n - (size_t)(start - (const char *)bytes));
    if (!reader_array(&r, 64, &items) || items != 12 || !reader_uint(&r, &form) || form != FORM ||
        !reader_uint(&r, &record->time) || !reader_str(&r, LIMIT_TEXT, &record->name) ||
        !reader_str(&r, LIMIT_TEXT, &record->side) || !reader_str(&r, LIMIT_TEXT, &record->way) ||
        !reader_str(&r, LIMIT_TEXT, &record->peer) || !reader_uint(&r, &record->head_bytes) ||
        !reader_uint(&r, &record->body_bytes) || !reader_uint(&r, &record->dropped) ||
        !reader_str(&r, LIMIT_TEXT, &record->bad) || !reader_str(&r, LIMIT_HEAD_BYTES, &head) ||
        !reader_str(&r, LIMIT_TEXT, &record->body) || !reader_end(&r)) {
        return false;
    }
    record->message.type = MESSAGE_NONE;
    return record->bad.n > 0 || !message_unpack(head.p, head.n, &record->message);
}

/* A text as it may be shown, newly allocated. */
static char *shown(struct str text)
{
    char *out = malloc((size_t)text.n + 1);

    if (!out) {
        abort();
    }
    printable(out, (size_t)text.n + 1, text.n ? text.p : "", text.n);
    return out;
}

static void put(struct str text)
{
    char *out = shown(text);
    fputs(out, stdout);
    free(out);
}

static const char *type_name(const struct tap_record *record)
{
    return record->bad.n > 0 ? BAD : message_name(record->message.type);
}

/* "2026-11-22T16:20:01.123456Z"; a line needs the time of day only. */
static void print_time(char *text, size_t size, uint64_t time)
{
    time_t seconds = (time_t)(time / 1000000000u);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    size_t n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, size - n, ".%06uZ", (unsigned)(time % 1000000000u / 1000u));
}

/* Lines: what matters most of each type. */

static void put_request(const struct message *m)
{
    put(m->method);
    putchar(' ');
    put(m->scheme);
    fputs("://", stdout);
    put(headers_get(&m->headers, STR("host")));
    put(m->target);
    fputs(" for ", stdout);
    put(m->client);
}

static void put_response(const struct message *m)
{
    struct str type = headers_get(&m->headers, STR("content-type"));
    struct str cache = headers_get(&m->headers, STR("x-cache-status"));

    printf("%" PRIu64 " ", m->status);
    put(type.p ? type : STR("without a content-type"));
    if (cache.p) {
        putchar(' ');
        put(cache);
    }
}

static void put_batch(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct statement_call *call = &batch->item[i];
        fputs(i ? ", " : "", stdout);
        put(call->name);
        for (uint32_t k = 0; k < call->n; k++) {
            putchar(' ');
            put(call->parameter[k].p ? call->parameter[k] : STR("NULL"));
        }
    }
}

static void put_tags(const struct tags *tags)
{
    for (uint32_t i = 0; i < tags->n; i++) {
        putchar(i ? ' ' : '[');
        put(tags->item[i]);
    }
    fputs(tags->n ? "]" : "no tags", stdout);
}

static void put_facts(const struct message *m)
{
    switch ((int)m->type) {
    case MESSAGE_HELLO:
        printf("protocols %" PRIu64 " to %" PRIu64 ", credit %" PRIu64 ", process %" PRIu64 ", release ", m->oldest,
               m->newest, m->credit, m->pid);
        put(m->release);
        return;
    case MESSAGE_PONG:
        printf("credit %" PRIu64 ", holds %" PRIu64, m->credit, m->held);
        return;
    case MESSAGE_REQUEST:
        put_request(m);
        return;
    case MESSAGE_RESPONSE:
        put_response(m);
        return;
    case MESSAGE_QUERY:
        put_batch(&m->batch);
        return;
    case MESSAGE_RESULT:
        put_tags(&m->tags);
        return;
    case MESSAGE_BUSY:
        printf("again in %" PRIu64 " s", m->retry_after);
        return;
    case MESSAGE_FAILED:
        put(m->cause);
        fputs(": ", stdout);
        put(m->text);
        return;
    case MESSAGE_REFUSED:
        put(m->text);
        return;
    }
}

void tap_record_print(const struct tap_record *record)
{
    const struct message *m = &record->message;
    char when[40];
    bool in = str_eq(record->way, STR("in"));

    print_time(when, sizeof(when), record->time);
    printf("%.15s ", when + sizeof("2026-11-22T") - 1);
    put(record->name);
    fputs(in ? " <- " : " -> ", stdout);
    put(record->peer);
    printf(" %s ", type_name(record));
    if (record->bad.n > 0) {
        put(record->bad);
    } else {
        if (m->id) {
            printf("%016" PRIx64 " ", m->id);
        }
        put_facts(m);
    }
    if (record->body_bytes > 0) {
        printf(" +%" PRIu64 " B", record->body_bytes);
    }
    if (m->type == MESSAGE_REQUEST || m->type == MESSAGE_QUERY) {
        fputs(m->trace.n ? " trace " : "", stdout);
        put(m->trace);
    }
    putchar('\n');
}

/* JSON: every field, by the table of the protocol. */

static json_t *json_of(struct str text)
{
    if (!text.p) {
        return json_null();
    }
    char *out = shown(text);
    json_t *value = json_string(out);
    free(out);
    return value;
}

static json_t *json_headers(const struct headers *headers)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < headers->n; i++) {
        json_array_append_new(array,
                              json_pack("[o, o]", json_of(headers->item[i].name), json_of(headers->item[i].value)));
    }
    return array;
}

static json_t *json_tags(const struct tags *tags)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < tags->n; i++) {
        json_array_append_new(array, json_of(tags->item[i]));
    }
    return array;
}

static json_t *json_batch(const struct batch *batch)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct statement_call *call = &batch->item[i];
        json_t *parameters = json_array();
        for (uint32_t k = 0; k < call->n; k++) {
            json_array_append_new(parameters, json_of(call->parameter[k]));
        }
        json_array_append_new(array,
                              json_pack("{s:o, s:o}", "statement", json_of(call->name), "parameters", parameters));
    }
    return array;
}

static json_t *json_field(const struct message *message, const struct message_field *field)
{
    const void *at = (const char *)message + field->offset;
    switch (field->type) {
    case FIELD_UINT:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case FIELD_TEXT:
        return json_of(*(const struct str *)at);
    case FIELD_HEADERS:
        return json_headers(at);
    case FIELD_TAGS:
        return json_tags(at);
    case FIELD_BATCH:
        return json_batch(at);
    }
    return json_null();
}

void tap_record_print_json(const struct tap_record *record)
{
    const struct message *m = &record->message;
    const struct message_kind *kind = message_kind(m->type);
    char when[40], id[20];

    print_time(when, sizeof(when), record->time);
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I}", "time", when, "instance", json_of(record->name),
                  "side", json_of(record->side), "way", json_of(record->way), "peer", json_of(record->peer), "type",
                  type_name(record), "head_bytes", (json_int_t)record->head_bytes, "body_bytes",
                  (json_int_t)record->body_bytes, "dropped", (json_int_t)record->dropped);
    if (kind) {
        snprintf(id, sizeof(id), "%016" PRIx64, m->id);
        json_object_set_new(object, "id", json_string(id));
        for (size_t i = 0; i < kind->n; i++) {
            json_object_set_new(object, kind->fields[i].name, json_field(m, &kind->fields[i]));
        }
        json_object_set_new(object, "body", json_of(record->body));
    } else {
        json_object_set_new(object, "error", json_of(record->bad));
    }
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}
