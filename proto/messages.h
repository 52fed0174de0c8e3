/*
 * The messages of FilmyFly, as one table. PROTOCOL.md says in prose what each is for; its order and this table's are
 * the same, and a test fails when they differ. A message is two ZeroMQ parts: the head (a msgpack array) and the body
 * (bytes, may be empty).
 *
 *     head = [ protocol, type, id, field… ]       the fields of the type that exist in that protocol, in the table's
 * order
 *
 * A new protocol only appends fields. A receiver reads its own protocol and the one before; a sender uses the highest
 * that both speak.
 */
#ifndef FILMYFLY_MESSAGES_H
#define FILMYFLY_MESSAGES_H

#include <stddef.h>

#include "str.h"

#define PROTOCOL_NEWEST 2
#define PROTOCOL_OLDEST 1

#define LIMIT_HEAD_BYTES   262144 /* bytes of a head */
#define LIMIT_NAME         64     /* stage, instance, statement, method, cause */
#define LIMIT_TARGET       8192   /* request target */
#define LIMIT_TEXT         1024   /* a sentence */
#define LIMIT_HEADERS      128    /* header lines of a message */
#define LIMIT_HEADER_NAME  256
#define LIMIT_HEADER_VALUE 65536
#define LIMIT_TAGS         512
#define LIMIT_TAG          160
#define LIMIT_STATEMENTS   16    /* statements of a batch */
#define LIMIT_PARAMETERS   32    /* parameters of a statement */
#define LIMIT_PARAMETER    65536 /* bytes of a parameter */

/* Every kind of field. */
enum field_type {
    FIELD_UINT,    /* uint64_t */
    FIELD_TEXT,    /* struct str */
    FIELD_HEADERS, /* struct headers: msgpack array of name, value, name, value… */
    FIELD_TAGS,    /* struct tags: msgpack array of texts */
    FIELD_BATCH,   /* struct batch: msgpack array of [ statement, [ parameter or nil… ] ] */
};

struct header {
    struct str name, value;
};

struct headers {
    uint32_t n;
    struct header item[LIMIT_HEADERS];
};

struct tags {
    uint32_t n;
    struct str item[LIMIT_TAGS];
};

struct statement_call {
    struct str name;
    uint32_t n;
    struct str parameter[LIMIT_PARAMETERS]; /* text form; STR_NONE is NULL */
};

struct batch {
    uint32_t n;
    struct statement_call item[LIMIT_STATEMENTS];
};

/*
 *  MESSAGE(NAME, "sender → receiver")
 *      FIELD(name, type, limit, since)
 *  (X-macros; PROTOCOL.md has the meaning of each.)
 */
#define MESSAGES(MESSAGE, FIELD, END)                                                                                  \
    MESSAGE(HELLO, "both ways")                                                                                        \
    FIELD(HELLO, stage, FIELD_TEXT, LIMIT_NAME, 1)                                                                     \
    FIELD(HELLO, instance, FIELD_TEXT, LIMIT_NAME, 1)                                                                  \
    FIELD(HELLO, oldest, FIELD_UINT, 255, 1)                                                                           \
    FIELD(HELLO, newest, FIELD_UINT, 255, 1)                                                                           \
    FIELD(HELLO, credit, FIELD_UINT, 1000000, 1)                                                                       \
    FIELD(HELLO, pid, FIELD_UINT, UINT32_MAX, 1)                                                                       \
    FIELD(HELLO, release, FIELD_TEXT, LIMIT_NAME, 1)                                                                   \
    END(HELLO)                                                                                                         \
    MESSAGE(PING, "left → right")                                                                                      \
    END(PING)                                                                                                          \
    MESSAGE(PONG, "right → left")                                                                                      \
    FIELD(PONG, credit, FIELD_UINT, 1000000, 1)                                                                        \
    FIELD(PONG, held, FIELD_UINT, UINT32_MAX, 1)                                                                       \
    END(PONG)                                                                                                          \
    MESSAGE(LEAVE, "right → left")                                                                                     \
    END(LEAVE)                                                                                                         \
    MESSAGE(BYE, "left → right")                                                                                       \
    END(BYE)                                                                                                           \
    MESSAGE(REQUEST, "gateway → cacher → renderer")                                                                    \
    FIELD(REQUEST, deadline, FIELD_UINT, UINT64_MAX, 1)                                                                \
    FIELD(REQUEST, method, FIELD_TEXT, LIMIT_NAME, 1)                                                                  \
    FIELD(REQUEST, scheme, FIELD_TEXT, LIMIT_NAME, 1)                                                                  \
    FIELD(REQUEST, target, FIELD_TEXT, LIMIT_TARGET, 1)                                                                \
    FIELD(REQUEST, client, FIELD_TEXT, LIMIT_NAME, 1)                                                                  \
    FIELD(REQUEST, headers, FIELD_HEADERS, LIMIT_HEADERS, 1)                                                           \
    FIELD(REQUEST, trace, FIELD_TEXT, LIMIT_NAME, 2)                                                                   \
    END(REQUEST)                                                                                                       \
    MESSAGE(RESPONSE, "renderer → cacher → gateway")                                                                   \
    FIELD(RESPONSE, status, FIELD_UINT, 999, 1)                                                                        \
    FIELD(RESPONSE, headers, FIELD_HEADERS, LIMIT_HEADERS, 1)                                                          \
    FIELD(RESPONSE, tags, FIELD_TAGS, LIMIT_TAGS, 1)                                                                   \
    END(RESPONSE)                                                                                                      \
    MESSAGE(QUERY, "renderer → dbproxy")                                                                               \
    FIELD(QUERY, deadline, FIELD_UINT, UINT64_MAX, 1)                                                                  \
    FIELD(QUERY, batch, FIELD_BATCH, LIMIT_STATEMENTS, 1)                                                              \
    FIELD(QUERY, trace, FIELD_TEXT, LIMIT_NAME, 2)                                                                     \
    END(QUERY)                                                                                                         \
    MESSAGE(RESULT, "dbproxy → renderer")                                                                              \
    FIELD(RESULT, tags, FIELD_TAGS, LIMIT_TAGS, 1)                                                                     \
    END(RESULT)                                                                                                        \
    MESSAGE(BUSY, "right → left")                                                                                      \
    FIELD(BUSY, retry_after, FIELD_UINT, 3600, 1)                                                                      \
    END(BUSY)                                                                                                          \
    MESSAGE(FAILED, "right → left")                                                                                    \
    FIELD(FAILED, cause, FIELD_TEXT, LIMIT_NAME, 1)                                                                    \
    FIELD(FAILED, text, FIELD_TEXT, LIMIT_TEXT, 1)                                                                     \
    END(FAILED)                                                                                                        \
    MESSAGE(REFUSED, "dbproxy → renderer")                                                                             \
    FIELD(REFUSED, text, FIELD_TEXT, LIMIT_TEXT, 1)                                                                    \
    END(REFUSED)

