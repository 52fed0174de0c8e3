#include "parameters.h"

#include "query_string.h"

#define YEAR_LEAST 1870
#define YEAR_MOST  2109

/* clang-format off */
static const struct parameter parameters[] = {
    /* name, kind, preset, least, most, step, choices */
    {"q", PARAMETER_WORDS, NULL, 0, 200, 0, {0}},
    {"category", PARAMETER_SLUG, NULL, 0, SLUG_MAX, 0, {0}},
    {"decade", PARAMETER_NUMBER, NULL, YEAR_LEAST, YEAR_MOST, 10, {0}},
    {"year", PARAMETER_NUMBER, NULL, YEAR_LEAST, YEAR_MOST, 1, {0}},
    {"certificate", PARAMETER_NAME, NULL, 1, 40, 0, {0}},
    {"score", PARAMETER_NUMBER, NULL, 1, 10, 1, {0}},
    {"sort", PARAMETER_CHOICE, "newest", 0, 0, 0, {"newest", "oldest", "best", "title"}},
    {"page", PARAMETER_NUMBER, "1", 1, 100, 1, {0}},
    {"per_page", PARAMETER_NUMBER, "20", 1, 100, 1, {0}},
    {"after", PARAMETER_NUMBER, NULL, 1, 999999999999999999, 1, {0}},
};
/* clang-format on */

const struct parameter *parameter_at(size_t n)
{
    return n < sizeof parameters / sizeof *parameters ? &parameters[n] : NULL;
}

const struct parameter *parameter_find(struct str name)
{
    const struct parameter *parameter;
    for (size_t i = 0; (parameter = parameter_at(i)); i++)
        if (str_eq(str_of(parameter->name), name))
            return parameter;
    return NULL;
}

bool number_parse(struct str text, uint64_t *number)
{
    uint64_t n = 0;
    if (text.n == 0 || text.n > 18 || (text.p[0] == '0' && text.n > 1))
        return false;
    for (uint32_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    *number = n;
    return true;
}

bool is_slug(struct str s)
{
    if (s.n == 0 || s.n > SLUG_MAX)
        return false;
    bool hyphen = true;
    for (uint32_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-' && hyphen)
            return false;
        hyphen = s.p[i] == '-';
        if (!hyphen && !(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9'))
            return false;
    }
    return !hyphen;
}

static bool is_choice(const struct parameter *parameter, struct str text)
{
    for (size_t i = 0; i < sizeof parameter->choices / sizeof *parameter->choices && parameter->choices[i]; i++)
        if (str_eq(str_of(parameter->choices[i]), text))
            return true;
    return false;
}

static bool fits(const struct parameter *parameter, struct str text, uint64_t *number)
{
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
        return number_parse(text, number) && *number >= parameter->least && *number <= parameter->most &&
               *number % parameter->step == 0;
    case PARAMETER_SLUG:
        return is_slug(text);
    case PARAMETER_CHOICE:
        return is_choice(parameter, text);
    case PARAMETER_NAME:
        return text.n <= parameter->most;
    case PARAMETER_WORDS:
        break;
    }
    return true;
}

enum parameter_found parameter_read(const struct parameter *parameter, struct arena *arena, struct str query,
                                    struct str *text, uint64_t *number)
{
    if (parameter->kind == PARAMETER_WORDS) {
        *text = query_get_words(arena, query, str_of(parameter->name), (uint32_t)parameter->most);
        return text->n ? PARAMETER_FOUND : PARAMETER_ABSENT;
    }
    switch (query_get(arena, query, str_of(parameter->name), text)) {
    case QUERY_ABSENT:
        return PARAMETER_ABSENT;
    case QUERY_BAD:
        return PARAMETER_BAD;
    case QUERY_FOUND:
        break;
    }
    if (text->n == 0)
        return PARAMETER_EMPTY;
    return fits(parameter, *text, number) ? PARAMETER_FOUND : PARAMETER_BAD;
}

static struct str choices_of(struct arena *arena, const struct parameter *parameter)
{
    struct str list = str_of(parameter->choices[0]);
    for (size_t i = 1; i < sizeof parameter->choices / sizeof *parameter->choices && parameter->choices[i]; i++)
        list = arena_printf(arena, STR_FMT ", %s", STR_ARG(list), parameter->choices[i]);
    return list;
}

static struct str expected_of(struct arena *arena, const struct parameter *parameter)
{
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
        if (parameter->step > 1)
            return arena_printf(arena, "a multiple of %llu from %llu to %llu", (unsigned long long)parameter->step,
                                (unsigned long long)(parameter->least + parameter->step - 1) / parameter->step *
                                    parameter->step,
                                (unsigned long long)parameter->most / parameter->step * parameter->step);
        return arena_printf(arena, "a whole number from %llu to %llu", (unsigned long long)parameter->least,
                            (unsigned long long)parameter->most);
    case PARAMETER_SLUG:
        return STR("small letters, digits and single hyphens");
    case PARAMETER_CHOICE:
        return arena_printf(arena, "one of " STR_FMT, STR_ARG(choices_of(arena, parameter)));
    case PARAMETER_NAME:
    case PARAMETER_WORDS:
        break;
    }
    return arena_printf(arena, "a text of at most %llu bytes", (unsigned long long)parameter->most);
}

struct str parameter_sentence(struct arena *arena, const struct parameter *parameter)
{
    return arena_printf(arena, "%s is " STR_FMT ", and stands there once.", parameter->name,
                        STR_ARG(expected_of(arena, parameter)));
}
