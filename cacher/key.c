#include "key.h"

/* Parameters that say where a visitor came from. What they end in is any text; case is ignored. */
static const struct dropped {
    const char *name;
    bool prefix; /* and everything that begins with it */
} dropped[] = {
    {"utm_", true},        {"fbclid", false},      {"gclid", false},      {"gclsrc", false},    {"dclid", false},
    {"gbraid", false},     {"wbraid", false},      {"gad_", true},        {"srsltid", false},   {"msclkid", false},
    {"yclid", false},      {"ysclid", false},      {"twclid", false},     {"ttclid", false},    {"igshid", false},
    {"igsh", false},       {"mc_cid", false},      {"mc_eid", false},     {"_ga", false},       {"_gl", false},
    {"_hsenc", false},     {"_hsmi", false},       {"mkt_tok", false},    {"li_fat_id", false}, {"vero_id", false},
    {"oly_enc_id", false}, {"oly_anon_id", false}, {"rb_clickid", false}, {"_openstat", false}, {"wickedid", false},
};

static bool is_dropped(const char *name, uint32_t n)
{
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        uint32_t length = (uint32_t)strlen(dropped[i].name);
        if ((dropped[i].prefix ? n >= length : n == length) && strncasecmp(name, dropped[i].name, length) == 0)
            return true;
    }
    return false;
}

static bool put(struct key *key, char c)
{
    if (key->n == KEY_BYTES)
        return false;
    key->text[key->n++] = c;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 section 2.3 */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static bool put_encoded(struct key *key, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    return put(key, '%') && put(key, digits[c >> 4]) && put(key, digits[c & 15]);
}

/* Percent-encoding in normal form, byte by byte. */
static bool put_normal(struct key *key, struct str text)
{
    for (uint32_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '%') {
            int high = i + 2 < text.n ? digit_of(text.p[i + 1]) : -1, low = high < 0 ? -1 : digit_of(text.p[i + 2]);
            if (low < 0)
                return false;
            c = (unsigned char)(high * 16 + low);
            i += 2;
            if (!(is_unreserved(c) ? put(key, (char)c) : put_encoded(key, c)))
                return false;
        } else if (c <= ' ' || c == 0x7f || c == '#') {
            return false;
        } else if (!(c >= 0x80 ? put_encoded(key, c) : put(key, (char)c))) {
            return false;
        }
    }
    return true;
}

/* RFC 3986 section 5.2.4, in place on what stands from `start` on. It begins with a slash. */
static void remove_dots(struct key *key, uint32_t start)
{
    uint32_t out = start, in = start;
    while (in < key->n) {
        uint32_t end = in + 1;
        while (end < key->n && key->text[end] != '/')
            end++;
        uint32_t length = end - in; /* of "/segment" */
        bool last = end == key->n;
        if (length == 2 && key->text[in + 1] == '.') {
            if (last)
                key->text[out++] = '/';
        } else if (length == 3 && key->text[in + 1] == '.' && key->text[in + 2] == '.') {
            while (out > start && key->text[--out] != '/')
                ;
            if (last)
                key->text[out++] = '/';
        } else {
            memmove(key->text + out, key->text + in, length);
            out += length;
        }
        in = end;
    }
    key->n = out;
}

struct parameter {
    uint32_t at, n, name_n;
};

static int compare(const char *text, const struct parameter *x, const struct parameter *y)
{
    uint32_t n = x->name_n < y->name_n ? x->name_n : y->name_n;
    int order = memcmp(text + x->at, text + y->at, n);
    return order ? order : (int)x->name_n - (int)y->name_n;
}

/* The query's parameters from `start` on, sorted by name; those of one name keep their order. */
static bool sort_query(struct key *key, uint32_t start)
{
    struct parameter list[KEY_PARAMETERS];
    char sorted[KEY_BYTES];
    uint32_t n = 0, out = start;
    for (uint32_t at = start; at < key->n;) {
        const char *and = memchr(key->text + at, '&', key->n - at);
        struct parameter p = {at, and? (uint32_t)(and-key->text) - at : key->n - at, 0};
        const char *equals = memchr(key->text + at, '=', p.n);
        p.name_n = equals ? (uint32_t)(equals - key->text) - at : p.n;
        at += p.n + 1;
        if (p.n == 0 || is_dropped(key->text + p.at, p.name_n))
            continue;
        if (n == KEY_PARAMETERS)
            return false;
        uint32_t place = n++;
        for (; place > 0 && compare(key->text, &p, &list[place - 1]) < 0; place--)
            list[place] = list[place - 1];
        list[place] = p;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sorted[out++] = '&';
        memcpy(sorted + out, key->text + list[i].at, list[i].n);
        out += list[i].n;
    }
    memcpy(key->text + start, sorted + start, out - start);
    key->n = out;
    return true;
}

static bool put_small(struct key *key, struct str text)
{
    for (uint32_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c <= ' ' || c == '/' || c == '?' || c == '#' || c == '@' || c == 0x7f)
            return false; /* also what is beyond ASCII where char has a sign */
        if ((unsigned char)c >= 0x80 || !put(key, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c))
            return false;
    }
    return text.n > 0;
}

static struct str without_port(struct str scheme, struct str host)
{
    struct str port = str_eq_nocase(scheme, STR("https")) ? STR(":443") : STR(":80");
    if (host.n > port.n && memcmp(host.p + host.n - port.n, port.p, port.n) == 0)
        host.n -= port.n;
    else if (host.n > 1 && host.p[host.n - 1] == ':')
        host.n--;
    return host;
}

bool key_make(struct key *key, struct str scheme, struct str host, struct str target)
{
    key->n = 0;
    if (target.n == 0 || target.p[0] != '/' || !put_small(key, scheme) || !put(key, ':') || !put(key, '/') ||
        !put(key, '/') || !put_small(key, without_port(scheme, host)))
        return false;
    const char *mark = memchr(target.p, '?', target.n);
    struct str path = {target.p, mark ? (uint32_t)(mark - target.p) : target.n};
    key->target = key->n;
    if (!put_normal(key, path))
        return false;
    remove_dots(key, key->target);
    key->query = key->n;
    if (!mark)
        return true;
    struct str query = {mark + 1, target.n - path.n - 1};
    if (!put(key, '?') || !put_normal(key, query) || !sort_query(key, key->query + 1))
        return false;
    if (key->n == key->query + 1)
        key->n--;
    return true;
}

bool key_split(struct str text, struct str *scheme, struct str *host, struct str *target)
{
    const char *colon = memchr(text.p, ':', text.n);
    uint32_t at = colon ? (uint32_t)(colon - text.p) : 0;
    if (!colon || text.n < at + 4 || memcmp(colon, "://", 3) != 0)
        return false;
    const char *slash = memchr(colon + 3, '/', text.n - at - 3);
    if (!slash)
        return false;
    *scheme = (struct str){text.p, at};
    *host = (struct str){colon + 3, (uint32_t)(slash - colon - 3)};
    *target = (struct str){slash, text.n - (uint32_t)(slash - text.p)};
    return true;
}
