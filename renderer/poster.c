#include "poster.h"

#include <stdlib.h>

#include "poster_palette.h"

static const struct poster_face plain = {.percent = 100}; /* for a title that is only read */

#define MARGIN 32
#define WIDTH  (400 - 2 * MARGIN)
#define PAPER  (600 - 400 - MARGIN) /* height that the title may take beside a picture of 400 */

#define YEAR_HEIGHT 34 /* from the top of the year to the top of the title */
#define SHORT       4  /* characters of a title that may be half as large again */
#define LONG        24 /* characters of a title that is too long for widely spaced capitals */
#define SMALLEST    25 /* size of type that can be read on a card of 160 pixels */

/* FNV-1a; art_between mixes what near titles have in common. */
static uint64_t hash(struct str s)
{
    uint64_t h = 0xcbf29ce484222325;
    for (uint32_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3;
    return h;
}

static void write_lines(struct poster_art *art, const struct poster_title *title, const struct poster_block *block,
                        const struct poster_face *face, int top)
{
    /* Where a font wider than the table's could reach the edge, widths are given, and glyphs give way; in all lines, so
     * that they stay alike. */
    bool tight = false;
    int spacing = title->right_to_left ? 0 : block->size * face->spacing / 100;
    art_say(art, "<g font-size=\"%d\"", block->size);
    if (spacing)
        art_say(art, " letter-spacing=\"%s%d.%d\"", spacing < 0 ? "-" : "", abs(spacing) / 10, abs(spacing) % 10);
    art_say(art, ">");
    for (size_t i = 0; i < block->n; i++)
        tight = tight || block->line[i].width * 115 / 100 > WIDTH;
    for (size_t i = 0; i < block->n; i++) {
        const struct poster_line *line = &block->line[i];
        int y = top + block->size * (face->ascent + face->leading * (int)i) / 100;
        art_say(art, "<text x=\"%d\" y=\"%d\"", title->right_to_left ? 400 - MARGIN : MARGIN, y);
        if (tight)
            art_say(art, " textLength=\"%d\" lengthAdjust=\"spacingAndGlyphs\"", line->width);
        art_say(art, ">");
        poster_title_write(art->out, title, line->first, line->n);
        art_say(art, "%s</text>", line->cut ? "…" : "");
    }
    art_say(art, "</g>");
}

static int height_of(const struct poster_block *block, const struct poster_face *face)
{
    return block->n ? block->size * (face->ascent + face->leading * ((int)block->n - 1)) / 100 : 0;
}

/* A short bar and the year; the same on every poster. */
static void write_year(struct poster_art *art, int year, int top, bool right)
{
    art_rect(art, right ? 400 - MARGIN - 30 : MARGIN, top + 4, 30, 4, art->colour.hot);
    if (year > 0 && year < 10000)
        art_say(art, "<text x=\"%d\" y=\"%d\" font-size=\"19\" letter-spacing=\"3\">%d</text>",
                right ? 400 - MARGIN - 98 : MARGIN + 42, top + 13, year);
}

/* Year and title in a box of `height` from `top`, at its upper or lower end. */
static void write_words(struct poster_art *art, const struct poster_title *title, const struct poster_face *face,
                        int year, int top, int height, bool low)
{
    struct poster_block head = {0}, rest = {0};
    size_t end = title->n, second = poster_title_split(title, &end);
    int room = height - YEAR_HEIGHT, gap = 0;
    if (second) {
        poster_block_fit(&rest, title, second, title->n, face, WIDTH, room * 52 / 100, SMALLEST - 3, 30);
        gap = rest.size * 6 / 10;
        room -= height_of(&rest, face) + gap;
    }
    int largest = end > SHORT ? face->largest : face->largest * 3 / 2;
    poster_block_fit(&head, title, 0, end, face, WIDTH, room, SMALLEST, largest);
    int used = YEAR_HEIGHT + height_of(&head, face) + gap + height_of(&rest, face);
    int y = low ? top + height - used : top;
    art_say(art, "<g fill=\"" ART_COLOUR "\" font-family=\"%s\" font-weight=\"%s\">", art->colour.ink, face->family,
            face->weight);
    write_year(art, year, y, title->right_to_left);
    art_say(art, "<g%s%s>", face->italic ? " font-style=\"italic\"" : "",
            title->right_to_left ? " direction=\"rtl\"" : "");
    write_lines(art, title, &head, face, y + YEAR_HEIGHT);
    if (second)
        write_lines(art, title, &rest, face, y + YEAR_HEIGHT + height_of(&head, face) + gap);
    art_say(art, "</g></g>");
}

/* Whether a picture has edges of its own, and would not run out into the title's paper. */
static bool needs_ground(poster_picture *picture)
{
    return picture == picture_door || picture == picture_spotlight || picture == picture_tiles ||
           picture == picture_dots;
}

void poster_write(struct buffer *out, struct str text, int year, struct str category)
{
    const struct poster_mood *mood = poster_mood_of(category);
    struct poster_art art = {.out = out, .state = hash(text) + (uint64_t)year};
    art.colour = mood->palettes[art_between(&art, 0, (int)mood->n_palettes - 1)];
    const struct poster_face *face = mood->faces[art_between(&art, 0, (int)mood->n_faces - 1)];
    poster_picture *picture = mood->pictures[art_between(&art, 0, (int)mood->n_pictures - 1)];
    int layout = art_between(&art, 0, 9);
    bool framed = layout < 3, title_first = layout == 0 || layout > 4;
    if (title_first && needs_ground(picture))
        framed = true;
    art.field = framed || !title_first ? art.colour.field : art.colour.paper;

    struct poster_title title;
    poster_title_read(&title, text, &plain);
    art_say(&art, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 400 600\" role=\"img\"><title>");
    poster_title_write(out, &title, 0, title.n);
    if (title.n > LONG && face->spacing > 60)
        face = mood->faces[0];
    poster_title_read(&title, text, face);
    art_say(&art, "</title><path fill=\"" ART_COLOUR "\" d=\"M0 0h400v600H0z\"/>", art.colour.paper);
    int side = framed ? WIDTH : 400, x = framed ? MARGIN : 0;
    int y = title_first ? 600 - x - side : x;
    art_say(&art, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 400 400\"%s>", x, y, side, side,
            title_first && !framed ? " overflow=\"visible\"" : "");
    if (art.field != art.colour.paper)
        art_rect(&art, 0, 0, 400, 400, art.field);
    picture(&art);
    art_say(&art, "</svg>");
    int room = framed ? 600 - WIDTH - 3 * MARGIN + 8 : PAPER - 16;
    write_words(&art, &title, face, year, title_first ? MARGIN + 6 : 600 - MARGIN - room, room, !title_first);
    art_say(&art, "</svg>\n");
}
