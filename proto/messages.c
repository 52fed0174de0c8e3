#include "messages.h"

#include <errno.h>
#include <msgpack.h>

#include "buffer.h"
#include "reader.h"

#define MESSAGE(NAME, WAY)                        static const struct message_field fields_##NAME[] = {
#define FIELD(MESSAGE_, NAME, TYPE, LIMIT, SINCE) {#NAME, TYPE, LIMIT, SINCE, offsetof(struct message, NAME)},
#define END(NAME)                                                                                                      \
    {                                                                                                                  \
        NULL, FIELD_UINT, 0, 0, 0                                                                                      \
    }                                                                                                                  \
    }                                                                                                                  \
    ;
/* clang-format off */
MESSAGES(MESSAGE, FIELD, END)
/* clang-format on */
#undef MESSAGE
#undef FIELD
#undef END

static const struct message_kind kinds[MESSAGE_TYPES] = {
#define MESSAGE(NAME, WAY)                                                                                             \
    [MESSAGE_##NAME] = {#NAME, WAY, fields_##NAME, sizeof(fields_##NAME) / sizeof(fields_##NAME[0]) - 1},
#define FIELD(MESSAGE_, NAME, TYPE, LIMIT, SINCE)
#define END(NAME)
    MESSAGES(MESSAGE, FIELD, END)
#undef MESSAGE
#undef FIELD
#undef END
};

static const struct str causes[CAUSE_COUNT] = {
#define X(NAME, TEXT) [CAUSE_##NAME] = {TEXT, sizeof(TEXT) - 1},
    CAUSES(X)
#undef X
};

const struct message_kind *message_kind(enum message_type type)
{
    return type > MESSAGE_NONE && type < MESSAGE_TYPES ? &kinds[type] : NULL;
}

const char *message_name(enum message_type type)
{
    const struct message_kind *kind = message_kind(type);
    return kind ? kind->name : "?";
}

enum cause cause_of(struct str name)
{
    for (int i = 0; i < CAUSE_COUNT; i++)
        if (str_eq(causes[i], name))
            return (enum cause)i;
    return CAUSE_INTERNAL;
}

const char *cause_name(enum cause cause)
{
    return causes[cause].p;
}

struct str headers_get(const struct headers *headers, struct str name)
{
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, name))
            return headers->item[i].value;
    return STR_NONE;
}

bool headers_add(struct headers *headers, struct str name, struct str value)
{
    if (headers->n == LIMIT_HEADERS)
        return false;
    headers->item[headers->n++] = (struct header){name, value};
    return true;
}

/* Packing. */

static int buffer_write(void *out, const char *bytes, size_t n)
{
    buffer_append(out, bytes, n);
    return 0;
}

static bool pack_text(msgpack_packer *pk, struct str text, uint64_t limit)
{
    if (text.n > limit)
        return false;
    msgpack_pack_str(pk, text.n);
    msgpack_pack_str_body(pk, text.n ? text.p : "", text.n);
    return true;
}

static bool pack_headers(msgpack_packer *pk, const struct headers *headers, uint64_t limit)
{
    if (headers->n > limit)
        return false;
    msgpack_pack_array(pk, (size_t)headers->n * 2);
    for (uint32_t i = 0; i < headers->n; i++)
        if (!pack_text(pk, headers->item[i].name, LIMIT_HEADER_NAME) ||
            !pack_text(pk, headers->item[i].value, LIMIT_HEADER_VALUE))
            return false;
    return true;
}

static bool pack_tags(msgpack_packer *pk, const struct tags *tags, uint64_t limit)
{
    if (tags->n > limit)
        return false;
    msgpack_pack_array(pk, tags->n);
    for (uint32_t i = 0; i < tags->n; i++)
        if (!pack_text(pk, tags->item[i], LIMIT_TAG))
            return false;
    return true;
}

