#include "json_rows.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTORS_MAX     200
#define CATEGORIES_MAX 20
#define LINKS_MAX      10
#define URL_MAX        1000
#define MONEY_MAX      10000000000000 /* ten million millions of dollars: more than any movie, within bigint */

enum kind { LINE, SLUG, WHOLE, SCORE, DATE, YES_NO, LIST, LINKS, URL, POSTER, WIKIPEDIA_PAGE, UNUSED };

/* A key of the input, what may stand under it, and the key it gets in what we hand out. */
struct field {
    const char *name;
    const char *out;
    enum kind kind;
    long long min, max; /* of a WHOLE its value, of a LINE its characters; of a LIST max is its entries */
    int each;           /* characters of one entry of a LIST */
};

/* The limits are those of dbproxy/migrations/0001_schema.sql. */
static const struct field own_fields[] = {
    {"slug", "slug", SLUG, 1, 100, 0},
    {"title", "title", LINE, 1, 300, 0},
    {"original_title", "original_title", LINE, 1, 300, 0},
    {"release_date", "release_date", DATE, 1870, 2100, 0},
    {"year", "year", WHOLE, 1870, 2100, 0},
    {"runtime", "runtime", WHOLE, 1, 1000, 0},
    {"certificate", "certificate", LINE, 1, 20, 0},
    {"director", "director", LINE, 1, 200, 0},
    {"actors", "actors", LIST, 0, ACTORS_MAX, 200},
    {"distributor", "distributor", LINE, 1, 200, 0},
    {"synopsis", "synopsis", LINE, 1, 10000, 0},
    {"score", "score", SCORE, 0, 10, 0},
    {"votes", "votes", WHOLE, 0, INT32_MAX, 0},
    {"critics", "critics", WHOLE, 0, 100, 0},
    {"budget", "budget", WHOLE, 0, MONEY_MAX, 0},
    {"gross_domestic", "gross_domestic", WHOLE, 0, MONEY_MAX, 0},
    {"gross_worldwide", "gross_worldwide", WHOLE, 0, MONEY_MAX, 0},
    {"links", "links", LINKS, 0, LINKS_MAX, 0},
    {"poster", "poster", POSTER, 1, 200, 0},
    {"creative_type", "creative_type", LINE, 1, 100, 0},
    {"source", "source", LINE, 1, 100, 0},
    {"published", "published", YES_NO, 0, 0, 0},
    {"categories", "categories", LIST, 0, CATEGORIES_MAX, 100},
    {NULL, NULL, UNUSED, 0, 0, 0},
};

static const struct field wikipedia_fields[] = {
    {"title", "title", LINE, 1, 300, 0},          {"year", "year", WHOLE, 1870, 2100, 0},
    {"cast", "actors", LIST, 0, ACTORS_MAX, 200}, {"genres", "categories", LIST, 0, CATEGORIES_MAX, 100},
    {"href", "links", WIKIPEDIA_PAGE, 0, 0, 0},   {"extract", "synopsis", LINE, 1, 10000, 0},
    {"thumbnail", "poster", URL, 0, 0, 0},        {"thumbnail_width", NULL, UNUSED, 0, 0, 0},
    {"thumbnail_height", NULL, UNUSED, 0, 0, 0},  {NULL, NULL, UNUSED, 0, 0, 0},
};

static bool refuse(char *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, JSON_ROW_REASON, format, args);
    va_end(args);
    return false;
}

/* jansson has checked the UTF-8, so a first byte says how long its character is. */
static int utf8_decode(const unsigned char *p, uint32_t *code)
{
    int length = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    *code = length == 1 ? *p : *p & (0xffU >> (length + 1));
    for (int i = 1; i < length; i++)
        *code = *code << 6 | (p[i] & 0x3f);
    return length;
}

