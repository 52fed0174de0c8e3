#include "sql_scan.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_to(const char *p, const char *mark)
{
    const char *found = strstr(p, mark);
    return found ? found + strlen(mark) : p + strlen(p);
}

/* p is behind the opening quote. A doubled quote ends one string and begins the next, which comes to the same. */
static const char *skip_quoted(const char *p, char quote, bool backslash)
{
    for (; *p && *p != quote; p++)
        if (backslash && *p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

/* Comments nest in SQL. */
static const char *skip_comment(const char *p)
{
    int depth = 0;
    while (*p) {
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            p += 2;
            if (--depth == 0)
                break;
        } else {
            p++;
        }
    }
    return p;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static const char *skip_word(const char *p)
{
    const char *start = p;
    while (is_word(*p) || *p == '$')
        p++;
    if (*p == '\'' && p - start == 1 && (*start == 'e' || *start == 'E'))
        return skip_quoted(p + 1, '\'', true);
    return p;
}

/* $1, or a dollar-quoted string $tag$ … $tag$. */
static const char *skip_dollar(const char *p, struct sql_scan *scan)
{
    if (isdigit((unsigned char)p[1])) {
        char *end;
        unsigned long n = strtoul(p + 1, &end, 10);
        if (n >= 1 && n <= 64)
            scan->used |= UINT64_C(1) << (n - 1);
        else if (!scan->large)
            scan->large = p;
        return end;
    }
    const char *tag = p + 1;
    while (is_word(*tag))
        tag++;
    if (*tag != '$')
        return p + 1;
    char *mark = strndup(p, (size_t)(tag + 1 - p));
    if (!mark)
        abort();
    p = skip_to(tag + 1, mark);
    free(mark);
    return p;
}

struct sql_scan sql_scan(const char *sql)
{
    struct sql_scan scan = {.end = NULL};
    const char *p = sql;
    while (*p) {
        if (isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        if (p[0] == '-' && p[1] == '-') {
            p = skip_to(p, "\n");
            continue;
        }
        if (p[0] == '/' && p[1] == '*') {
            p = skip_comment(p);
            continue;
        }
        if (scan.end) {
            scan.more = p;
            return scan;
        }
        if (*p == ';')
            scan.end = p++;
        else if (*p == '\'' || *p == '"')
            p = skip_quoted(p + 1, *p, false);
        else if (*p == '$')
            p = skip_dollar(p, &scan);
        else if (is_word(*p))
            p = skip_word(p);
        else
            p++;
    }
    if (!scan.end)
        scan.end = p;
    return scan;
}
