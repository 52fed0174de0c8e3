#include "http_date.h"

#include <time.h>

static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/*
 * Reads a text that looks like the pattern: 'd' a digit of the day, 'o' the month's name, 'y' of the year, 'h' 'm' 's'
 * of the time, 'D' any letter, '_' a digit or a space of the day; all else stands for itself.
 */
static bool scan(struct str text, const char *pattern, struct tm *tm)
{
    if (text.n != strlen(pattern))
        return false;
    for (uint32_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : -1;
        int *field = NULL;
        switch (pattern[i]) {
        case 'D':
            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
                return false;
            continue;
        case 'o':
            tm->tm_mon = 0;
            while (tm->tm_mon < 12 && memcmp(text.p + i, months[tm->tm_mon], 3) != 0)
                tm->tm_mon++;
            if (tm->tm_mon == 12)
                return false;
            i += 2;
            continue;
        case '_':
            if (c == ' ')
                continue;
            field = &tm->tm_mday;
            break;
        case 'd':
            field = &tm->tm_mday;
            break;
        case 'y':
            field = &tm->tm_year;
            break;
        case 'h':
            field = &tm->tm_hour;
            break;
        case 'm':
            field = &tm->tm_min;
            break;
        case 's':
            field = &tm->tm_sec;
            break;
        default:
            if (c != pattern[i])
                return false;
            continue;
        }
        if (digit < 0)
            return false;
        *field = *field * 10 + digit;
    }
    return tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

bool date_read(struct str text, int64_t now, int64_t *seconds)
{
    struct tm tm = {0};
    if (scan(text, "DDD, dd ooo yyyy hh:mm:ss GMT", &tm)) {
        tm.tm_year -= 1900;
    } else if (tm = (struct tm){0}, scan(text, "DDD ooo _d hh:mm:ss yyyy", &tm)) {
        tm.tm_year -= 1900;
    } else { /* RFC 850: the day's name in full */
        const char *comma = text.n ? memchr(text.p, ',', text.n) : NULL;
        uint32_t n = comma ? (uint32_t)(comma - text.p) : 0;
        tm = (struct tm){0};
        if (n < 6 || n > 9 || !scan((struct str){comma, text.n - n}, ", dd-ooo-yy hh:mm:ss GMT", &tm))
            return false;
        tm.tm_year += 100;
        int64_t found = timegm(&tm);
        if (found > now + 50LL * 365 * 86400)
            tm.tm_year -= 100;
    }
    *seconds = timegm(&tm);
    return true;
}
