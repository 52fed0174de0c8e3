#include "poster_palette.h"

/* clang-format off */
#define SANS      "'Avenir Next','Segoe UI',Roboto,Arial,sans-serif"
#define SERIF     "'Iowan Old Style','Palatino Linotype','Noto Serif',serif"
#define CONDENSED "'Avenir Next Condensed','Roboto Condensed',sans-serif-condensed,'Arial Narrow',Arial,sans-serif"

/* family, weight, italic, capitals, widths, percent of them, leading, ascent, largest, spacing */
static const struct poster_face book       = {SERIF,     "600", false, false, WIDTHS_SERIF, 106, 104, 72,  84,   -8};
static const struct poster_face italic     = {SERIF,     "600", true,  false, WIDTHS_SERIF, 100, 104, 72,  84,   -4};
static const struct poster_face inscribed  = {SERIF,     "600", false, true,  WIDTHS_SERIF, 106, 112, 70,  72,   40};
static const struct poster_face grotesque  = {SANS,      "700", false, false, WIDTHS_SANS,  103,  98, 74,  84,  -22};
static const struct poster_face spaced     = {SANS,      "600", false, true,  WIDTHS_SANS,  100, 122, 73,  56,  110};
static const struct poster_face block      = {SANS,      "700", false, true,  WIDTHS_SANS,  103,  92, 74,  92,  -12};
static const struct poster_face narrow     = {CONDENSED, "700", false, true,  WIDTHS_SANS,   83,  94, 74, 116,    0};

