#include "parameter.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text_array.h"

/* Types of PostgreSQL's own catalogue; their numbers never change. */
enum {
    OID_BOOL = 16,
    OID_BIGINT = 20,
    OID_INT = 23,
    OID_TEXT = 25,
    OID_FLOAT = 701,
    OID_TEXT_ARRAY = 1009,
    OID_DATE = 1082
};

/* The bytes that follow the first one of a UTF-8 character (RFC 3629 section 4), -1 when none starts so; range: of the
 * second byte. */
static int follow(unsigned char c, unsigned char *least, unsigned char *most)
{
    *least = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    *most = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (c < 0x80)
        return c ? 0 : -1;
    if (c < 0xC2 || c > 0xF4)
        return -1;
    return c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
}

static bool fits_text(struct str value)
{
    const unsigned char *p = (const unsigned char *)value.p, *end = p + value.n;
    while (p < end) {
        unsigned char least, most;
        int more = follow(*p++, &least, &most);
        if (more < 0 || end - p < more)
            return false;
        for (; more > 0; more--, p++) {
            if (*p < least || *p > most)
                return false;
            least = 0x80;
            most = 0xBF;
        }
    }
    return true;
}

static bool fits_whole(struct str value, int64_t least, int64_t most)
{
    char text[24];
    if (value.n == 0 || value.n >= sizeof(text))
        return false;
    for (uint32_t i = 0; i < value.n; i++)
        if (!isdigit((unsigned char)value.p[i]) && !(i == 0 && value.p[0] == '-' && value.n > 1))
            return false;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    return errno == 0 && number >= least && number <= most;
}

static bool fits_int(struct str value)
{
    return fits_whole(value, INT32_MIN, INT32_MAX);
}

static bool fits_bigint(struct str value)
{
    return fits_whole(value, INT64_MIN, INT64_MAX);
}

static bool fits_bool(struct str value)
{
    return str_eq(value, STR("true")) || str_eq(value, STR("false")) || str_eq(value, STR("t")) ||
           str_eq(value, STR("f"));
}

static bool fits_float(struct str value)
{
    char text[64], *end;
    if (value.n == 0 || value.n >= sizeof(text))
        return false;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    /* strtod also reads blanks, hexadecimal, "nan" and "infinity". */
    if (strlen(text) != value.n || strspn(text, "0123456789+-.eE") != value.n)
        return false;
    errno = 0;
    double number = strtod(text, &end);
    return errno == 0 && *end == '\0' && isfinite(number);
}

/* YYYY-MM-DD of the Gregorian calendar, years 1 to 9999. */
static bool fits_date(struct str value)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (value.n != 10 || value.p[4] != '-' || value.p[7] != '-')
        return false;
    for (uint32_t i = 0; i < value.n; i++)
        if (i != 4 && i != 7 && !isdigit((unsigned char)value.p[i]))
            return false;
    int year = atoi(value.p), month = atoi(value.p + 5), day = (value.p[8] - '0') * 10 + value.p[9] - '0';
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

static bool fits_text_array(struct str value)
{
    return fits_text(value) && text_array_count(value) >= 0;
}

static const struct parameter_kind kinds[] = {
    {"text", OID_TEXT, fits_text, "text in UTF-8"},
    {"int", OID_INT, fits_int, "a whole number from -2147483648 to 2147483647"},
    {"bigint", OID_BIGINT, fits_bigint, "a whole number of at most 64 bits"},
    {"bool", OID_BOOL, fits_bool, "true or false"},
    {"float", OID_FLOAT, fits_float, "a number"},
    {"date", OID_DATE, fits_date, "a date as YYYY-MM-DD"},
    {"text[]", OID_TEXT_ARRAY, fits_text_array, "a list as {one,\"two words\"}"},
};

const struct parameter_kind *parameter_kind_find(struct str name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_eq(name, str_of(kinds[i].name)))
            return &kinds[i];
    return NULL;
}

const char *parameter_kind_names(void)
{
    static char names[128];
    size_t n = 0;
    if (names[0])
        return names;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", kinds[i].name);
    return names;
}
