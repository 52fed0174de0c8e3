#include "json.h"

#include <math.h>

#include "utf8.h"

/* U+2028 and U+2029 end a line in old JavaScript (RFC 8259 does not mind them). */
static bool is_line_end(const unsigned char *p, unsigned length)
{
    return length == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);
}

static void put_special(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[128] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (c >= 0x80)
        buffer_append_str(out, STR("\xef\xbf\xbd"));
    else if (short_form[c])
        buffer_append(out, (char[]){'\\', short_form[c]}, 2);
    else
        buffer_append(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* A character of ASCII that stands for itself. One look-up, since every byte of every answer comes by here. */
static bool is_plain(unsigned char c)
{
    static const uint64_t special[2] = {0xffffffff | 1ull << '"' | 1ull << '&' | 1ull << '<' | 1ull << '>',
                                        1ull << ('\\' - 64)};
    return c < 0x80 && !(special[c >> 6] >> (c & 63) & 1);
}

void json_write_text(struct buffer *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t done = 0;
    for (uint32_t i = 0; i < s.n;) {
        while (i < s.n && is_plain(p[i]))
            i++;
        if (i == s.n)
            break;
        unsigned length = p[i] >= 0x80 ? utf8_length(p + i, s.n - i) : 0;
        bool line_end = is_line_end(p + i, length);
        if (length > 0 && !line_end) {
            i += length;
            continue;
        }
        buffer_append(out, p + done, i - done);
        if (line_end)
            buffer_append_str(out, p[i + 2] == 0xa8 ? STR("\\u2028") : STR("\\u2029"));
        else
            put_special(out, p[i]);
        i += line_end ? 3 : 1;
        done = i;
    }
    if (s.n > done)
        buffer_append(out, p + done, s.n - done);
}

void json_write_str(struct buffer *out, struct str s)
{
    buffer_append_char(out, '"');
    json_write_text(out, s);
    buffer_append_char(out, '"');
}

static bool write_value(struct buffer *out, const struct value *value, unsigned depth)
{
    if (depth > JSON_DEPTH)
        return false;
    switch (value->type) {
    case VALUE_NIL:
        buffer_append_str(out, STR("null"));
        break;
    case VALUE_BOOL:
        buffer_append_str(out, value->as.boolean ? STR("true") : STR("false"));
        break;
    case VALUE_INT:
        buffer_append_int(out, value->as.integer);
        break;
    case VALUE_FLOAT:
        if (isfinite(value->as.number))
            buffer_append_double(out, value->as.number);
        else
            buffer_append_str(out, STR("null"));
        break;
    case VALUE_STR:
        json_write_str(out, value->as.str);
        break;
    case VALUE_LIST:
        buffer_append_char(out, '[');
        for (uint32_t i = 0; i < value->n; i++) {
            if (i > 0)
                buffer_append_char(out, ',');
            if (!write_value(out, &value->as.items[i], depth + 1))
                return false;
        }
        buffer_append_char(out, ']');
        break;
    case VALUE_MAP:
        buffer_append_char(out, '{');
        for (uint32_t i = 0; i < value->n; i++) {
            if (i > 0)
                buffer_append_char(out, ',');
            json_write_str(out, value->as.map.keys[i]);
            buffer_append_char(out, ':');
            if (!write_value(out, &value->as.map.values[i], depth + 1))
                return false;
        }
        buffer_append_char(out, '}');
        break;
    }
    return !out->failed;
}

bool json_write(struct buffer *out, const struct value *value)
{
    return write_value(out, value, 1);
}