static const struct poster_palette general[] = {
    {0xf3ead7, 0x1f2a38, 0xe3b65b, 0xd1495b, 0x2e7f86, 0x1f2a38},
    {0x1c2b3a, 0xf5ead0, 0x2f5068, 0xf2a541, 0xc8553d, 0x0d161f},
    {0xf2c14e, 0x2a1f2d, 0xf7ecd0, 0xd8432e, 0x4d7c74, 0x2a1f2d},
    {0xd9e4dd, 0x1d3a3a, 0xa7c7b7, 0xe4633c, 0x4f8a83, 0x17393d},
    {0x3a2a4d, 0xfbe8cf, 0x6a4a78, 0xf4a259, 0xbc4b66, 0x1c1429},
};
static const struct poster_palette drama[] = {
    {0x16212e, 0xf2e6cf, 0x24405a, 0xe9a23b, 0xb0563a, 0x0b1119},
    {0xefe6d5, 0x2a2420, 0xd9b88f, 0xb23a2e, 0x7c8c7a, 0x2f3b3f},
    {0x5b1f2b, 0xf6e3ce, 0x8c3140, 0xf0b46b, 0xc4574b, 0x2a0e16},
    {0xdce3e1, 0x1e2f3a, 0xa9c1c4, 0xd9653b, 0x5f8a93, 0x1f3b4a},
    {0x23342f, 0xf0e9d2, 0x3f5d52, 0xe4b84c, 0x8a9a6b, 0x111c19},
    {0xe8d3b9, 0x3b2430, 0xcf9f83, 0xa63a3a, 0x8d6a72, 0x3b2430},
    {0xd9a441, 0x231a14, 0xefd9a3, 0x9b2d1f, 0x6a7358, 0x231a14},
    {0x37445c, 0xf3e9dc, 0x566782, 0xe8836b, 0x9aa0b4, 0x1a2130},
    {0xb9c4b0, 0x22301f, 0xdfe0cc, 0xc2502e, 0x6f8468, 0x22301f},
    {0xf1d5c4, 0x3d2645, 0xd8a7a0, 0xa23b5a, 0x7a6a8f, 0x3d2645},
};
static const struct poster_palette comedy[] = {
    {0xffd23f, 0x27213c, 0xf9f0dc, 0xee4266, 0x2fa39a, 0x27213c},
    {0xf7efe0, 0x2b2b44, 0xffb8a0, 0xf25c3d, 0x2a9d8f, 0x2b2b44},
    {0x3fb5ac, 0x0f2427, 0xf9e7b8, 0xff6b4a, 0xf4b942, 0x17474c},
    {0xf4775a, 0x2a1423, 0xffd9a0, 0xffe27a, 0x8a3355, 0x3a1730},
    {0x3d2c6b, 0xffe9c9, 0x5b44a0, 0xffb52e, 0xf0607a, 0x1f1540},
    {0xbfe0e8, 0x1d3557, 0xfdf0d5, 0xe63946, 0xf4a23a, 0x1d3557},
};
static const struct poster_palette action[] = {
    {0x12151c, 0xf5efe3, 0x2a303c, 0xff4b2b, 0xb8431f, 0x05070a},
    {0xe8452f, 0x140b0b, 0xf7c948, 0xfff1d6, 0x8a1c1c, 0x1c0d0d},
    {0xf2b705, 0x1a1a1a, 0xe4572e, 0xd7263d, 0x9a5a00, 0x1b1b1e},
    {0x0e2a3b, 0xeaf4f4, 0x14506b, 0xff7f11, 0x2e8ab8, 0x061520},
    {0xe9e4da, 0x17181a, 0xb9b4a6, 0xd62828, 0x5c6470, 0x17181a},
};
static const struct poster_palette adventure[] = {
    {0xf6d8a8, 0x3a2317, 0xf0a868, 0xe4572e, 0xc97b4a, 0x4a2c2a},
    {0x1f4e5f, 0xfbebd0, 0x79a8a9, 0xf4b860, 0x4a8c8c, 0x0e2730},
    {0xf9e4c8, 0x1f3b4d, 0x8cc7c3, 0xf26b38, 0x4c9a93, 0x1c4b5a},
    {0x2f2a4a, 0xfce6c9, 0xe07a5f, 0xf2cc8f, 0xa8556b, 0x191630},
    {0x2d4a35, 0xf5eacb, 0x6f8f5f, 0xf0a830, 0x88a063, 0x14261b},
};
static const struct poster_palette horror[] = {
    {0x0d0b0e, 0xf1e4d8, 0x3a0d12, 0xc1121f, 0x6a0f16, 0x050406},
    {0xb3121d, 0xfbeadb, 0x5e0710, 0xf4e3c8, 0x7a0a14, 0x140305},
    {0x10201c, 0xddebd0, 0x1e3b31, 0xa8d046, 0x4c7a52, 0x060e0c},
    {0xe9e2d0, 0x1a1416, 0xb7a98f, 0x9e1b1b, 0x6b5b53, 0x1a1416},
    {0x1b1530, 0xe8dff5, 0x33245c, 0xe85d75, 0x5f4391, 0x0b0717},
};
static const struct poster_palette thriller[] = {
    {0x0f1a24, 0xe8eef0, 0x1e3a4c, 0xf2c14e, 0x3d7c98, 0x060b10},
    {0xf0a202, 0x171411, 0xd95d39, 0xf9f0dc, 0xb3471f, 0x201a15},
    {0xd8d4c8, 0x151a1e, 0x8fa3a8, 0xc8102e, 0x4f6d7a, 0x151a1e},
    {0x14281d, 0xede7d3, 0x2f4b39, 0xd8572a, 0x6c8a5c, 0x08120c},
    {0xe05a33, 0x160c08, 0xf3d9b1, 0xf6e7cb, 0x7d2815, 0x1c100c},
};
static const struct poster_palette romance[] = {
    {0xfbe3dd, 0x5a1a3a, 0xf6b8b0, 0xe4456a, 0xf29e7a, 0x7a2548},
    {0xfff1df, 0x3a2a4d, 0xffc9a9, 0xf0566b, 0x7fb6a8, 0x3f3360},
    {0xc12f50, 0xfff3e3, 0xf7a6a6, 0xffd166, 0x8e1f42, 0x5a1030},
    {0xcde6df, 0x25404a, 0xf7cdbe, 0xf2667a, 0x6fb1a5, 0x2c5560},
    {0x402a56, 0xfde7dc, 0x7a4a86, 0xff8fa3, 0xc75c8a, 0x221433},
};
static const struct poster_palette musical[] = {
    {0x1d1a4b, 0xffe8b8, 0x40308a, 0xffc53a, 0xf0467a, 0x0e0b2b},
    {0xffc94a, 0x38123f, 0xf7f0dc, 0xe6375a, 0x7a2e8e, 0x38123f},
    {0xf4ebdd, 0x1f2a5a, 0x9ad1d4, 0xf2545b, 0xf3b13b, 0x1f2a5a},
    {0x8c1c4a, 0xffe9cf, 0xd94f70, 0xffc145, 0xf2787a, 0x3f0a26},
};
static const struct poster_palette documentary[] = {
    {0xf4f1e8, 0x1c2226, 0xcfd8d2, 0xe2542b, 0x6e8b8a, 0x27383d},
    {0x20362f, 0xf1eedd, 0x4e7160, 0xf2b134, 0x8fb39a, 0x0f1f1a},
    {0xdde5ea, 0x16273a, 0x9db8c9, 0xf0803c, 0x4a7da0, 0x173854},
    {0x22262b, 0xf4f1ea, 0x3c444d, 0x4fb0c6, 0xe9c46a, 0x101316},
};
static const struct poster_palette western[] = {
    {0xf3c98b, 0x4a1e12, 0xe8945a, 0xc8401f, 0xb5603a, 0x4a1e12},
    {0x9e2f1b, 0xfce6c2, 0xe07b39, 0xfbd087, 0xc44f27, 0x3b0f0a},
    {0xebdcc0, 0x33261c, 0xd6a45f, 0xb5382a, 0x8c7a5b, 0x3a2c22},
    {0x23404a, 0xf8e3be, 0xe39b5b, 0xf4c26b, 0xa8583a, 0x14252b},
};
static const struct poster_palette black_comedy[] = {
    {0x141414, 0xf6f1e4, 0x3b3b3b, 0xff5d73, 0x8c8c8c, 0x000000},
    {0xf2efe6, 0x151515, 0xc9c4b5, 0xe4002b, 0x7a7a72, 0x151515},
    {0xd7e04a, 0x17180f, 0xf4f1dc, 0xff5a5f, 0x7e8a1e, 0x1f2212},
    {0xf2a7b5, 0x1e1216, 0xf7dcd8, 0xd7263d, 0x8f4a5c, 0x1e1216},
};
static const struct poster_palette concert[] = {
    {0x120b24, 0xf8e9ff, 0x3b1466, 0xff3cac, 0x7b2ff7, 0x060311},
    {0x0b0f14, 0xf5f5eb, 0x12343b, 0x2de1c2, 0xf2b134, 0x04070a},
    {0xf4612e, 0x1a0a05, 0xffc53a, 0xfff0c9, 0xa32a0a, 0x1e0a06},
};
static const struct poster_palette fantastic[] = {
    {0x0b1530, 0xe6f0ff, 0x1e3a70, 0xff8c5a, 0x4f7bc8, 0x050a1a},
    {0xe8e6df, 0x1b2440, 0xa8b6d0, 0xf2603c, 0x5b73a8, 0x1b2440},
    {0x2b1245, 0xf7e6ff, 0x5a2a82, 0xffb454, 0xb4519c, 0x140722},
    {0x0f3d3e, 0xe9f5db, 0x1f6f6b, 0xf7c548, 0x57b894, 0x061f20},
};
static const struct poster_palette noir[] = {
    {0x17181c, 0xedeae0, 0x33353b, 0xe8e2d0, 0x7b7d83, 0x0a0a0c},
    {0xe7e2d6, 0x1b1b1b, 0xb5afa2, 0x8e2b21, 0x77736b, 0x1b1b1b},
    {0xd9c6a5, 0x2e2114, 0xb08e62, 0xf4e7cc, 0x7d5f3e, 0x2e2114},
    {0x1d2733, 0xe9e6da, 0x3a4b5c, 0xd9b45b, 0x6f8291, 0x0c1218},
};

