#include "poster_text.h"

/* Widths of the characters from space to ~, in hundredths of the font's size, of a bold sans and a bold serif face. */
static const uint8_t ascii_width[][95] = {
    [WIDTHS_SERIF] = {25, 33, 56, 50, 50, 100, 83, 28,  33, 33, 50, 57, 25, 33, 25, 28, 50, 50, 50, 50, 50, 50, 50, 50,
                      50, 50, 33, 33, 57, 57,  57, 50,  93, 72, 67, 72, 72, 67, 61, 78, 78, 39, 50, 78, 67, 94, 72, 78,
                      61, 78, 72, 56, 67, 72,  72, 100, 72, 72, 67, 33, 28, 33, 58, 50, 33, 50, 56, 44, 56, 44, 33, 50,
                      56, 28, 33, 56, 28, 83,  56, 50,  56, 56, 44, 39, 33, 56, 50, 72, 50, 50, 44, 39, 22, 39, 52},
    [WIDTHS_SANS] = {28, 33, 47, 56, 56, 89, 72, 24, 33, 33, 39, 58, 28, 33, 28, 28, 56, 56, 56, 56, 56, 56, 56, 56,
                     56, 56, 33, 33, 58, 58, 58, 61, 98, 72, 72, 72, 72, 67, 61, 78, 72, 28, 56, 72, 61, 83, 72, 78,
                     67, 78, 72, 67, 61, 72, 67, 94, 67, 67, 61, 33, 28, 33, 58, 56, 33, 56, 61, 56, 61, 56, 33, 61,
                     61, 28, 28, 56, 28, 89, 61, 61, 61, 61, 39, 56, 33, 61, 56, 78, 56, 56, 50, 39, 28, 39, 58},
};

#define SQUEEZE    112 /* percent of a line that a single long word may have; it is set narrower then */
#define MARKS_MOST 3   /* marks that one letter may carry; more would climb over the whole poster */

/* A run of code points of one kind; sorted. */
struct range {
    uint32_t first, last;
};

static const struct range marks[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x5bf, 0x5c7},     {0x610, 0x61a},     {0x64b, 0x65f},
    {0x670, 0x670},   {0x6d6, 0x6dc},   {0x6df, 0x6e8},   {0x6ea, 0x6ed},     {0x730, 0x74a},     {0x7a6, 0x7b0},
    {0x900, 0x903},   {0x93a, 0x93c},   {0x93e, 0x94f},   {0x951, 0x957},     {0x981, 0x983},     {0x9bc, 0x9cd},
    {0xa01, 0xa4d},   {0xabc, 0xacd},   {0xb3c, 0xb4d},   {0xbbe, 0xbcd},     {0xc3e, 0xc56},     {0xcbc, 0xccd},
    {0xd3e, 0xd4d},   {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e},     {0xeb1, 0xebc},     {0xf71, 0xf84},
    {0x102b, 0x103e}, {0x17b4, 0x17d3}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},   {0x200c, 0x200d},   {0x20d0, 0x20f0},
    {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0x1f3fb, 0x1f3ff}, {0xe0020, 0xe007f},
};

