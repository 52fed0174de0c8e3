#include "target.h"

/* Where bodies go: to editors. A route that takes none says so itself, with 405, when it is sent a small one. */
static const struct place {
    struct str prefix;
    uint64_t limit; /* bytes */
    bool editors;
} PLACES[] = {
    {{"/admin/", 7}, UINT64_MAX, true},
    {{"/admin", 6}, 4 << 10, true},
    {{"/login", 6}, 64 << 10, true},
    {{"", 0}, 4 << 10, false},
};

static const struct place *place_of(struct str path)
{
    const struct place *place = PLACES;
    while (!str_starts(path, place->prefix)) {
        place++;
    }
    return place;
}

struct scan {
    uint32_t segment, dots;    /* bytes since the last slash; how many of them are dots */
    unsigned more;             /* bytes that are still to come of a character */
    unsigned char least, most; /* what the next of them may be */
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of one character (Unicode, table 3-7: well-formed byte sequences of UTF-8). */
static bool take_character(struct scan *scan, unsigned char c)
{
    if (scan->more > 0) {
        bool good = c >= scan->least && c <= scan->most;
        scan->more--;
        scan->least = 0x80;
        scan->most = 0xbf;
        return good;
    }
    if (c < 0x80) {
        return c >= ' ' && c != 0x7f;
    }
    scan->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    scan->least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    scan->most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return c >= 0xc2 && c <= 0xf4;
}

/* False at the end of a segment that is "..". */
static bool end_segment(struct scan *scan)
{
    bool good = !(scan->segment == 2 && scan->dots == 2);
    scan->segment = scan->dots = 0;
    return good;
}

bool target_path_is_proper(struct str path)
{
    struct scan scan = {0};
    if (path.n == 0 || path.p[0] != '/') {
        return false;
    }
    for (uint32_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c == '%') {
            int high = i + 2 < path.n ? digit_of(path.p[i + 1]) : -1, low = high < 0 ? -1 : digit_of(path.p[i + 2]);
            if (low < 0) {
                return false;
            }
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (!take_character(&scan, c)) {
            return false;
        }
        if (c == '/' || c == '\\') {
            if (!end_segment(&scan)) {
                return false;
            }
        } else {
            scan.segment++;
            scan.dots += c == '.';
        }
    }
    return scan.more == 0 && end_segment(&scan);
}

uint64_t target_body_limit(struct str target, uint64_t body_max)
{
    const char *authority = target.n > 0 && *target.p != '/' ? memmem(target.p, target.n, "://", 3) : NULL;
    struct str path = target;
    if (authority) { /* absolute-form */
        const char *end = target.p + target.n, *slash = memchr(authority + 3, '/', (size_t)(end - authority - 3));
        path = slash ? (struct str){slash, (uint32_t)(end - slash)} : STR("");
    }
    uint64_t limit = place_of(path)->limit;
    return limit < body_max ? limit : body_max;
}

bool target_is_of_editors(struct str path)
{
    return place_of(path)->editors;
}
