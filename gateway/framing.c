#include "framing.h"

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
static bool is_length(const struct phr_header *line)
{
    for (size_t i = 0; i < line->value_len; i++) {
        if (line->value[i] < '0' || line->value[i] > '9') {
            return false;
        }
    }
    return line->value_len > 0;
}

static bool is_chunked(const struct phr_header *line)
{
    return line->value_len == 7 && strncasecmp(line->value, "chunked", 7) == 0;
}

enum page framing_check(struct phr_header *lines, size_t n, int minor_version)
{
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
            if (!is_length(line)) {
                return PAGE_BAD_REQUEST;
            }
        } else if (is_named(line, STR("transfer-encoding"))) {
            codings++;
            if (!is_chunked(line) || minor_version == 0) {
                return PAGE_BAD_REQUEST;
            }
        }
    }
    bool good = lengths + codings <= 1 && (hosts == 1 || (hosts == 0 && minor_version == 0));
    return good ? PAGE_NONE : PAGE_BAD_REQUEST;
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