static bool is_space(uint32_t c)
{
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Characters that show nothing, or turn the direction of what follows them. */
static bool is_invisible(uint32_t c)
{
    return c == 0xad || c == 0x200b || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

/* A copy that the caller frees, with each run of spaces as one and none at the ends; NULL when memory is out. */
static char *clean_line(json_t *value, size_t *characters)
{
    const unsigned char *in = (const unsigned char *)json_string_value(value);
    size_t length = json_string_length(value);
    char *text = malloc(length + 1);
    size_t n = 0;
    bool gap = false;
    *characters = 0;
    if (!text)
        return NULL;
    for (size_t i = 0, step; i < length; i += step) {
        uint32_t code;
        step = (size_t)utf8_decode(in + i, &code);
        if (is_invisible(code))
            continue;
        if (is_space(code)) {
            gap = n > 0;
            continue;
        }
        if (gap) {
            text[n++] = ' ';
            ++*characters;
        }
        gap = false;
        memcpy(text + n, in + i, step);
        n += step;
        ++*characters;
    }
    text[n] = '\0';
    return text;
}

/* *result is the cleaned text, or NULL when nothing is left of it. */
static bool read_line(json_t *value, const char *name, long long max, json_t **result, char *reason)
{
    size_t characters;
    if (!json_is_string(value))
        return refuse(reason, "\"%s\" is not a text", name);
    char *text = clean_line(value, &characters);
    if (!text)
        return refuse(reason, "out of memory");
    *result = NULL;
    if (characters > (size_t)max) {
        free(text);
        return refuse(reason, "\"%s\" has %zu characters; at most %lld are allowed", name, characters, max);
    }
    if (characters > 0)
        *result = json_string(text);
    free(text);
    return true;
}

static bool is_word_list(const char *text, size_t max, const char *separators)
{
    size_t n = strlen(text);
    bool after_word = false;
    for (size_t i = 0; i < n; i++) {
        bool word = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');
        if (!word && (!after_word || !strchr(separators, text[i])))
            return false;
        after_word = word;
    }
    return n <= max && after_word;
}

static bool is_url(const char *text)
{
    size_t n = strlen(text);
    size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0 || n == scheme || n > URL_MAX)
        return false;
    for (size_t i = scheme; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"<>", text[i]))
            return false;
    return true;
}

static bool read_date(const char *text, const struct field *field, int *year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int month, day, end = 0;
    if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 ||
        sscanf(text, "%4d-%2d-%2d%n", year, &month, &day, &end) != 3 || end != 10)
        return false;
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    return *year >= field->min && *year <= field->max && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

static bool read_list(json_t *value, const struct field *field, json_t **result, char *reason)
{
    size_t i;
    json_t *entry;
    if (!json_is_array(value))
        return refuse(reason, "\"%s\" is not a list", field->name);
    if (json_array_size(value) > (size_t)field->max)
        return refuse(reason, "\"%s\" has %zu entries; at most %lld are allowed", field->name, json_array_size(value),
                      field->max);
    *result = json_array();
    json_array_foreach(value, i, entry)
    {
        json_t *text = NULL;
        if (!read_line(entry, field->name, field->each, &text, reason))
            return false;
        if (text)
            json_array_append_new(*result, text);
    }
    return true;
}

static bool read_links(json_t *value, const struct field *field, json_t **result, char *reason)
{
    const char *key;
    json_t *url;
    if (!json_is_object(value))
        return refuse(reason, "\"%s\" is not an object", field->name);
    if (json_object_size(value) > LINKS_MAX)
        return refuse(reason, "\"%s\" has more than %d entries", field->name, LINKS_MAX);
    json_object_foreach(value, key, url)
    {
        if (!is_word_list(key, 40, "-_"))
            return refuse(reason, "\"%s\" has a key that is not of the form a-z, 0-9 and hyphens", field->name);
        if (!json_is_string(url) || !is_url(json_string_value(url)))
            return refuse(reason, "\"%s\" has an entry that is not an http or https address", field->name);
    }
    *result = json_incref(value);
    return true;
}

/* The title of a page of the English Wikipedia becomes its address; what an address may not hold is escaped. */
static bool read_wikipedia_page(json_t *value, const struct field *field, json_t **result, char *reason)
{
    char url[URL_MAX + 4] = "https://en.wikipedia.org/wiki/";
    size_t n = strlen(url);
    if (!json_is_string(value))
        return refuse(reason, "\"%s\" is not a text", field->name);
    for (const char *p = json_string_value(value); *p && n < URL_MAX; p++) {
        if (*p > ' ' && *p <= '~' && !strchr("\"<>", *p))
            url[n++] = *p;
        else
            n += (size_t)sprintf(url + n, "%%%02X", (unsigned)(unsigned char)*p);
    }
    url[n] = '\0';
    if (n >= URL_MAX)
        return refuse(reason, "\"%s\" is longer than an address may be", field->name);
    if (json_string_length(value) > 0)
        *result = json_pack("{ss}", "wikipedia", url);
    return true;
}

