#include "http_date.h"

#include <stdio.h>

struct str http_date(struct arena *arena, struct str text, time_t now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const char form[] = "0000-00-00 00:00:00";
    char copy[sizeof form] = "0000-00-00 00:00:00";
    bool is_date = text.n == 10, is_time = text.n > 21 && memcmp(text.p + text.n - 3, "+00", 3) == 0;
    if (!is_date && !is_time)
        return STR_NONE;
    memcpy(copy, text.p, is_date ? 10 : 19);
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '0' ? copy[i] < '0' || copy[i] > '9' : copy[i] != form[i] && copy[i] != 'T')
            return STR_NONE;
    struct tm tm = {0};
    if (sscanf(copy, "%4d-%2d-%2d%*c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec) != 6)
        return STR_NONE;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t seconds = timegm(&tm); /* and tm in its normal form, so that its numbers are in range */
    if (seconds == (time_t)-1 || seconds > now)
        return STR_NONE;
    return arena_printf(arena, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
