/* Pictures of one thing that stands for a story. */
#include <math.h>

#include "poster_art.h"

#define PI 3.14159265358979323846

/* A field of discs in which one is not like the others. */
void picture_dots(struct poster_art *art)
{
    int n = art_between(art, 4, 6), step = 400 / n, odd = art_between(art, 0, n * n - 1), grow = art_between(art, 0, 2);
    uint32_t colours[] = {art->colour.deep, art->colour.warm};
    for (int c = 0; c < 2; c++) {
        art_fill_path(art, colours[c]);
        for (int i = 0; i < n * n; i++) {
            int column = i % n, row = i / n, r = step * 40 / 100;
            if (grow)
                r = step * (14 + 30 * (grow == 1 ? row : column + row) / (grow == 1 ? n - 1 : 2 * n - 2)) / 100;
            if (i != odd && (row + column) % 2 == c)
                art_say(art, "M%d %da%d %d 0 0 1 %d 0a%d %d 0 0 1-%d 0z", column * step + step / 2 - r,
                        row * step + step / 2, r, r, 2 * r, r, r, 2 * r);
        }
        art_end_path(art);
    }
    art_circle(art, odd % n * step + step / 2, odd / n * step + step / 2, step * 42 / 100, art->colour.hot);
}

/* Stripes that come from the left, turn a corner, and leave. */
void picture_bands(struct poster_art *art)
{
    int n = art_between(art, 4, 5), wide = art_between(art, 22, 30), y = art_between(art, 110, 160),
        down = art_between(art, 0, 1) || art->field == art->colour.paper;
    int x = art_between(art, 130, 190), r = 40;
    uint32_t colours[] = {art->colour.deep, art->colour.warm, art_mix(art->colour.warm, art->colour.hot, 55),
                          art->colour.hot, art_mix(art->field, art->colour.hot, 40)};
    art_circle(art, down ? x + 150 : 70, down ? 70 : 330, art_between(art, 34, 52), art->colour.hot);
    for (int i = 0; i < n; i++) {
        art_say(art, "<path fill=\"none\" stroke=\"" ART_COLOUR "\" stroke-width=\"%d\" d=\"", colours[i], wide + 1);
        int inner = r + (n - 1 - i) * wide, line = y + i * wide;
        if (down)
            art_say(art, "M-4 %dH%da%d %d 0 0 1 %d %dV404", line, x, inner, inner, inner, inner);
        else
            art_say(art, "M-4 %dH%da%d %d 0 0 0 %d-%dV-4", 400 - line, x, inner, inner, inner, inner);
        art_end_path(art);
    }
}

/* A great sun and birds before it. */
void picture_birds(struct poster_art *art)
{
    int x = art_between(art, 150, 250), r = art_between(art, 110, 145), n = art_between(art, 4, 7);
    art_circle(art, x, 190, r, art->colour.hot);
    for (int i = 0; i < 3; i++)
        art_rect(art, 0, 300 + i * 34, 400, 102 - i * 34, art_depth(art, 40 + i * 30));
    art_fill_path(art, art->colour.deep);
    for (int i = 0; i < n; i++) {
        int size = art_between(art, 16, 40);
        art_say(art, "M%d %dq%d-%d %d 0q%d-%d %d-%dq-%d %d-%d %dq-%d-%d-%d-%dz", art_between(art, 50, 310),
                art_between(art, 70, 260), size * 6 / 10, size * 8 / 10, size, size / 2, size * 8 / 10, size, size / 6,
                size * 6 / 10, size / 10, size, size / 2 + size / 6, size / 2, size / 3, size, size / 2);
    }
    art_end_path(art);
}

