#include "json.h"

#include <math.h>

/*
 * The length of the well-formed UTF-8 sequence (RFC 3629) that begins with a byte >= 0x80 at p, 0 when there is none:
 * no overlong forms, no surrogates, nothing above U+10FFFF.
 */
static unsigned utf8_length(const unsigned char *p, size_t left)
{
    unsigned n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
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

void json_write_str(struct buffer *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t done = 0;
    buffer_append_char(out, '"');
    for (uint32_t i = 0; i < s.n;) {
        unsigned char c = p[i];
        unsigned plain = c >= 0x80 ? utf8_length(p + i, s.n - i) : c >= 0x20 && c != '"' && c != '\\' && c != '<';
        if (plain > 0) {
            i += plain;
            continue;
        }
        buffer_append(out, p + done, i - done);
        put_special(out, c);
        done = ++i;
    }
    if (s.n > done)
        buffer_append(out, p + done, s.n - done);
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
