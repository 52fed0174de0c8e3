#include "http_targeted.h"

/* A cursor over a structured field (RFC 8941 section 4.2). */
struct cursor {
    const char *p, *end;
};

static bool at(const struct cursor *c, char what)
{
    return c->p < c->end && *c->p == what;
}

static bool take(struct cursor *c, char what)
{
    if (!at(c, what))
        return false;
    c->p++;
    return true;
}

static void skip_space(struct cursor *c, bool tabs)
{
    while (at(c, ' ') || (tabs && at(c, '\t')))
        c->p++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return is_small(c) || (c >= 'A' && c <= 'Z');
}

static bool read_key(struct cursor *c, struct str *key)
{
    const char *start = c->p;
    if (c->p == c->end || !(is_small(*c->p) || *c->p == '*'))
        return false;
    while (c->p < c->end && (is_small(*c->p) || is_digit(*c->p) || strchr("_-.*", *c->p)) && *c->p)
        c->p++;
    *key = (struct str){start, (uint32_t)(c->p - start)};
    return true;
}

static bool read_number(struct cursor *c)
{
    take(c, '-');
    uint32_t digits = 0, decimals = 0;
    for (; c->p < c->end && is_digit(*c->p); c->p++)
        digits++;
    if (digits > 0 && digits <= 12 && take(c, '.')) {
        for (; c->p < c->end && is_digit(*c->p); c->p++)
            decimals++;
        return decimals >= 1 && decimals <= 3;
    }
    return digits > 0 && digits <= 15;
}

static bool read_string(struct cursor *c)
{
    take(c, '"');
    while (c->p < c->end && *c->p != '"') {
        if (*c->p == '\\' && (c->p++, !(at(c, '"') || at(c, '\\'))))
            return false;
        if ((unsigned char)*c->p < ' ' || (unsigned char)*c->p > '~')
            return false;
        c->p++;
    }
    return take(c, '"');
}

static bool read_bytes(struct cursor *c)
{
    take(c, ':');
    while (c->p < c->end && (is_letter(*c->p) || is_digit(*c->p) || at(c, '+') || at(c, '/') || at(c, '=')))
        c->p++;
    return take(c, ':');
}

static bool read_token(struct cursor *c)
{
    static const char more[] = "!#$%&'*+-.^_`|~:/";
    while (c->p < c->end && *c->p && (is_letter(*c->p) || is_digit(*c->p) || strchr(more, *c->p)))
        c->p++;
    return true;
}

static bool read_bare(struct cursor *c)
{
    if (c->p == c->end)
        return false;
    if (*c->p == '-' || is_digit(*c->p))
        return read_number(c);
    if (*c->p == '"')
        return read_string(c);
    if (*c->p == ':')
        return read_bytes(c);
    if (*c->p == '?')
        return c->p++, take(c, '0') || take(c, '1');
    return (is_letter(*c->p) || *c->p == '*') && read_token(c);
}

static bool read_parameters(struct cursor *c)
{
    struct str key;
    while (take(c, ';')) {
        skip_space(c, false);
        if (!read_key(c, &key) || (take(c, '=') && !read_bare(c)))
            return false;
    }
    return true;
}

static bool read_inner_list(struct cursor *c)
{
    take(c, '(');
    for (;;) {
        skip_space(c, false);
        if (take(c, ')'))
            return true;
        if (!read_bare(c) || !read_parameters(c) || !(at(c, ' ') || at(c, ')')))
            return false;
    }
}

/* One member; of "x", "x=?1" and "x=?0" the value is none, and the last says that x is not meant. */
static bool read_member(struct cursor *c, struct str *key, struct str *value, bool *meant)
{
    *value = STR_NONE;
    *meant = true;
    if (!read_key(c, key))
        return false;
    if (take(c, '=')) {
        const char *start = c->p;
        if (!(at(c, '(') ? read_inner_list(c) : read_bare(c)))
            return false;
        *value = (struct str){start, (uint32_t)(c->p - start)};
        if (value->p[0] == '?') {
            *meant = value->p[1] == '1';
            *value = STR_NONE;
        }
    }
    return read_parameters(c);
}

/* A name said twice counts as it was said last (section 3.2). */
static void set_again(struct control *control, struct str key, struct str value, bool meant)
{
    control->flags &= ~control_flag(key);
    if (meant)
        control_directive(control, key, value);
}

static bool read_line(struct control *control, struct str line, bool *any)
{
    struct cursor c = {line.p, line.p + line.n};
    struct str key, value;
    bool meant;
    skip_space(&c, true);
    while (c.p < c.end) {
        if (!read_member(&c, &key, &value, &meant))
            return false;
        set_again(control, key, value, meant);
        *any = true;
        skip_space(&c, true);
        if (c.p == c.end)
            return true;
        if (!take(&c, ','))
            return false;
        skip_space(&c, true);
        if (c.p == c.end)
            return false; /* a comma at the end */
    }
    return true;
}

bool targeted_read(struct control *control, const struct headers *headers)
{
    struct control found = {0};
    bool any = false;
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, STR("cdn-cache-control")) &&
            !read_line(&found, headers->item[i].value, &any))
            return false;
    if (any)
        *control = found;
    return any;
}
