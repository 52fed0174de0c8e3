#include "fields.h"

#include <stddef.h>

static const struct str HOP_BY_HOP[] = {
    {"connection", 10},
    {"keep-alive", 10},
    {"proxy-connection", 16},
    {"te", 2},
    {"trailer", 7},
    {"upgrade", 7},
    {"transfer-encoding", 17},
    {"http2-settings", 14},
    {"proxy-authenticate", 18},
    {"proxy-authentication-info", 25},
    {"proxy-authorization", 19},
};

static bool is_token_byte(unsigned char c)
{
    static const bool punctuation[128] = {
        ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true,
        ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true,  ['~'] = true,
    };
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c < 128 && punctuation[c]);
}

bool field_is_token(struct str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        if (!is_token_byte((unsigned char)s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

bool field_value_is_safe(struct str value)
{
    for (uint32_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\r' || c == '\n' || c == '\0') {
            return false;
        }
    }
    return true;
}

bool field_is_hop_by_hop(struct str name)
{
    for (size_t i = 0; i < sizeof(HOP_BY_HOP) / sizeof(HOP_BY_HOP[0]); i++) {
        if (str_eq_nocase(name, HOP_BY_HOP[i])) {
            return true;
        }
    }
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

bool field_word_next(struct str *words, struct str *word)
{
    while (words->n > 0 && (is_space(*words->p) || *words->p == ',')) {
        words->p++;
        words->n--;
    }
    *word = (struct str){words->p, 0};
    while (words->n > 0 && !is_space(*words->p) && *words->p != ',') {
        words->p++;
        words->n--;
        word->n++;
    }
    return word->n > 0;
}

bool field_list_next(struct str *list, struct str *item)
{
    while (list->n > 0 && (is_space(*list->p) || *list->p == ',')) {
        list->p++;
        list->n--;
    }
    if (list->n == 0) {
        return false;
    }
    const char *comma = memchr(list->p, ',', list->n);
    uint32_t n = comma ? (uint32_t)(comma - list->p) : list->n;
    *item = (struct str){list->p, n};
    list->p += n;
    list->n -= n;
    while (item->n > 0 && is_space(item->p[item->n - 1])) {
        item->n--;
    }
    return true;
}

bool field_list_has(struct str list, struct str word)
{
    struct str item;
    while (field_list_next(&list, &item)) {
        if (str_eq_nocase(item, word)) {
            return true;
        }
    }
    return false;
}