#define LIST(type, name, ...) static type *const name[] = {__VA_ARGS__}
#define FACES(name, ...)      LIST(const struct poster_face, name, __VA_ARGS__)
#define PICTURES(name, ...)   LIST(poster_picture, name, __VA_ARGS__)

FACES(general_faces, &book, &grotesque, &inscribed, &narrow);
FACES(drama_faces, &book, &inscribed, &italic, &spaced);
FACES(comedy_faces, &grotesque, &book, &block);
FACES(action_faces, &narrow, &block);
FACES(adventure_faces, &inscribed, &narrow, &book);
FACES(horror_faces, &narrow, &book, &spaced);
FACES(thriller_faces, &narrow, &grotesque, &spaced);
FACES(romance_faces, &italic, &book);
FACES(musical_faces, &italic, &block, &grotesque);
FACES(documentary_faces, &grotesque, &spaced);
FACES(western_faces, &narrow, &inscribed);
FACES(fantastic_faces, &grotesque, &spaced, &inscribed);

PICTURES(general_pictures, picture_hills, picture_circles, picture_rings, picture_rays, picture_slabs, picture_tiles,
         picture_waves, picture_arches, picture_stairs, picture_sprig, picture_peaks,
         picture_dots, picture_bands, picture_birds, picture_flower);
