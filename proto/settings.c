/* The table of settings.h at work: reading the environment, checking, and printing --help. */
#include "settings.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

struct setting {
    size_t offset;
    enum setting_type type;
    const char *variable, *preset;
    uint64_t least, most;
    unsigned stages;
    bool secret;
    const char *sentence;
};

static const struct setting table[] = {
#define X(field, type, variable, preset, least, most, for_, secret, sentence)                                          \
    {offsetof(struct settings, field), SETTING_##type, variable, preset, least, most, for_, secret, sentence},
    SETTINGS(X)
#undef X
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Greatest first: a value is printed in the greatest unit that divides it. */
static const struct unit size_units[] = {{"G", 1ull << 30}, {"M", 1ull << 20}, {"K", 1ull << 10}, {"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {{"d", 86400000000000ull},
                                             {"h", 3600000000000ull},
                                             {"m", 60000000000ull},
                                             {"s", 1000000000ull},
                                             {"", 1000000000ull},
                                             {"ms", 1000000ull},
                                             {NULL, 0}};
static const struct unit number_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum setting_type type)
{
    return type == SETTING_SIZE ? size_units : type == SETTING_DURATION ? duration_units : number_units;
}

/* Digits and a unit, nothing else; false when it is not that or does not fit 64 bits. */
static bool parse_quantity(const char *text, const struct unit *units, uint64_t *value)
{
    uint64_t n = 0;
    const char *p = text;

    for (; isdigit((unsigned char)*p); p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) {
            return false;
        }
    }
    if (p == text) {
        return false;
    }
    for (; units->suffix; units++) {
        if (strcasecmp(p, units->suffix) == 0) {
            return !__builtin_mul_overflow(n, units->factor, value);
        }
    }
    return false;
}

static bool parse_switch(const char *text, bool *value)
{
    static const char *const words[] = {"off", "on", "0", "1", "no", "yes", "false", "true"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

static void print_quantity(char *out, size_t size, uint64_t value, const struct unit *units)
{
    for (; units->suffix; units++) {
        bool last = units[1].suffix == NULL;
        if (last || (value != 0 && value % units->factor == 0)) {
            snprintf(out, size, "%llu%s", (unsigned long long)(value / units->factor), value ? units->suffix : "");
            return;
        }
    }
}

/* "films.example", "127.0.0.1", "[::1]", each with a port or without (RFC 3986 section 3.2), and no user before it. */
static bool is_authority(const char *text, size_t n)
{
    bool numeric = *text == '[';
    size_t host = numeric ? 1 + strspn(text + 1, "0123456789abcdefABCDEF:.") : 0;

    if (numeric && (host < 3 || text[host++] != ']')) {
        return false;
    }
    while (!numeric && text[host] && (isalnum((unsigned char)text[host]) || strchr("-._", text[host]))) {
        host++;
    }
    size_t digits = text[host] == ':' ? strspn(text + host + 1, "0123456789") : 0;
    return host > 0 && digits <= 5 && host + (digits ? digits + 1 : 0) == n;
}

/* "https://films.example", and "https://films.example/" as if the slash were not there: addresses are made by putting a
 * path behind it. */
static bool parse_origin(const char *text, const char **value)
{
    static char without_slash[256]; /* a process has one setting of this kind */
    size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    size_t n = strlen(text);
    bool slash = n > 0 && text[n - 1] == '/';

    n -= slash;
    if (scheme == 0 || n <= scheme || n >= sizeof(without_slash) || !is_authority(text + scheme, n - scheme)) {
        return false;
    }
    *value = text;
    if (slash) {
        memcpy(without_slash, text, n);
        without_slash[n] = '\0';
        *value = without_slash;
    }
    return true;
}

/* "a number from 1 to 10000" */
static void describe(char *out, size_t size, const struct setting *s)
{
    static const char *const kinds[] = {[SETTING_NUMBER] = "a number",
                                        [SETTING_SIZE] = "bytes (K, M, G)",
                                        [SETTING_DURATION] = "a time (ms, s, m, h, d)"};
    char least[32], most[32];

    if (s->type == SETTING_SWITCH) {
        snprintf(out, size, "on or off");
    } else if (s->type == SETTING_ORIGIN) {
        snprintf(out, size, "an address such as https://films.example");
    } else if (s->type == SETTING_TEXT && s->least > 0) {
        snprintf(out, size, "a text of %llu to %llu bytes", (unsigned long long)s->least, (unsigned long long)s->most);
    } else if (s->type == SETTING_TEXT) {
        snprintf(out, size, "a text of at most %llu bytes", (unsigned long long)s->most);
    } else {
        print_quantity(least, sizeof(least), s->least, units_of(s->type));
        print_quantity(most, sizeof(most), s->most, units_of(s->type));
        snprintf(out, size, "%s from %s to %s", kinds[s->type], least, most);
    }
}

/* Copies what was found for an error sentence: short, and nothing that could play with a terminal. */
static void quote(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text[n] && n + 4 < size; n++) {
        out[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
    }
    snprintf(out + n, size - n, "%s", text[n] ? "..." : "");
}

static bool set_one(struct settings *settings, const struct setting *s, const char *text)
{
    char *field = (char *)settings + s->offset;
    uint64_t value;

    switch (s->type) {
    case SETTING_TEXT:
        value = strlen(text);
        *(const char **)(void *)field = text;
        break;
    case SETTING_ORIGIN:
        return parse_origin(text, (const char **)(void *)field);
    case SETTING_SWITCH:
        return parse_switch(text, (bool *)field);
    default:
        if (!parse_quantity(text, units_of(s->type), &value)) {
            return false;
        }
        *(uint64_t *)(void *)field = value;
        break;
    }
    return value >= s->least && value <= s->most;
}

/* What the environment says, or the preset. Empty counts as not set, but for a text that may be empty. */
static const char *find_value(const struct setting *s, unsigned stages)
{
    const char *text = s->stages & stages ? getenv(s->variable) : NULL;

    if (text == NULL || (*text == '\0' && !(s->type == SETTING_TEXT && s->least == 0))) {
        return s->preset;
    }
    return text;
}

bool settings_load(struct settings *settings, unsigned stages, char *error, size_t error_size)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct setting *s = &table[i];
        const char *text = find_value(s, stages);
        char expected[120], found[80];

        if (set_one(settings, s, text)) {
            continue;
        }
        describe(expected, sizeof(expected), s);
        quote(found, sizeof(found), text);
        if (s->secret) {
            snprintf(error, error_size, "%s has a value of %zu bytes (secret, not shown); expected %s.", s->variable,
                     strlen(text), expected);
        } else {
            snprintf(error, error_size, "%s is \"%s\"; expected %s.", s->variable, found, expected);
        }
        return false;
    }
    return true;
}

static bool is_text(const struct setting *s)
{
    return s->type == SETTING_TEXT || s->type == SETTING_ORIGIN;
}

static void print_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        fputc(iscntrl((unsigned char)*text) ? '?' : *text, out);
    }
}