static bool pack_batch(msgpack_packer *pk, const struct batch *batch, uint64_t limit)
{
    if (batch->n > limit)
        return false;
    msgpack_pack_array(pk, batch->n);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct statement_call *call = &batch->item[i];
        msgpack_pack_array(pk, 2);
        if (call->n > LIMIT_PARAMETERS || !pack_text(pk, call->name, LIMIT_NAME))
            return false;
        msgpack_pack_array(pk, call->n);
        for (uint32_t j = 0; j < call->n; j++) {
            if (!call->parameter[j].p)
                msgpack_pack_nil(pk);
            else if (!pack_text(pk, call->parameter[j], LIMIT_PARAMETER))
                return false;
        }
    }
    return true;
}

static bool pack_field(msgpack_packer *pk, const struct message_field *field, const struct message *message)
{
    const void *at = (const char *)message + field->offset;
    switch (field->type) {
    case FIELD_UINT:
        if (*(const uint64_t *)at > field->limit)
            return false;
        msgpack_pack_uint64(pk, *(const uint64_t *)at);
        return true;
    case FIELD_TEXT:
        return pack_text(pk, *(const struct str *)at, field->limit);
    case FIELD_HEADERS:
        return pack_headers(pk, at, field->limit);
    case FIELD_TAGS:
        return pack_tags(pk, at, field->limit);
    case FIELD_BATCH:
        return pack_batch(pk, at, field->limit);
    }
    return false;
}

static size_t fields_in(const struct message_kind *kind, uint32_t protocol)
{
    size_t n = 0;
    while (n < kind->n && kind->fields[n].since <= protocol)
        n++;
    return n;
}

bool message_pack(const struct message *message, uint32_t protocol, struct buffer *out)
{
    const struct message_kind *kind = message_kind(message->type);
    if (message->type == MESSAGE_HELLO)
        protocol = PROTOCOL_OLDEST;
    if (!kind || protocol < PROTOCOL_OLDEST || protocol > PROTOCOL_NEWEST) {
        errno = EINVAL;
        return false;
    }
    size_t start = out->n, n = fields_in(kind, protocol);
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, buffer_write);
    msgpack_pack_array(&pk, n + 3);
    msgpack_pack_uint32(&pk, protocol);
    msgpack_pack_uint32(&pk, message->type);
    msgpack_pack_uint64(&pk, message->id);
    bool fits = true;
    for (size_t i = 0; i < n && fits; i++)
        fits = pack_field(&pk, &kind->fields[i], message);
    if (!fits || out->failed || out->n - start > LIMIT_HEAD_BYTES) {
        out->n = start;
        errno = EINVAL;
        return false;
    }
    return true;
}

/* Unpacking. */

static bool unpack_headers(struct reader *r, struct headers *headers, uint64_t limit)
{
    uint32_t n;
    headers->n = 0;
    if (!reader_array(r, (uint32_t)limit * 2, &n))
        return false;
    if (n % 2) {
        r->error = "a header line without a value";
        return false;
    }
    for (uint32_t i = 0; i < n / 2; i++)
        if (!reader_str(r, LIMIT_HEADER_NAME, &headers->item[i].name) ||
            !reader_str(r, LIMIT_HEADER_VALUE, &headers->item[i].value))
            return false;
    headers->n = n / 2;
    return true;
}

static bool unpack_tags(struct reader *r, struct tags *tags, uint64_t limit)
{
    uint32_t n;
    tags->n = 0;
    if (!reader_array(r, (uint32_t)limit, &n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!reader_str(r, LIMIT_TAG, &tags->item[i]))
            return false;
    tags->n = n;
    return true;
}

static bool unpack_batch(struct reader *r, struct batch *batch, uint64_t limit)
{
    uint32_t n, two;
    batch->n = 0;
    if (!reader_array(r, (uint32_t)limit, &n))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        struct statement_call *call = &batch->item[i];
        if (!reader_array(r, 2, &two))
            return false;
        if (two != 2) {
            r->error = "a statement is not [ name, parameters ]";
            return false;
        }
        if (!reader_str(r, LIMIT_NAME, &call->name) || !reader_array(r, LIMIT_PARAMETERS, &call->n))
            return false;
        for (uint32_t j = 0; j < call->n; j++)
            if (!reader_str_or_nil(r, LIMIT_PARAMETER, &call->parameter[j]))
                return false;
    }
    batch->n = n;
    return true;
}