PICTURES(drama_pictures, picture_hills, picture_door, picture_circles, picture_sprig, picture_waves, picture_city,
         picture_stairs, picture_peaks, picture_rings, picture_road, picture_pines, picture_slabs,
         picture_house, picture_umbrella, picture_birds, picture_face, picture_bands,
         picture_flower, picture_rays, picture_whirl, picture_keyhole, picture_tiles, picture_dots);
PICTURES(comedy_pictures, picture_tiles, picture_balloons, picture_arches, picture_circles, picture_rays,
         picture_stairs, picture_sprig, picture_rings, picture_hills,
         picture_glass, picture_face, picture_flower, picture_dots, picture_bands);
PICTURES(action_pictures, picture_rays, picture_city, picture_slabs, picture_road, picture_rings, picture_peaks,
         picture_desert, picture_circles,
         picture_bands, picture_birds);
PICTURES(adventure_pictures, picture_peaks, picture_waves, picture_hills, picture_rays, picture_pines, picture_desert,
         picture_planet,
         picture_birds, picture_bands, picture_house);
PICTURES(horror_pictures, picture_pines, picture_eye, picture_door, picture_whirl, picture_slabs, picture_city,
         picture_rings, picture_hills,
         picture_house, picture_keyhole, picture_birds);
PICTURES(thriller_pictures, picture_whirl, picture_slabs, picture_eye, picture_door, picture_city, picture_rings,
         picture_stairs, picture_road,
         picture_keyhole, picture_birds);
PICTURES(romance_pictures, picture_sprig, picture_balloons, picture_arches, picture_circles, picture_hills,
         picture_waves, picture_city,
         picture_glass, picture_flower, picture_umbrella, picture_bands);
PICTURES(musical_pictures, picture_bars, picture_rays, picture_tiles, picture_arches, picture_circles, picture_rings,
         picture_whirl,
         picture_spotlight, picture_bands, picture_flower);
PICTURES(documentary_pictures, picture_hills, picture_peaks, picture_circles, picture_rings, picture_waves,
         picture_bars, picture_tiles, picture_sprig, picture_planet,
         picture_dots, picture_bands, picture_birds, picture_flower);
PICTURES(western_pictures, picture_desert, picture_road, picture_hills, picture_rays, picture_peaks,
         picture_birds, picture_house);
PICTURES(black_pictures, picture_slabs, picture_stairs, picture_eye, picture_circles, picture_tiles, picture_door,
         picture_balloons,
         picture_keyhole, picture_face, picture_glass, picture_dots);
PICTURES(concert_pictures, picture_bars, picture_rays, picture_rings, picture_whirl,
         picture_spotlight, picture_bands);
PICTURES(fantastic_pictures, picture_planet, picture_rings, picture_peaks, picture_whirl, picture_pines, picture_rays,
         picture_eye, picture_city, picture_circles,
         picture_house, picture_dots, picture_bands);
