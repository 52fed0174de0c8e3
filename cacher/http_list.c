#include "http_list.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(*s.p))
        s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool list_next(struct str *rest, struct str *element)
{
    while (rest->n > 0) {
        uint32_t end = 0;
        bool quoted = false;
        for (; end < rest->n && (quoted || rest->p[end] != ','); end++) {
            if (quoted && rest->p[end] == '\\' && end + 1 < rest->n)
                end++;
            else if (rest->p[end] == '"')
                quoted = !quoted;
        }
        struct str found = str_trim((struct str){rest->p, end});
        uint32_t step = end < rest->n ? end + 1 : end;
        rest->p += step;
        rest->n -= step;
        if (found.n) {
            *element = found;
            return true;
        }
    }
    return false;
}

bool list_has(struct str list, struct str word)
{
    struct str element;
    while (list_next(&list, &element))
        if (str_eq_nocase(element, word))
            return true;
    return false;
}

void list_split(struct str element, struct str *name, struct str *value)
{
    const char *equals = memchr(element.p, '=', element.n);
    if (!equals) {
        *name = element;
        *value = STR_NONE;
        return;
    }
    uint32_t n = (uint32_t)(equals - element.p);
    *name = str_trim((struct str){element.p, n});
    *value = str_trim((struct str){equals + 1, element.n - n - 1});
}

struct str list_unquote(struct str value)
{
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        return (struct str){value.p + 1, value.n - 2};
    return value;
}

struct str headers_line(const struct headers *headers, struct str name, uint32_t n)
{
    for (uint32_t i = 0; i < headers->n; i++)
        if (str_eq_nocase(headers->item[i].name, name) && n-- == 0)
            return headers->item[i].value;
    return STR_NONE;
}

bool seconds_read(struct str text, uint32_t *seconds)
{
    uint64_t value = 0;
    text = list_unquote(text);
    if (text.n == 0)
        return false;
    for (uint32_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.p[i] - '0');
        if (value > SECONDS_MOST)
            value = SECONDS_MOST;
    }
    *seconds = (uint32_t)value;
    return true;
}
