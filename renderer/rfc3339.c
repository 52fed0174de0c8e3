#include "rfc3339.h"

/* Whether the text begins as the form says: 0 stands for a digit, ? for any character. */
static bool has_form(struct str text, const char *form)
{
    uint32_t n = (uint32_t)strlen(form);
    if (text.n < n)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        if (form[i] == '0' ? !digit : form[i] != '?' && form[i] != text.p[i])
            return false;
    }
    return true;
}

struct str rfc3339_time(struct arena *arena, struct str time)
{
    if (!has_form(time, "0000-00-00?00:00:00"))
        return STR_NONE;
    uint32_t at = 19;
    if (at < time.n && time.p[at] == '.')
        for (at++; at < time.n && time.p[at] >= '0' && time.p[at] <= '9';)
            at++;
    struct str zone = {time.p + at, time.n - at};
    const char *day = time.p, *clock = time.p + 11;
    if (str_eq(zone, STR("Z")) || str_eq(zone, STR("+00")) || str_eq(zone, STR("+00:00")))
        return arena_printf(arena, "%.10sT%.8sZ", day, clock);
    if ((zone.n != 3 && zone.n != 6) || (!has_form(zone, "+00") && !has_form(zone, "-00")) ||
        (zone.n == 6 && !has_form(zone, "?00:00")))
        return STR_NONE;
    return arena_printf(arena, "%.10sT%.8s" STR_FMT "%s", day, clock, STR_ARG(zone), zone.n == 3 ? ":00" : "");
}