PICTURES(noir_pictures, picture_city, picture_door, picture_slabs, picture_stairs, picture_whirl, picture_rays,
         picture_rings, picture_road, picture_eye,
         picture_umbrella, picture_keyhole, picture_house, picture_spotlight, picture_face);

#define N(list)                         (sizeof(list) / sizeof *(list))
#define MOOD(palettes, faces, pictures) {palettes, N(palettes), faces, N(faces), pictures, N(pictures)}

enum {
    GENERAL, DRAMA, COMEDY, ACTION, ADVENTURE, HORROR, THRILLER, ROMANCE, MUSICAL, DOCUMENTARY, WESTERN, BLACK_COMEDY,
    CONCERT, FANTASTIC, NOIR, HISTORY,
};

static const struct poster_mood moods[] = {
    [GENERAL]      = MOOD(general, general_faces, general_pictures),
    [DRAMA]        = MOOD(drama, drama_faces, drama_pictures),
    [COMEDY]       = MOOD(comedy, comedy_faces, comedy_pictures),
    [ACTION]       = MOOD(action, action_faces, action_pictures),
    [ADVENTURE]    = MOOD(adventure, adventure_faces, adventure_pictures),
    [HORROR]       = MOOD(horror, horror_faces, horror_pictures),
    [THRILLER]     = MOOD(thriller, thriller_faces, thriller_pictures),
    [ROMANCE]      = MOOD(romance, romance_faces, romance_pictures),
    [MUSICAL]      = MOOD(musical, musical_faces, musical_pictures),
    [DOCUMENTARY]  = MOOD(documentary, documentary_faces, documentary_pictures),
    [WESTERN]      = MOOD(western, western_faces, western_pictures),
    [BLACK_COMEDY] = MOOD(black_comedy, thriller_faces, black_pictures),
    [CONCERT]      = MOOD(concert, musical_faces, concert_pictures),
    [FANTASTIC]    = MOOD(fantastic, fantastic_faces, fantastic_pictures),
    [NOIR]         = MOOD(noir, drama_faces, noir_pictures),
    [HISTORY]      = MOOD(drama, adventure_faces, adventure_pictures),
};

static const struct {
    struct str slug;
    int mood;
} categories[] = {
    {STR("drama"), DRAMA}, {STR("comedy"), COMEDY}, {STR("action"), ACTION}, {STR("adventure"), ADVENTURE},
    {STR("horror"), HORROR}, {STR("thriller"), THRILLER}, {STR("romantic-comedy"), ROMANCE},
    {STR("musical"), MUSICAL}, {STR("documentary"), DOCUMENTARY}, {STR("western"), WESTERN},
    {STR("black-comedy"), BLACK_COMEDY}, {STR("concert"), CONCERT}, {STR("fantasy"), FANTASTIC},
    {STR("science-fiction"), FANTASTIC}, {STR("superhero"), ACTION}, {STR("historical"), HISTORY},
    {STR("family"), COMEDY}, {STR("romance"), ROMANCE}, {STR("crime"), NOIR}, {STR("noir"), NOIR},
    {STR("mystery"), THRILLER}, {STR("silent"), NOIR}, {STR("war"), ACTION}, {STR("animated"), COMEDY},
    {STR("biography"), DRAMA}, {STR("sports"), ACTION}, {STR("slasher"), HORROR}, {STR("supernatural"), HORROR},
    {STR("spy"), THRILLER}, {STR("suspense"), THRILLER}, {STR("disaster"), ACTION}, {STR("martial-arts"), ACTION},
    {STR("teen"), COMEDY}, {STR("satire"), BLACK_COMEDY}, {STR("dance"), MUSICAL},
};
/* clang-format on */

const struct poster_mood *poster_mood_of(struct str category)
{
    for (size_t i = 0; i < N(categories); i++)
        if (str_eq(categories[i].slug, category))
            return &moods[categories[i].mood];
    return &moods[GENERAL];
}