void settings_print(FILE *out, const struct settings *settings, unsigned stages)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct setting *s = &table[i];
        const void *field = (const char *)settings + s->offset;
        char quantity[32];

        if (!(s->stages & stages)) {
            continue;
        }
        fprintf(out, "%s=", s->variable);
        if (is_text(s)) {
            const char *text = *(const char *const *)field;
            print_text(out, s->secret && *text ? "(hidden)" : text);
        } else if (s->type == SETTING_SWITCH) {
            fputs(*(const bool *)field ? "on" : "off", out);
        } else {
            print_quantity(quantity, sizeof(quantity), *(const uint64_t *)field, units_of(s->type));
            fputs(quantity, out);
        }
        fputc('\n', out);
    }
}

void settings_help(FILE *out, unsigned stages)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct setting *s = &table[i];
        char least[32], most[32];

        if (!(s->stages & stages)) {
            continue;
        }
        fprintf(out, "  %s=%s\n      %s", s->variable, s->preset, s->sentence);
        if (s->type == SETTING_SWITCH) {
            fputs(" (on or off)", out);
        } else if (!is_text(s)) {
            print_quantity(least, sizeof(least), s->least, units_of(s->type));
            print_quantity(most, sizeof(most), s->most, units_of(s->type));
            fprintf(out, " (%s to %s)", least, most);
        }
        fputc('\n', out);
    }
}
