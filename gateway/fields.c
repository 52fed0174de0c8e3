#include "fields.h"

#include <stddef.h>

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
