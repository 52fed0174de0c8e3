#include "query_string.h"

/* Length of the UTF-8 sequence at p, or 0 when it is none: too long a form, a surrogate, above U+10FFFF, or cut short.
 */
static size_t sequence_length(const unsigned char *p, size_t n)
{
    unsigned char least = 0x80, most = 0xbf;
    size_t length;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
        least = p[0] == 0xe0 ? 0xa0 : 0x80;
        most = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
        least = p[0] == 0xf0 ? 0x90 : 0x80;
        most = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (n < length || p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool text_is_clean(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
        size_t length = p[i] < 0x80 ? 1 : sequence_length(p + i, s.n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool percent_decode(struct arena *arena, struct str in, bool plus, struct str *out)
{
    char *p = arena_alloc(arena, (size_t)in.n + 1);
    if (!p)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            int low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        p[n++] = c;
    }
    *out = (struct str){p, n};
    return text_is_clean(*out);
}

enum query_found query_get(struct arena *arena, struct str query, struct str name, struct str *value)
{
    enum query_found found = QUERY_ABSENT;
    while (query.n > 0) {
        const char *end = memchr(query.p, '&', query.n);
        struct str pair = {query.p, end ? (uint32_t)(end - query.p) : query.n};
        uint32_t step = end ? pair.n + 1 : pair.n;
        query = (struct str){query.p + step, query.n - step};

        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        struct str left = {pair.p, equals ? (uint32_t)(equals - pair.p) : pair.n};
        struct str key;
        /* A name that cannot be decoded is not the one that is looked for. */
        if (!str_eq(left, name) &&
            (!memchr(left.p, '%', left.n) || !percent_decode(arena, left, true, &key) || !str_eq(key, name)))
            continue;
        struct str right = equals ? (struct str){equals + 1, pair.n - left.n - 1} : STR("");
        if (found != QUERY_ABSENT || !percent_decode(arena, right, true, value))
            return QUERY_BAD;
        found = QUERY_FOUND;
    }
    return found;
}

enum query_found query_get_number(struct arena *arena, struct str query, struct str name, uint32_t least, uint32_t most,
                                  uint32_t *value)
{
    struct str text;
    enum query_found found = query_get(arena, query, name, &text);
    if (found != QUERY_FOUND)
        return found;
    uint32_t number = 0;
    if (text.n == 0 || text.n > 9)
        return QUERY_BAD;
    for (uint32_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return QUERY_BAD;
        number = number * 10 + (uint32_t)(text.p[i] - '0');
    }
    if (number < least || number > most)
        return QUERY_BAD;
    *value = number;
    return QUERY_FOUND;
}
