#include "xml.h"

#include "utf8.h"

/* A character of ASCII that stands for itself. */
static bool is_plain(unsigned char c)
{
    static const uint64_t special = (0xffffffff ^ 1ull << '\t' ^ 1ull << '\n') | 1ull << '&' | 1ull << '<' |
                                    1ull << '>' | 1ull << '"' | 1ull << '\'';
    return c < 0x80 && (c >= 64 || !(special >> c & 1));
}

/* What stands for another byte of ASCII: nothing, if it has no place at all. */
static struct str replacement(unsigned char c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&#39;");
    case '\r':
        return STR("&#13;"); /* as itself it would be read as a line feed */
    default:
        return STR("");
    }
}

static bool is_noncharacter(const unsigned char *p, unsigned length)
{
    return length == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
}

void xml_write_text(struct buffer *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t done = 0;
    for (uint32_t i = 0; i < s.n;) {
        while (i < s.n && is_plain(p[i]))
            i++;
        if (i == s.n)
            break;
        unsigned length = 1;
        struct str instead = STR_NONE;
        if (p[i] < 0x80) {
            instead = replacement(p[i]);
        } else if ((length = utf8_length(p + i, s.n - i)) == 0) {
            length = 1;
            instead = STR("\xef\xbf\xbd");
        } else if (is_noncharacter(p + i, length)) {
            instead = STR("");
        }
        if (instead.p) {
            buffer_append(out, p + done, i - done);
            buffer_append_str(out, instead);
            done = i + length;
        }
        i += length;
    }
    if (s.n > done)
        buffer_append(out, p + done, s.n - done);
}

void xml_write_element(struct buffer *out, struct str name, struct str text)
{
    buffer_append_char(out, '<');
    buffer_append_str(out, name);
    buffer_append_char(out, '>');
    xml_write_text(out, text);
    buffer_append_str(out, STR("</"));
    buffer_append_str(out, name);
    buffer_append_str(out, STR(">\n"));
}
