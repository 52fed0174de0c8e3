/*
 * A title made ready for a poster: cleaned, measured with a table of usual widths (the visitor's fonts are not known
 * here), and broken into lines that fill a box as large as they can.
 */
#ifndef FILMYFLY_POSTER_TEXT_H
#define FILMYFLY_POSTER_TEXT_H

#include <stddef.h>

#include "buffer.h"

#define POSTER_CHARACTERS 300 /* code points of a title that are looked at */
#define POSTER_LINES      7

enum poster_widths { WIDTHS_SERIF, WIDTHS_SANS };

/* A way to set type. */
struct poster_face {
    const char *family; /* names of fonts that systems bring along, and a generic one last */
    const char *weight; /* as the attribute font-weight has it */
    bool italic, capitals;
    enum poster_widths widths;
    int percent; /* of the table's widths */
    int leading; /* from one line to the next, in percent of the size */
    int ascent;  /* height of a capital, in percent of the size */
    int largest; /* size of the shortest title */
    int spacing; /* between letters, in thousandths of the size */
};

struct poster_character {
    uint16_t start, bytes; /* in the text */
    uint16_t width;        /* in hundredths of the font's size */
    bool space;            /* never first or last in a line */
    bool may_break;        /* a line may begin here */
    bool joined;           /* belongs to the one before: a mark, or a part of an emoji */
};

/* A cleaned title: no controls, white space folded, valid UTF-8. */
struct poster_title {
    char text[POSTER_CHARACTERS * 4 + 8];
    struct poster_character character[POSTER_CHARACTERS + 1];
    size_t n;
    bool right_to_left;
};

struct poster_line {
    size_t first, n; /* characters */
    int width;       /* in units of the poster, at the block's size */
    bool cut;        /* an ellipsis follows */
};

/* Lines of one size. */
struct poster_block {
    struct poster_line line[POSTER_LINES];
    size_t n;
    int size;
};

void poster_title_read(struct poster_title *title, struct str text, const struct poster_face *face);

/*
 * Breaks the characters [first, end) into lines for a box of width × height units, as large as fits between `smallest`
 * and `largest`. What does not fit at the smallest size is cut.
 */
void poster_block_fit(struct poster_block *block, const struct poster_title *title, size_t first, size_t end,
                      const struct poster_face *face, int width, int height, int smallest, int largest);

/* Characters [first, first + n) as text of XML. */
void poster_title_write(struct buffer *out, const struct poster_title *title, size_t first, size_t n);

/* Where a title's second part begins ("Alien: Covenant" → the C), and in *end where its first ends; 0 when it has
 * none. */
size_t poster_title_split(const struct poster_title *title, size_t *end);

#endif
