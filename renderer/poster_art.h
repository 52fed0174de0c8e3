/*
 * The pictures of posters, each a function that draws a square of 400 × 400 units in five colours and varies with the
 * numbers it draws. What reaches over the square is cut off, or runs on under the title; so only quiet things may.
 */
#ifndef FILMYFLY_POSTER_ART_H
#define FILMYFLY_POSTER_ART_H

#include <stddef.h>

#include "buffer.h"

/* Colours as 0xrrggbb. Ink on paper has a contrast of at least 4.5 (WCAG 2.2, 1.4.3). */
struct poster_palette {
    uint32_t paper, ink; /* the title's ground, and the title */
    uint32_t field;      /* the picture's ground where it is not the paper */
    uint32_t hot, warm;  /* what catches the eye, and its companion */
    uint32_t deep;       /* what is nearest to the eye: dark */
};

struct poster_art {
    struct buffer *out;
    uint64_t state; /* of the drawn numbers */
    struct poster_palette colour;
    uint32_t field; /* the ground this picture stands on: paper or field */
};

typedef void poster_picture(struct poster_art *art);

/* A number between the two, both included. */
int art_between(struct poster_art *art, int least, int most);

/* A colour between two: percent of the second. */
uint32_t art_mix(uint32_t a, uint32_t b, int percent);

/* The lightest colour at hand. */
uint32_t art_light(const struct poster_art *art);

/* The colour of something far (0) or near (100): from the field over warm to deep, as air makes it. */
uint32_t art_depth(const struct poster_art *art, int near);

void art_circle(struct poster_art *art, int x, int y, int r, uint32_t fill);
void art_rect(struct poster_art *art, int x, int y, int width, int height, uint32_t fill);

/* Opens a path; what follows is its data, and art_end_path closes it. */
void art_fill_path(struct poster_art *art, uint32_t fill);
void art_line_path(struct poster_art *art, uint32_t stroke, int width);
void art_end_path(struct poster_art *art);

#define art_say(art, ...) buffer_append_printf((art)->out, __VA_ARGS__)
#define ART_COLOUR        "#%06x"

/* Somebody in a long coat; x, y is where the feet are, 100 percent is 66 units high. */
void art_figure(struct poster_art *art, int x, int y, int percent, uint32_t colour);

/* Of things, poster_scenes.c. */
poster_picture picture_hills, picture_peaks, picture_city, picture_pines, picture_door, picture_stairs, picture_waves,
    picture_road, picture_desert, picture_planet, picture_eye, picture_sprig, picture_balloons;
/* Of one thing that stands for a story, poster_signs.c. */
poster_picture picture_dots, picture_bands, picture_birds, picture_spotlight, picture_keyhole, picture_face,
    picture_house, picture_glass, picture_umbrella, picture_flower;
/* Of shapes alone, poster_shapes.c. */
poster_picture picture_circles, picture_rings, picture_whirl, picture_rays, picture_slabs, picture_tiles, picture_bars,
    picture_arches;

#endif