/* Cones of light on a stage. */
void picture_spotlight(struct poster_art *art)
{
    int n = art_between(art, 1, 3), x = art_between(art, 130, 270);
    uint32_t floor = art_mix(art->field, art->colour.deep, 70);
    art_rect(art, 0, 0, 400, 400, art_mix(art->field, art->colour.deep, 35));
    art_rect(art, 0, 320, 400, 81, floor);
    art_say(art, "<g fill-opacity=\".5\">");
    for (int i = 0; i < n; i++) {
        int from = n == 1 ? 400 - x : 40 + 320 * i / (n - 1);
        art_fill_path(art, i % 2 ? art->colour.warm : art->colour.hot);
        art_say(art, "M%d-4h20L%d 352H%dz", from - 10, x + 88, x - 88);
        art_end_path(art);
    }
    art_say(art, "</g><ellipse cx=\"%d\" cy=\"352\" rx=\"88\" ry=\"18\" fill=\"" ART_COLOUR "\"/>", x,
            art_mix(art->colour.hot, 0xffffff, 35));
    art_figure(art, x, 354, art_between(art, 170, 210), art->colour.deep);
}

/* Somebody seen through a keyhole. */
void picture_keyhole(struct poster_art *art)
{
    int lean = art_between(art, -20, 20);
    uint32_t hole = art_between(art, 0, 1) ? art->colour.hot : art->colour.deep;
    uint32_t inside = hole == art->colour.hot ? art->colour.deep : art->colour.hot;
    art_fill_path(art, hole);
    art_say(art, "M200 24a96 96 0 0 1 44 181L286 384H114L156 205A96 96 0 0 1 200 24z");
    art_end_path(art);
    if (art_between(art, 0, 1)) {
        art_figure(art, 200 + lean, 384, art_between(art, 250, 330), inside);
    } else {
        art_fill_path(art, art_light(art));
        art_say(art, "M122 120Q200 52 278 120Q200 188 122 120z");
        art_end_path(art);
        art_circle(art, 200 + lean, 120, 32, art->colour.warm);
        art_circle(art, 200 + lean, 120, 16, art->colour.deep);
        art_circle(art, 208 + lean, 112, 5, 0xffffff);
    }
}

/* A face in two halves. */
void picture_face(struct poster_art *art)
{
    uint32_t left = art->colour.warm, right = art->colour.hot, dark = art->colour.deep;
    int smile = art_between(art, -26, 30), x = art_between(art, 190, 210), wide = art_between(art, 112, 134);
    art_fill_path(art, left);
    art_say(art, "M%d 40A%d 165 0 0 0 %d 370z", x, wide, x);
    art_end_path(art);
    art_fill_path(art, right);
    art_say(art, "M%d 40A%d 165 0 0 1 %d 370z", x, wide, x);
    art_end_path(art);
    art_fill_path(art, dark);
    art_say(art, "M%d 130v96l-30 24h30zM%d 168q28-30 56 0q-28 26-56 0z", x, x - 92);
    art_end_path(art);
    art_circle(art, x + 60, 166, 24, art_light(art));
    art_circle(art, x + 60, 166, 12, dark);
    art_line_path(art, dark, 8);
    art_say(art, "M%d 302q58 %d 116 0M%d 128q32-22 62-4", x - 58, smile, x + 30);
    art_end_path(art);
}

/* One house on a hill, a window lit. */
void picture_house(struct poster_art *art)
{
    int x = art_between(art, 120, 240), moon = art_between(art, 88, 128);
    uint32_t dark = art->colour.deep;
    art_circle(art, x + art_between(art, -30, 60), 160, moon, art->colour.hot);
    art_fill_path(art, art_depth(art, 55));
    art_say(art, "M0 330Q110 270 220 310T401 300V401H0z");
    art_end_path(art);
    art_fill_path(art, dark);
    art_say(art, "M0 380Q90 350 %d 302H%dQ330 350 401 360V401H0z", x - 14, x + 84);
    art_say(art, "M%d 308V208l-8 0 44-50 18 20v-22h12v36l14 16-8 0v100z", x);
    art_end_path(art);
    art_line_path(art, dark, 5);
    art_say(art, "M%d 350v-150m0 60l-28-36m12 15l-2-24m18 31l26-32m-11 13l14-2m-29 55l34-26m-14 11l2-17",
            x < 180 ? x + 150 : x - 70);
    art_end_path(art);
    art_fill_path(art, art_mix(art->colour.hot, 0xffffff, 40));
    art_say(art, "M%d 226h14v20h-14z", x + 14 + 28 * art_between(art, 0, 1));
    art_end_path(art);
}

