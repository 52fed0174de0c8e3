/* What a poster of each category may look like: its palettes, its faces and its pictures. */
#ifndef FILMYFLY_POSTER_PALETTE_H
#define FILMYFLY_POSTER_PALETTE_H

#include "poster_art.h"
#include "poster_text.h"

/* Categories of one look. Each list ends at its count. */
struct poster_mood {
    const struct poster_palette *palettes;
    size_t n_palettes;
    const struct poster_face *const *faces;
    size_t n_faces;
    poster_picture *const *pictures;
    size_t n_pictures;
};

/* The mood of a category's slug; of an unknown one, or STR_NONE, the general mood. */
const struct poster_mood *poster_mood_of(struct str category);

#endif