enum message_type {
    MESSAGE_NONE,
#define MESSAGE(NAME, WAY) MESSAGE_##NAME,
#define FIELD(MESSAGE_, NAME, TYPE, LIMIT, SINCE)
#define END(NAME)
    MESSAGES(MESSAGE, FIELD, END)
#undef MESSAGE
#undef FIELD
#undef END
        MESSAGE_TYPES
};

/* The causes of FAILED, on the wire as their names. */
#define CAUSES(X)                                                                                                      \
    X(DEADLINE, "deadline")       /* no answer in time; nothing is known of what was asked */                          \
    X(UNAVAILABLE, "unavailable") /* nobody is there to ask, or the database is not; nothing was done */               \
    X(UNKNOWN, "unknown")         /* who did the work died; whether a write was done is not known */                   \
    X(POISON, "poison")           /* the request was in flight at several deaths and is kept away for a while */       \
    X(HANGUP, "hangup")           /* the origin ended without an answer */                                             \
    X(INTERNAL, "internal")       /* the stage cannot answer this one request (its log says why) */

enum cause {
#define X(NAME, TEXT) CAUSE_##NAME,
    CAUSES(X)
#undef X
        CAUSE_COUNT
};

/*
 * One message of any type: only the fields of its type mean anything. Large (the arrays are inside), so reuse one
 * rather than clear it. Unpacked texts point into the head they were read from. A message that is packed must have all
 * the fields of its type set.
 */
struct message {
    enum message_type type;
    uint32_t protocol; /* as received; message_pack is told */
    uint64_t id;       /* of the request; HELLO, LEAVE and BYE have 0 */
    uint64_t deadline; /* CLOCK_MONOTONIC, ns */
    uint64_t oldest, newest, credit, pid, held, status, retry_after;
    struct str stage, instance, release, method, scheme, target, client, trace, cause, text;
    struct headers headers;
    union {
        struct tags tags;
        struct batch batch;
    };
};

struct message_field {
    const char *name;
    enum field_type type;
    uint64_t limit; /* UINT: greatest value; TEXT: bytes; others: items */
    uint32_t since; /* protocol that brought it */
    size_t offset;  /* in struct message */
};

struct message_kind {
    const char *name; /* "REQUEST" */
    const char *way;  /* "gateway → cacher → renderer" */
    const struct message_field *fields;
    size_t n;
};

/* The row of a type, or NULL. */
const struct message_kind *message_kind(enum message_type type);
/* "REQUEST", or "?" */
const char *message_name(enum message_type type);

struct buffer;

/*
 * Appends the head of the message in that protocol (msgpack-c). False, with errno EINVAL, when a field is beyond its
 * limit: nothing is appended then.
 */
bool message_pack(const struct message *message, uint32_t protocol, struct buffer *out);

/*
 * Reads a head. Every limit of the table is checked; fields that the sender's protocol lacks are STR_NONE or 0. Returns
 * NULL, or why the head is refused (a static sentence); id and type are set as far as they could be read.
 */
const char *message_unpack(const void *head, size_t n, struct message *message);
/* The same for a head that is known to be no longer than LIMIT_HEAD_BYTES. */
const char *message_unpack_within(const void *head, size_t n, struct message *message);

/*
 * Copies type, id and the fields of the type: no more than is used, since the structure is large. Texts stay where they
 * are; retyped messages need their fields set anew.
 */
void message_copy(struct message *to, const struct message *from);

enum cause cause_of(struct str name); /* CAUSE_INTERNAL for a name that is not known */
const char *cause_name(enum cause cause);

/* The value of the first header of that name (case ignored), or STR_NONE. */
struct str headers_get(const struct headers *headers, struct str name);
/* Appends; false when there is no room. */
bool headers_add(struct headers *headers, struct str name, struct str value);

#endif