/* A glass, and what is in it. */
void picture_glass(struct poster_art *art)
{
    int x = art_between(art, 180, 220), level = art_between(art, 130, 160);
    uint32_t light = art_light(art), glass = (art->field >> 8 & 255) > 140 ? art->colour.deep : light;
    int half = (270 - level) * 130 / 190;
    art_circle(art, x + (x < 200 ? 110 : -110), 110, art_between(art, 46, 70), art->colour.warm);
    art_fill_path(art, art->colour.hot);
    art_say(art, "M%d %dh%dL%d 270z", x - half, level, 2 * half, x);
    art_end_path(art);
    art_line_path(art, glass, 6);
    art_say(art, "M%d 80L%d 270L%d 80zM%d 270V376m-62 0h124", x - 130, x, x + 130, x);
    art_end_path(art);
    art_line_path(art, art->colour.deep, 4);
    art_say(art, "M%d 210L%d 50", x - 16, x + 74);
    art_end_path(art);
    art_circle(art, x + 20, 146, 19, art->colour.warm);
    art_circle(art, x + 26, 142, 6, art->colour.deep);
}

/* Rain, and somebody under an umbrella. */
void picture_umbrella(struct poster_art *art)
{
    int x = art_between(art, 130, 270), slant = art_between(art, 6, 14);
    uint32_t rain = art_mix(art->field, art->colour.warm, 55);
    art_line_path(art, rain, 3);
    for (int i = 0; i < 34; i++)
        art_say(art, "M%d %dl-%d %d", art_between(art, 0, 410), art_between(art, -20, 330), slant, 3 * slant);
    art_end_path(art);
    art_rect(art, 0, 352, 400, 49, art->colour.deep);
    art_say(art, "<ellipse cx=\"%d\" cy=\"362\" rx=\"84\" ry=\"7\" fill=\"" ART_COLOUR "\"/>", x, rain);
    art_line_path(art, art->colour.deep, 5);
    art_say(art, "M%d 142V282q0 9 8 9", x + 22);
    art_end_path(art);
    art_figure(art, x, 362, art_between(art, 205, 225), art->colour.deep);
    art_fill_path(art, art->colour.hot);
    art_say(art, "M%d 220a104 96 0 0 1 208 0q-26-22-52 0q-26-22-52 0q-26-22-52 0q-26-22-52 0z", x - 86);
    art_end_path(art);
    art_fill_path(art, art_mix(art->colour.hot, art->colour.deep, 30));
    art_say(art, "M%d 220q-8-70 34-96q42 26 34 96q-34-22-68 0z", x - 16);
    art_end_path(art);
}

/* Flowers of petals that a compass drew. */
void picture_flower(struct poster_art *art)
{
    int n = art_between(art, 6, 9), x = art_between(art, 160, 240), y = art_between(art, 130, 160),
        reach = art_between(art, 62, 76);
    uint32_t petal[] = {art->colour.hot, art_mix(art->colour.hot, art->field, 30)};
    art_line_path(art, art->colour.deep, 8);
    art_say(art, "M%d %dQ%d 300 200 404", x, y, x);
    art_end_path(art);
    art_fill_path(art, art->colour.warm);
    art_say(art, "M200 384q20-90 120-96q-14 88-120 96zM200 396q-30-70-124-62q26 70 124 62z");
    art_end_path(art);
    for (int c = 0; c < 2; c++)
        for (int i = c; i < n; i += 2) {
            double angle = 2 * PI * i / n;
            art_circle(art, x + (int)lround(reach * cos(angle)), y + (int)lround(reach * sin(angle)), reach * 62 / 100,
                       petal[n % 2 ? 0 : c]);
        }
    art_circle(art, x, y, reach * 80 / 100, art->colour.deep);
    art_circle(art, x, y, reach * 45 / 100, art->colour.warm);
}
