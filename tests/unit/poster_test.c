/* Posters: whatever a title holds, a poster is well-formed XML, small, the same each time, and can be read. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "poster.h"
#include "poster_palette.h"
#include "utf8.h"

static const char *const categories[] = {
    "drama",        "comedy",          "action",     "adventure",       "horror",      "thriller",
    "musical",      "romantic-comedy", "western",    "concert",         "documentary", "fantasy",
    "black-comedy", "crime",           "historical", "science-fiction", "no-such-one", NULL};
#define N_CATEGORIES (sizeof categories / sizeof *categories)

static struct buffer out;

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    return 0;
}

static struct str draw(struct str title, int year, const char *category)
{
    out.limit = 1 << 20;
    buffer_reset(&out);
    poster_write(&out, title, year, str_of(category));
    assert_false(out.failed);
    return buffer_str(&out);
}

/* Reads a name; at *at stands its first byte. */
static struct str read_name(struct str xml, uint32_t *at)
{
    uint32_t start = *at;
    while (*at < xml.n && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", xml.p[*at]))
        ++*at;
    return (struct str){xml.p + start, *at - start};
}

static bool is_entity(struct str xml, uint32_t at)
{
    struct str rest = {xml.p + at, xml.n - at};
    return str_starts(rest, STR("&lt;")) || str_starts(rest, STR("&gt;")) || str_starts(rest, STR("&amp;"));
}

/* What XML 1.0 asks of a document as simple as ours: characters, references, quoted attributes that differ, and
 * elements that close in order. A sentence, or NULL. */
static const char *fault_of(struct str xml)
{
    struct str open[16];
    size_t depth = 0, elements = 0;
    for (uint32_t at = 0; at < xml.n;) {
        unsigned char c = (unsigned char)xml.p[at];
        if (c >= 0x80) {
            unsigned length = utf8_length((const unsigned char *)xml.p + at, xml.n - at);
            if (!length ||
                (length == 3 && memcmp(xml.p + at, "\xef\xbf\xbe", 2) == 0 && (unsigned char)xml.p[at + 2] >= 0xbe))
                return "a character that XML has not";
            at += length;
        } else if (c != '<') {
            if ((c < 0x20 && c != '\n') || c == 0x7f || (c == '&' && !is_entity(xml, at)))
                return "a control character, or an & that begins no entity";
            if (depth == 0 && c != '\n')
                return "text outside of the root";
            at++;
        } else if (xml.p[at + 1] == '/') {
            at += 2;
            struct str name = read_name(xml, &at);
            if (depth == 0 || !str_eq(open[--depth], name) || xml.p[at++] != '>')
                return "an element that closes another";
        } else {
            struct str attribute[16];
            size_t n = 0;
            at++;
            if (depth == 16 || (depth == 0 && elements++ > 0))
                return "a second root, or too deep";
            open[depth++] = read_name(xml, &at);
            while (at < xml.n && xml.p[at] == ' ') {
                at++;
                attribute[n] = read_name(xml, &at);
                for (size_t i = 0; i < n; i++)
                    if (str_eq(attribute[i], attribute[n]))
                        return "an attribute twice";
                if (attribute[n++].n == 0 || n == 16 || memcmp(xml.p + at, "=\"", 2) != 0)
                    return "an attribute without a name or a value";
                for (at += 2; at < xml.n && xml.p[at] != '"'; at++)
                    if (xml.p[at] == '<' || xml.p[at] == '&')
                        return "< or & in an attribute";
                at++;
            }
            if (xml.p[at] == '/') {
                at++;
                depth--;
            }
            if (xml.p[at++] != '>')
                return "a tag without an end";
        }
    }
    return depth ? "an element without an end" : NULL;
}

static void assert_good(struct str title, int year, const char *category)
{
    struct str svg = draw(title, year, category);
    const char *fault = fault_of(svg);
    if (fault)
        fail_msg("%s in the poster of \"" STR_FMT "\":\n" STR_FMT, fault, STR_ARG(title), STR_ARG(svg));
    if (svg.n > POSTER_MAX)
        fail_msg("the poster of \"" STR_FMT "\" has %u bytes", STR_ARG(title), svg.n);
}

static bool contains(struct str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void a_poster_names_its_movie(void **state)
{
    (void)state;
    struct str svg = draw(STR("Up & <Away>"), 2009, "drama");
    assert_true(contains(svg, "role=\"img\"><title>Up &amp; &lt;Away&gt;</title>"));
    assert_true(contains(svg, ">2009</text>"));
    assert_false(contains(draw(STR("Up"), 0, "drama"), ">0</text>"));
}

static void the_same_movie_has_the_same_poster(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CATEGORIES; i++) {
        struct str first = draw(STR("Rear Window"), 1954, categories[i]);
        char *kept = strndup(first.p, first.n);
        struct str again = draw(STR("Rear Window"), 1954, categories[i]);
        assert_true(str_eq(again, str_of(kept)));
        assert_false(str_eq(draw(STR("Rear Windows"), 1954, categories[i]), str_of(kept)));
        free(kept);
    }
}

static void no_title_breaks_a_poster(void **state)
{
    (void)state;
    static const char *const titles[] = {
        "",
        " ",
        "\t\n\r\v",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "]]>",
        "<!--",
        "&amp;lt;&#0;&nope;",
        "' OR 1=1 --",
        "\x01\x02\x1b[31m\x7f",
        "\xc2\x80\xc2\x9f",
        "\xef\xbf\xbe\xef\xbf\xbf",
        "\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbf",
        "\xff\xfe\xc3(\xa0\xe2\x28\xa1\xf8\x88\x80\x80\x80",
        "\xc0\xaf\xe0\x80\xaf\xed\xa0\x80",
        "cut \xe2\x82",
        "\xf0\x9f\x98\x80\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd7\xa2\xd7\x95\xd7\x9c\xd7\x9d",
        "\xd8\xa7\xd9\x84\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xd8\xb9\xd9\x84\xd9\x8a\xd9\x83\xd9\x85",
        ("\xe2\x80\xae"
         "desrever\xe2\x81\xa6"),
        "\xe4\xb8\x83\xe4\xba\xba\xe3\x81\xae\xe4\xbe\x8d",
        "a\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
        "\xcc\x81\xcc\x81",
        "\xe2\x80\x8d",
        ": : :",
        "Alien: ",
        "Mission: Impossible - Dead Reckoning",
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        for (size_t c = 0; c < N_CATEGORIES; c++)
            assert_good(str_of(titles[i]), 2001, categories[c]);
    assert_good((struct str){"a\0b", 3}, 2001, "drama");
    assert_good(STR_NONE, 2001, "drama");
    for (int year = -10000; year <= 100000; year += 5000)
        assert_good(STR("Year"), year, "drama");
    assert_false(contains(draw(str_of("\xe2\x80\xae"
                                      "desrever"),
                               1, "drama"),
                          "\xe2\x80\xae"));
}

static void long_titles_are_cut(void **state)
{
    (void)state;
    static const char *const parts[] = {"a",   "word ", "\xe4\xb8\x83",      "\xf0\x9f\x98\x80",
                                        "<",   "&",     "A\xcc\x81\xcc\x82", "\xd7\xa9",
                                        "W: ", "- ",    "\xff\xfe",          "long - "};
    static char text[10001];
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        for (size_t length = 1; length < sizeof text; length = length * 3 / 2 + 1) {
            size_t n = 0;
            while (n + strlen(parts[p]) <= length) {
                memcpy(text + n, parts[p], strlen(parts[p]));
                n += strlen(parts[p]);
            }
            for (size_t c = 0; c < N_CATEGORIES; c++)
                assert_good((struct str){text, (uint32_t)n}, 1999, categories[c]);
        }
    }
    memset(text, 'x', 300);
    assert_true(contains(draw((struct str){text, 300}, 1999, NULL), "\xe2\x80\xa6</text>"));
}

/* No line is wider than the poster, by the table and by textLength. */
static void titles_stay_inside(void **state)
{
    (void)state;
    static const char *const titles[] = {"Up", "Supercalifragilisticexpialidocious", "The Lord of the Rings",
                                         "\xe4\xb8\x83\xe4\xba\xba\xe3\x81\xae\xe4\xbe\x8d", "M"};
    for (size_t c = 0; c < N_CATEGORIES; c++) {
        for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
            const struct poster_mood *mood = poster_mood_of(str_of(categories[c]));
            for (size_t f = 0; f < mood->n_faces; f++) {
                static struct poster_title title;
                struct poster_block block;
                poster_title_read(&title, str_of(titles[i]), mood->faces[f]);
                poster_block_fit(&block, &title, 0, title.n, mood->faces[f], 336, 118, 25, mood->faces[f]->largest);
                assert_true(block.n > 0 && block.size >= 25);
                for (size_t l = 0; l < block.n; l++)
                    assert_in_range(block.line[l].width, 1, 336);
            }
        }
    }
}

