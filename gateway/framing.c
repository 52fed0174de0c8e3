#include "framing.h"

#include <string.h>

#include "messages.h"
#include "str.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim_end(struct phr_header *line)
{
    while (line->value_len > 0 && is_space(line->value[line->value_len - 1])) {
        line->value_len--;
    }
}

static bool is_named(const struct phr_header *line, struct str name)
{
    return line->name_len == name.n && strncasecmp(line->name, name.p, name.n) == 0;
}

/* Digits and nothing else: no sign, no list, no second number (RFC 9110 section 8.6). */
static bool read_length(const struct phr_header *line, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < line->value_len; i++) {
        unsigned digit = (unsigned)line->value[i] - '0';
        if (digit > 9) {
            return false;
        }
        *length = *length > (SIZE_MAX - digit) / 10 ? SIZE_MAX : *length * 10 + digit;
    }
    return line->value_len > 0;
}

static bool is_chunked(const struct phr_header *line)
{
    return line->value_len == 7 && strncasecmp(line->value, "chunked", 7) == 0;
}

enum page framing_check(struct phr_header *lines, size_t n, int minor_version, struct framing_body *body)
{
    *body = (struct framing_body){0};
    unsigned hosts = 0, lengths = 0, codings = 0;
    for (size_t i = 0; i < n; i++) {
        struct phr_header *line = &lines[i];
        if (!line->name) {
            return PAGE_BAD_REQUEST; /* folded lines are obsolete (RFC 9112 section 5.2) */
        }
        trim_end(line);
        if (is_named(line, STR("host"))) {
            hosts++;
        } else if (is_named(line, STR("content-length"))) {
            lengths++;
            if (!read_length(line, &body->length)) {
                return PAGE_BAD_REQUEST;
            }
        } else if (is_named(line, STR("transfer-encoding"))) {
            codings++;
            body->chunked = true;
            if (!is_chunked(line) || minor_version == 0) {
                return PAGE_BAD_REQUEST;
            }
        }
    }
    bool good = lengths + codings <= 1 && (hosts == 1 || (hosts == 0 && minor_version == 0));
    return good ? PAGE_NONE : PAGE_BAD_REQUEST;
}

/* Chunked bodies. */

enum { DIGITS_MOST = 2 * sizeof(size_t) };

/* What the next byte belongs to. */
enum chunked {
    CHUNK_SIZE,  /* 0 */
    CHUNK_SPACE, /* before an extension */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_BEGIN,
    TRAILER,
    TRAILER_LF,
    BODY_LF,
    BODY_OVER,
};

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_text(char c)
{
    return ((unsigned char)c >= ' ' && c != 0x7f) || c == '\t';
}

/* -1: broken. */
static int after_size(struct phr_chunked_decoder *decoder, char c)
{
    int digit = hex_value(c);
    if (digit < 0) {
        bool sized = decoder->digits > 0;
        return !sized ? -1 : c == '\r' ? CHUNK_SIZE_LF : c == ';' ? CHUNK_EXTENSION : is_space(c) ? CHUNK_SPACE : -1;
    }
    if (decoder->digits++ == DIGITS_MOST) {
        return -1;
    }
    decoder->left = decoder->left * 16 + (size_t)digit;
    return CHUNK_SIZE;
}

/* Every byte but those of the body itself: the state that follows it, or -1. */
static int after_byte(struct phr_chunked_decoder *decoder, char c)
{
    switch ((enum chunked)decoder->state) {
    case CHUNK_SIZE:
        return after_size(decoder, c);
    case CHUNK_SPACE:
        return c == ';' ? CHUNK_EXTENSION : is_space(c) ? CHUNK_SPACE : -1;
    case CHUNK_EXTENSION:
        return c == '\r' ? CHUNK_SIZE_LF : is_text(c) ? CHUNK_EXTENSION : -1;
    case CHUNK_SIZE_LF:
        decoder->digits = 0;
        return c != '\n' ? -1 : decoder->left > 0 ? CHUNK_DATA : TRAILER_BEGIN;
    case CHUNK_DATA_CR:
        return c == '\r' ? CHUNK_DATA_LF : -1;
    case CHUNK_DATA_LF:
        return c == '\n' ? CHUNK_SIZE : -1;
    case TRAILER_BEGIN:
        return c == '\r' ? BODY_LF : is_text(c) ? TRAILER : -1;
    case TRAILER:
        return c == '\r' ? TRAILER_LF : is_text(c) ? TRAILER : -1;
    case TRAILER_LF:
        return c == '\n' ? TRAILER_BEGIN : -1;
    case BODY_LF:
        return c == '\n' ? BODY_OVER : -1;
    case CHUNK_DATA:
    case BODY_OVER:
        break;
    }
    return -1;
}

ssize_t framing_decode(struct phr_chunked_decoder *decoder, char *bytes, size_t *n, size_t *room)
{
    size_t from = 0, to = 0;
    int state = decoder->state;
    while (from < *n && state >= 0 && state != BODY_OVER) {
        if (state == CHUNK_DATA) {
            size_t more = *n - from < decoder->left ? *n - from : decoder->left, kept = more < *room ? more : *room;
            memmove(bytes + to, bytes + from, kept);
            from += more;
            to += kept;
            *room -= kept;
            decoder->left -= more;
            state = decoder->left > 0 ? CHUNK_DATA : CHUNK_DATA_CR;
        } else {
            state = after_byte(decoder, bytes[from++]);
        }
        decoder->state = (char)state;
    }
    size_t behind = *n - from;
    memmove(bytes + to, bytes + from, behind);
    *n = to;
    return state < 0 ? -1 : state == BODY_OVER ? (ssize_t)behind : -2;
}

enum page framing_check_unfinished(const char *bytes, size_t n)
{
    if (n <= LIMIT_TARGET + LIMIT_NAME + sizeof("  HTTP/1.1")) {
        return PAGE_NONE;
    }
    if (!memchr(bytes, '\n', n)) {
        return PAGE_TARGET_TOO_LONG;
    }
    return n > FRAMING_HEAD_MAX ? PAGE_FIELDS_TOO_LARGE : PAGE_NONE;
}