/* On success *result is a new reference, or NULL for "no value". */
static bool read_value(json_t *value, const struct field *field, json_t **result, char *reason)
{
    int year;
    const char *text = json_string_value(value);
    bool right = false;
    const char *wanted = "";
    switch (field->kind) {
    case LINE:
        return read_line(value, field->name, field->max, result, reason);
    case LIST:
        return read_list(value, field, result, reason);
    case LINKS:
        return read_links(value, field, result, reason);
    case WIKIPEDIA_PAGE:
        return read_wikipedia_page(value, field, result, reason);
    case UNUSED:
        return true;
    case WHOLE:
        if (!json_is_integer(value) || json_integer_value(value) < field->min || json_integer_value(value) > field->max)
            return refuse(reason, "\"%s\" is not a whole number from %lld to %lld", field->name, field->min,
                          field->max);
        right = true;
        break;
    case SCORE:
        right = json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) <= 10;
        wanted = "a number from 0 to 10";
        break;
    case DATE:
        right = text && read_date(text, field, &year);
        wanted = "a date such as \"1999-03-31\", from 1870 to 2100";
        break;
    case YES_NO:
        right = json_is_boolean(value);
        wanted = "true or false";
        break;
    case SLUG:
        right = text && is_word_list(text, (size_t)field->max, "-");
        wanted = "words of a-z and 0-9 joined by hyphens, 100 characters at most";
        break;
    case URL:
        right = text && is_url(text);
        wanted = "an http or https address";
        break;
    case POSTER:
        right = text && (is_url(text) || is_word_list(text, (size_t)field->max, "._/-"));
        wanted = "an http or https address or a media key";
        break;
    }
    if (!right)
        return refuse(reason, "\"%s\" is not %s", field->name, wanted);
    *result = json_incref(value);
    return true;
}

static bool is_wikipedia_shape(json_t *row)
{
    return json_object_get(row, "cast") || json_object_get(row, "genres") || json_object_get(row, "href") ||
           json_object_get(row, "extract");
}

/* Reads every key of the row into movie. */
static bool read_row(json_t *row, json_t *movie, char *reason)
{
    const struct field *fields = is_wikipedia_shape(row) ? wikipedia_fields : own_fields;
    const char *key;
    json_t *value;
    json_object_foreach(row, key, value)
    {
        const struct field *field = fields;
        json_t *result = NULL;
        while (field->name && strcmp(field->name, key) != 0)
            field++;
        if (!field->name)
            return refuse(reason, "it has the unknown key \"%.40s\"", is_word_list(key, 40, "-_ ") ? key : "?");
        if (json_is_null(value))
            continue;
        bool taken = read_value(value, field, &result, reason);
        if (taken && result)
            json_object_set(movie, field->out, result);
        json_decref(result);
        if (!taken)
            return false;
    }
    return true;
}

/* What concerns two fields: there is a title, and the year is that of the release date. */
static bool check_movie(json_t *movie, char *reason)
{
    const char *date = json_string_value(json_object_get(movie, "release_date"));
    json_t *year = json_object_get(movie, "year");
    if (!json_object_get(movie, "title"))
        return refuse(reason, "it has no title");
    if (date && !year)
        json_object_set_new(movie, "year", json_integer(atoi(date)));
    else if (date && json_integer_value(year) != atoi(date))
        return refuse(reason, "\"year\" is not the year of \"release_date\"");
    return true;
}

char *json_row_read(const char *line, size_t length, char reason[JSON_ROW_REASON])
{
    json_error_t error;
    char *text = NULL;
    json_t *row = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!row) {
        /* The library quotes what it stumbled over after " near"; the file's bytes stay out of our report. */
        char *quote = strstr(error.text, " near ");
        if (quote)
            *quote = '\0';
        bool printable = true;
        for (const char *p = error.text; *p; p++)
            printable = printable && *p >= ' ' && *p <= '~';
        refuse(reason, "it is not JSON: %s at byte %d", printable ? error.text : "a wrong character", error.position);
        return NULL;
    }
    json_t *movie = json_object();
    if (!json_is_object(row))
        refuse(reason, "it is not a JSON object");
    else if (read_row(row, movie, reason) && check_movie(movie, reason)) {
        text = json_dumps(movie, JSON_COMPACT | JSON_REAL_PRECISION(6));
        if (!text)
            refuse(reason, "out of memory");
    }
    json_decref(movie);
    json_decref(row);
    return text;
}