/* What controls the text instead of being seen, and what is no character; a mark of direction would turn a page. */
static const struct range dropped[] = {
    {0x00, 0x08},     {0x0e, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
    {0x200b, 0x200b}, {0x200e, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, {0xd800, 0xdfff},
    {0xfdd0, 0xfdef}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
};

static const struct range spaces[] = {
    {0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

/* As wide as high, and a line may break around each: Chinese, Japanese, Korean, emoji. */
static const struct range squares[] = {
    {0x1100, 0x115f}, {0x231a, 0x231b}, {0x23e9, 0x23f3}, {0x25fd, 0x25fe},   {0x2600, 0x27bf},
    {0x2b1b, 0x2b55}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6}, {0x1f000, 0x1faff}, {0x20000, 0x3fffd},
};

static const struct range right_to_left[] = {
    {0x590, 0x8ff}, {0xfb1d, 0xfdff}, {0xfe70, 0xfefe}, {0x10800, 0x10fff}, {0x1e800, 0x1efff}};

#define IN(c, ranges) in_ranges(c, ranges, sizeof ranges / sizeof *ranges)

static bool in_ranges(uint32_t c, const struct range *range, size_t n)
{
    for (size_t i = 0; i < n && c >= range[i].first; i++)
        if (c <= range[i].last)
            return true;
    return false;
}

/* The next code point of UTF-8 (RFC 3629 section 4), and how far it reaches; what is none is one byte of U+FFFD. */
static uint32_t next_character(struct str s, uint32_t at, uint32_t *bytes)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s.p + at;
    uint32_t more = p[0] < 0x80 ? 0 : p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 4;
    *bytes = 1;
    if (more == 0)
        return p[0];
    if (more == 4 || p[0] > 0xf4 || at + more >= s.n)
        return 0xfffd;
    uint32_t c = p[0] & (0x3fu >> more);
    for (uint32_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0xfffd;
    *bytes = more + 1;
    return c;
}

static size_t put_character(char *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    p[0] = (char)(lead[more] | c >> 6 * more);
    for (size_t i = 1; i <= more; i++)
        p[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return more + 1;
}

/* The capital of a letter of ASCII, Latin-1 and Latin Extended-A. */
static uint32_t capital(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7))
        return c - 0x20;
    if ((c >= 0x100 && c <= 0x137 && c != 0x131 && c != 0x130) || (c >= 0x14a && c <= 0x177))
        return c & ~1u;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c % 2 ? c : c - 1;
    return c;
}

/* Capitals are for titles whose every letter has one here; a half of them would look wrong. */
static bool can_be_capitals(struct str text)
{
    for (uint32_t at = 0, bytes; at < text.n; at += bytes) {
        uint32_t c = next_character(text, at, &bytes);
        if (c == 0xdf || c == 0x149 || (c >= 0x180 && c < 0x2010) || (c > 0x206f && c < 0x1f000))
            return false;
    }
    return true;
}

static int width_of(uint32_t c, const struct poster_face *face)
{
    int width = 62;
    if (IN(c, squares))
        return 104;
    if (c >= 0x20 && c < 0x7f)
        width = ascii_width[face->widths][c - 0x20];
    else if (c >= 0xc0 && c < 0x180)
        width = capital(c) == c ? 72 : 56;
    else if (c >= 0x2010 && c < 0x2020)
        width = c == 0x2014 ? 100 : c >= 0x2018 ? 33 : 50;
    else if (c == 0x2026)
        width = 100;
    return width * face->percent / 100 + (face->spacing + 5) / 10;
}

/* One of the two letters that make a flag. */
static bool is_flag(uint32_t c)
{
    return c >= 0x1f1e6 && c <= 0x1f1ff;
}

void poster_title_read(struct poster_title *title, struct str text, const struct poster_face *face)
{
    bool capitals = face->capitals && can_be_capitals(text), directed = false;
    unsigned carried = 0;
    uint32_t before = 0;
    size_t held = 0;
    title->n = 0;
    title->right_to_left = false;
    for (uint32_t at = 0, bytes; at < text.n && title->n < POSTER_CHARACTERS; at += bytes) {
        uint32_t c = next_character(text, at, &bytes);
        if (IN(c, spaces))
            c = ' ';
        else if (IN(c, dropped) || (c & 0xfffe) == 0xfffe)
            continue;
        if (c == ' ' && (title->n == 0 || before == ' '))
            continue;
        bool mark = IN(c, marks) && title->n > 0;
        carried = mark ? carried + 1 : 0;
        if (carried > MARKS_MOST)
            continue;
        if (!directed && (IN(c, right_to_left) || (capital(c) >= 'A' && capital(c) <= 'Z') || c > 0xbf)) {
            directed = true;
            title->right_to_left = IN(c, right_to_left);
        }
        struct poster_character *it = &title->character[title->n++];
        *it = (struct poster_character){.start = (uint16_t)held, .space = c == ' '};
        it->joined = mark || before == 0x200d || (is_flag(c) && is_flag(before) && !it[-1].joined);
        it->may_break = !it->joined && (before == ' ' || before == '/' || before == 0x2014 || before == 0x2013 ||
                                        (IN(c, squares) && c > 0x3002) || IN(before, squares));
        c = capitals ? capital(c) : c;
        it->width = (uint16_t)(it->joined ? 0 : width_of(c, face));
        it->bytes = (uint16_t)put_character(title->text + held, c);
        held += it->bytes;
        before = c;
    }
    while (title->n > 0 && title->character[title->n - 1].space)
        title->n--;
}

static int width_between(const struct poster_title *title, size_t first, size_t end)
{
    int width = 0;
    while (first < end)
        width += title->character[first++].width;
    return width;
}

static size_t word_end(const struct poster_title *title, size_t at, size_t end)
{
    while (at < end && !title->character[at].space && !title->character[at].may_break)
        at++;
    return at;
}

/*
 * Lines of at most `limit` hundredths of the size, into block->line; how many there would be, also beyond what has
 * room. *torn: a word had to be broken.
 */
static size_t wrap(struct poster_block *block, const struct poster_title *title, size_t first, size_t end, int limit,
                   bool *torn)
{
    const struct poster_character *c = title->character;
    size_t lines = 0;
    *torn = false;
    while (first < end) {
        size_t at = first, next = 0;
        int width = 0;
        while (at < end && (c[at].space || c[at].joined || at == first || width + c[at].width <= limit)) {
            if (at > first && c[at].may_break)
                next = at;
            width += c[at++].width;
        }
        if (at == end || (at > first && c[at].may_break)) {
            next = at;
        } else if (!next) {
            next = word_end(title, at, end);
            if (width_between(title, first, next) * 100 > limit * SQUEEZE) {
                next = at;
                *torn = true;
            }
        }
        size_t last = next;
        while (last > first && c[last - 1].space)
            last--;
        if (lines < POSTER_LINES) {
            block->line[lines] =
                (struct poster_line){.first = first, .n = last - first, .width = width_between(title, first, last)};
        }
        lines++;
        first = next;
    }
    return lines;
}

/* The narrowest limit that needs no more lines makes them of one length. */
static void balance(struct poster_block *block, const struct poster_title *title, size_t first, size_t end, int limit)
{
    int low = limit / 3;
    bool torn;
    while (limit - low > 12) {
        int middle = (low + limit) / 2;
        if (wrap(block, title, first, end, middle, &torn) <= block->n && !torn)
            limit = middle;
        else
            low = middle;
    }
    wrap(block, title, first, end, limit, &torn);
}

static int block_height(const struct poster_face *face, size_t lines, int size)
{
    return size * (face->ascent + face->leading * ((int)lines - 1)) / 100;
}

static int at_most(int n, int most)
{
    return n < most ? n : most;
}

void poster_block_fit(struct poster_block *block, const struct poster_title *title, size_t first, size_t end,
                      const struct poster_face *face, int width, int height, int smallest, int largest)
{
    bool torn, fits;
    size_t lines;
    block->size = largest;
    for (;;) {
        lines = wrap(block, title, first, end, width * 100 / block->size, &torn);
        fits = lines <= POSTER_LINES && block_height(face, lines, block->size) <= height;
        if ((fits && !torn) || block->size == smallest)
            break;
        block->size = block->size * 95 / 100 > smallest ? block->size * 95 / 100 : smallest;
    }
    block->n = lines;
    if (fits && !torn) {
        balance(block, title, first, end, width * 100 / block->size);
    } else if (!fits) {
        while (block->n > 1 && (block->n > POSTER_LINES || block_height(face, block->n, block->size) > height))
            block->n--;
        struct poster_line *last = &block->line[block->n - 1];
        const struct poster_character *c = title->character;
        while (last->n > 1 && (last->width > width * 100 / block->size - 100 || c[last->first + last->n - 1].space ||
                               c[last->first + last->n].joined))
            last->width -= c[last->first + --last->n].width;
        last->width += 100;
        last->cut = true;
    }
    for (size_t i = 0; i < block->n; i++)
        block->line[i].width = at_most(block->line[i].width * block->size / 100, width);
}

void poster_title_write(struct buffer *out, const struct poster_title *title, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        const struct poster_character *c = &title->character[i];
        const char *p = title->text + c->start;
        if (*p == '<')
            buffer_append_str(out, STR("&lt;"));
        else if (*p == '>')
            buffer_append_str(out, STR("&gt;"));
        else if (*p == '&')
            buffer_append_str(out, STR("&amp;"));
        else
            buffer_append(out, p, c->bytes);
    }
}

size_t poster_title_split(const struct poster_title *title, size_t *end)
{
    for (size_t i = 3; i + 4 < title->n && title->n > 13; i++) {
        const struct poster_character *c = &title->character[i];
        char here = title->text[c->start];
        bool colon = here == ':' && c[1].space;
        bool dash = here == '-' && c[-1].space && c[1].space;
        if (colon || dash) {
            *end = dash ? i - 1 : i;
            return i + 2;
        }
    }
    return 0;
}