static void thousands_of_random_titles(void **state)
{
    (void)state;
    uint32_t seed = 1;
    uint64_t bytes = 0;
    for (int i = 0; i < 5000; i++) {
        char text[200];
        uint32_t n = 0, length = (seed >> 16) % 60;
        for (; n < length; n++) {
            seed = seed * 1103515245 + 12345;
            text[n] = i % 2 ? (char)(seed >> 16) : "abcdefgh ijkl mnop :-&<"[(seed >> 16) % 23];
        }
        seed = seed * 1103515245 + 12345;
        assert_good((struct str){text, n}, 1900 + i % 120, categories[(size_t)i % N_CATEGORIES]);
        bytes += out.n;
    }
    assert_true(bytes / 5000 < 3000);
}

/* Relative luminance (WCAG 2.2). */
static double luminance(uint32_t colour)
{
    static const double weight[] = {0.0722, 0.7152, 0.2126};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double c = (colour >> 8 * i & 255) / 255.0;
        sum += weight[i] * (c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void titles_can_be_read_on_their_paper(void **state)
{
    (void)state;
    for (size_t c = 0; c < N_CATEGORIES; c++) {
        const struct poster_mood *mood = poster_mood_of(str_of(categories[c]));
        for (size_t i = 0; i < mood->n_palettes; i++) {
            double ink = luminance(mood->palettes[i].ink) + 0.05, paper = luminance(mood->palettes[i].paper) + 0.05;
            double contrast = ink > paper ? ink / paper : paper / ink;
            if (contrast < 4.5)
                fail_msg("palette %zu of %s has a contrast of %.2f", i, categories[c], contrast);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poster_names_its_movie),
        cmocka_unit_test(the_same_movie_has_the_same_poster),
        cmocka_unit_test(no_title_breaks_a_poster),
        cmocka_unit_test(long_titles_are_cut),
        cmocka_unit_test(titles_stay_inside),
        cmocka_unit_test(thousands_of_random_titles),
        cmocka_unit_test(titles_can_be_read_on_their_paper),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
