#include "query_string.h"

#include "utf8.h"

bool text_is_clean(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
        size_t length = p[i] < 0x80 ? 1 : utf8_length(p + i, s.n - i);
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

/* Finds the next "name=value" of the query, and moves the query behind it. */
static bool next_of(struct arena *arena, struct str *query, struct str name, struct str *value)
{
    while (query->n > 0) {
        const char *end = memchr(query->p, '&', query->n);
        struct str pair = {query->p, end ? (uint32_t)(end - query->p) : query->n};
        uint32_t step = end ? pair.n + 1 : pair.n;
        *query = (struct str){query->p + step, query->n - step};

        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        struct str left = {pair.p, equals ? (uint32_t)(equals - pair.p) : pair.n};
        struct str key;
        /* A name that cannot be decoded is not the one that is looked for. */
        if (!str_eq(left, name) &&
            (!memchr(left.p, '%', left.n) || !percent_decode(arena, left, true, &key) || !str_eq(key, name)))
            continue;
        *value = equals ? (struct str){equals + 1, pair.n - left.n - 1} : STR("");
        return true;
    }
    return false;
}

enum query_found query_get(struct arena *arena, struct str query, struct str name, struct str *value)
{
    struct str raw;
    if (!next_of(arena, &query, name, &raw))
        return QUERY_ABSENT;
    bool good = percent_decode(arena, raw, true, value);
    return good && !next_of(arena, &query, name, &raw) ? QUERY_FOUND : QUERY_BAD;
}

/* Decodes what can be decoded; the rest stays as it is. */
static struct str decode_kindly(struct arena *arena, struct str in)
{
    char *p = arena_alloc(arena, (size_t)in.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; p && i < in.n; i++) {
        int high = in.p[i] == '%' && i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        p[n++] = low >= 0 ? (char)(high * 16 + low) : in.p[i] == '+' ? ' ' : in.p[i];
    }
    return (struct str){p ? p : "", n};
}

/* The length of the character at p, or 0 when it is none that words are made of. */
static size_t letter_length(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return p[0] > ' ' && p[0] != 0x7f;
    if (n > 1 && p[0] == 0xc2 && p[1] <= 0xa0) /* U+0080 to U+009F control, U+00A0 is a blank */
        return 0;
    return utf8_length(p, n);
}

struct str query_get_words(struct arena *arena, struct str query, struct str name, uint32_t most)
{
    struct str raw;
    if (!next_of(arena, &query, name, &raw))
        return STR("");
    struct str text = decode_kindly(arena, raw);
    char *out = arena_alloc(arena, (size_t)text.n + 1);
    uint32_t n = 0, characters = 0;
    bool blank = false;
    for (uint32_t i = 0; out && i < text.n;) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        uint32_t length = (uint32_t)letter_length(p, text.n - i);
        if (length == 0) {
            blank = n > 0;
            i++;
            continue;
        }
        if (characters + blank + 1 > most)
            break;
        if (blank)
            out[n++] = ' ';
        characters += blank + 1u;
        blank = false;
        memcpy(out + n, p, length);
        n += length;
        i += length;
    }
    return (struct str){out ? out : "", n};
}