static bool unpack_field(struct reader *r, const struct message_field *field, struct message *message)
{
    void *at = (char *)message + field->offset;
    switch (field->type) {
    case FIELD_UINT:
        if (!reader_uint(r, at))
            return false;
        if (*(uint64_t *)at > field->limit) {
            r->error = "a number beyond its limit";
            return false;
        }
        return true;
    case FIELD_TEXT:
        return reader_str(r, (uint32_t)field->limit, at);
    case FIELD_HEADERS:
        return unpack_headers(r, at, field->limit);
    case FIELD_TAGS:
        return unpack_tags(r, at, field->limit);
    case FIELD_BATCH:
        return unpack_batch(r, at, field->limit);
    }
    return false;
}

/* A field that the sender's protocol does not have. */
static void lacking_field(const struct message_field *field, struct message *message)
{
    void *at = (char *)message + field->offset;
    switch (field->type) {
    case FIELD_UINT:
        *(uint64_t *)at = 0;
        break;
    case FIELD_TEXT:
        *(struct str *)at = STR_NONE;
        break;
    case FIELD_HEADERS:
        ((struct headers *)at)->n = 0;
        break;
    case FIELD_TAGS:
        ((struct tags *)at)->n = 0;
        break;
    case FIELD_BATCH:
        ((struct batch *)at)->n = 0;
        break;
    }
}

const char *message_unpack(const void *head, size_t n, struct message *message)
{
    if (n <= LIMIT_HEAD_BYTES)
        return message_unpack_within(head, n, message);
    message->type = MESSAGE_NONE;
    message->protocol = 0;
    message->id = 0;
    return "the head is too long";
}

const char *message_unpack_within(const void *head, size_t n, struct message *message)
{
    message->type = MESSAGE_NONE;
    message->protocol = 0;
    message->id = 0;
    struct reader r = reader_of(head, n);
    uint32_t items;
    uint64_t protocol, type;
    if (!reader_array(&r, 64, &items) || !reader_uint(&r, &protocol) || !reader_uint(&r, &type))
        return r.error;
    if (protocol < PROTOCOL_OLDEST || protocol > PROTOCOL_NEWEST)
        return "a protocol that is not understood here";
    const struct message_kind *kind = type < MESSAGE_TYPES ? message_kind((enum message_type)type) : NULL;
    if (!kind)
        return "an unknown type of message";
    message->protocol = (uint32_t)protocol;
    message->type = (enum message_type)type;
    if (!reader_uint(&r, &message->id))
        return r.error;

    size_t fields = fields_in(kind, (uint32_t)protocol);
    if (items != fields + 3)
        return "a wrong number of fields";
    for (size_t i = 0; i < fields; i++)
        if (!unpack_field(&r, &kind->fields[i], message))
            return r.error;
    for (size_t i = fields; i < kind->n; i++)
        lacking_field(&kind->fields[i], message);
    return reader_end(&r) ? NULL : r.error;
}

void message_copy(struct message *to, const struct message *from)
{
    const struct message_kind *kind = message_kind(from->type);
    to->type = from->type;
    to->protocol = from->protocol;
    to->id = from->id;
    for (size_t i = 0; kind && i < kind->n; i++) {
        void *into = (char *)to + kind->fields[i].offset;
        const void *at = (const char *)from + kind->fields[i].offset;
        switch (kind->fields[i].type) {
        case FIELD_UINT:
            memcpy(into, at, sizeof(uint64_t));
            break;
        case FIELD_TEXT:
            memcpy(into, at, sizeof(struct str));
            break;
        case FIELD_HEADERS:
            memcpy(into, at, offsetof(struct headers, item) + ((const struct headers *)at)->n * sizeof(struct header));
            break;
        case FIELD_TAGS:
            memcpy(into, at, offsetof(struct tags, item) + ((const struct tags *)at)->n * sizeof(struct str));
            break;
        case FIELD_BATCH:
            memcpy(into, at,
                   offsetof(struct batch, item) + ((const struct batch *)at)->n * sizeof(struct statement_call));
            break;
        }
    }
}
