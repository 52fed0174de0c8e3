/*
 * A poster for a movie that has no picture: an SVG drawn from its title, year and category, always the same for the
 * same three. A palette and a face follow from the category; a picture, its variation and the layout from a hash of the
 * title. Files: poster.c (layout), poster_palette.c (colours, faces and pictures of each category), poster_text.c
 * (a title into lines), poster_scenes.c and poster_shapes.c (the pictures).
 */
#ifndef FILMYFLY_POSTER_H
#define FILMYFLY_POSTER_H

#include "buffer.h"

#define POSTER_MAX 6144 /* bytes that a poster never exceeds, whatever its title; about 2,500 is usual */

/*
 * Appends the whole SVG document, 400 × 600 units, to `out`. title: UTF-8 of any kind; what is no character or controls
 * the text is dropped, what is too long is cut with an ellipsis. year: 0 means unknown. category: the slug of one, or
 * STR_NONE. Takes no memory beside the buffer's, uses neither fonts, scripts, styles nor addresses outside the
 * document, and is well-formed XML 1.0 for every input.
 */
void poster_write(struct buffer *out, struct str title, int year, struct str category);

#endif
