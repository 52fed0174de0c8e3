/* Pictures of shapes alone, and the strokes that every picture is made of. */
#include <math.h>

#include "poster_art.h"

#define PI 3.14159265358979323846

int art_between(struct poster_art *art, int least, int most)
{
    /* splitmix64 */
    uint64_t z = art->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return least + (int)((z ^ z >> 31) % (uint64_t)(most - least + 1));
}

uint32_t art_mix(uint32_t a, uint32_t b, int percent)
{
    uint32_t mixed = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        int from = (int)(a >> shift & 255), to = (int)(b >> shift & 255);
        mixed |= (uint32_t)(from + (to - from) * percent / 100) << shift;
    }
    return mixed;
}

uint32_t art_light(const struct poster_art *art)
{
    return art_mix(art->colour.paper > art->colour.ink ? art->colour.paper : art->colour.ink, 0xffffff, 55);
}

uint32_t art_depth(const struct poster_art *art, int near)
{
    return near < 50 ? art_mix(art->field, art->colour.warm, near * 2)
                     : art_mix(art->colour.warm, art->colour.deep, near * 2 - 100);
}

void art_circle(struct poster_art *art, int x, int y, int r, uint32_t fill)
{
    art_say(art, "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"" ART_COLOUR "\"/>", x, y, r, fill);
}

void art_rect(struct poster_art *art, int x, int y, int width, int height, uint32_t fill)
{
    art_say(art, "<path fill=\"" ART_COLOUR "\" d=\"M%d %dh%dv%dh%dz\"/>", fill, x, y, width, height, -width);
}

void art_fill_path(struct poster_art *art, uint32_t fill)
{
    art_say(art, "<path fill=\"" ART_COLOUR "\" d=\"", fill);
}

void art_line_path(struct poster_art *art, uint32_t stroke, int width)
{
    art_say(art, "<path fill=\"none\" stroke=\"" ART_COLOUR "\" stroke-width=\"%d\" stroke-linecap=\"round\" d=\"",
            stroke, width);
}

void art_end_path(struct poster_art *art)
{
    buffer_append_str(art->out, STR("\"/>"));
}

static int rounded(double d)
{
    return (int)lround(d);
}

/* Three discs that lie over each other like coloured paper. */
void picture_circles(struct poster_art *art)
{
    int turn = art_between(art, 0, 119), n = art_between(art, 2, 4), r = 150 - n * art_between(art, 11, 15),
        away = 188 - r;
    uint32_t colours[] = {art->colour.hot, art->colour.warm, art->colour.deep, art->colour.hot};
    art_say(art, "<g fill-opacity=\".86\">");
    for (int i = 0; i < n; i++) {
        double angle = (turn + i * 360.0 / n) * PI / 180;
        art_circle(art, 200 + rounded(away * cos(angle)), 200 + rounded(away * sin(angle)), r, colours[i]);
    }
    art_say(art, "</g>");
    if (art_between(art, 0, 1))
        art_circle(art, 200, 200, art_between(art, 12, 30), art->field);
}

/* A tunnel of rings, each leaning to one side. */
void picture_rings(struct poster_art *art)
{
    int n = art_between(art, 6, 9), step = 180 / n;
    double angle = art_between(art, 0, 359) * PI / 180, lean = step * 0.62;
    uint32_t colours[] = {art->colour.deep, art->colour.hot, art->colour.warm, art->field};
    int first = art_between(art, 0, 1), of = art_between(art, 2, 4);
    for (int i = 0; i < n; i++) {
        uint32_t colour = i == n - 1 ? art->colour.hot : colours[(i + first) % of];
        art_circle(art, 200 + rounded(i * lean * cos(angle)), 200 + rounded(i * lean * sin(angle)), 184 - i * step,
                   colour);
    }
}

/* Ellipses turned around one point: a maelstrom of fine lines. */
void picture_whirl(struct poster_art *art)
{
    int n = art_between(art, 12, 17), narrow = art_between(art, 55, 95);
    art_line_path(art, art->colour.hot, 2);
    for (int i = 0; i < n; i++) {
        double angle = i * PI / n;
        int x = rounded(182 * cos(angle)), y = rounded(182 * sin(angle)), degrees = i * 180 / n;
        art_say(art, "M%d %dA182 %d %d 1 0 %d %dA182 %d %d 1 0 %d %d", 200 + x, 205 + y, narrow, degrees, 200 - x,
                205 - y, narrow, degrees, 200 + x, 205 + y);
    }
    art_end_path(art);
    art_circle(art, 200, 205, narrow / 2 + 6, art->field);
    art_circle(art, 200, 205, narrow / 2 - 8, art->colour.hot);
    art_circle(art, 200, 205, narrow / 5, art->colour.deep);
}

/* A half sun on the ground, and its rays over all the sky. */
void picture_rays(struct poster_art *art)
{
    int n = art_between(art, 7, 11), x = art_between(art, 150, 250), y = art_between(art, 270, 330);
    int reach = art->field == art->colour.paper ? y - 14 : 480;
    art_fill_path(art, art_mix(art->field, art->colour.warm, art_between(art, 38, 60)));
    for (int i = 0; i < n; i++) {
        double a = PI * (2 * i + 0.5) / (2 * n), b = PI * (2 * i + 1.5) / (2 * n);
        art_say(art, "M%d %dL%d %dL%d %dz", x, y, x - rounded(reach * cos(a)), y - rounded(reach * sin(a)),
                x - rounded(reach * cos(b)), y - rounded(reach * sin(b)));
    }
    art_end_path(art);
    art_circle(art, x, y, art_between(art, 78, 105), art->colour.hot);
    for (int i = 0; i < 3; i++)
        art_rect(art, 0, y + i * (400 - y) / 3, 400, (400 - y) / 3 + 2, art_depth(art, 55 + i * 22));
}

/* Bars cut out of paper by hand, from above and from below. */
void picture_slabs(struct poster_art *art)
{
    int n = art_between(art, 5, 7), width = 400 / n,
        from_above = art_between(art, 0, 1) && art->field != art->colour.paper;
    uint32_t colours[] = {art->colour.deep, art->colour.hot, art->colour.deep, art->colour.warm};
    for (int i = 0; i < n; i++) {
        int x = i * width + art_between(art, 2, 8), w = width - art_between(art, 6, 14), lean = art_between(art, -9, 9);
        int length = art_between(art, 120, 350), bite = art_between(art, -18, 18);
        int edge = from_above ? 0 : 400, tip = from_above ? length : 400 - length;
        art_fill_path(art, colours[(i * 3 + from_above) % 4]);
        art_say(art, "M%d %dL%d %dL%d %dL%d %dz", x, edge, x + lean, tip, x + lean + w - 5, tip + bite, x + w, edge);
        art_end_path(art);
    }
}

/* Sixteen tiles of quarter and half discs. */
void picture_tiles(struct poster_art *art)
{
    uint32_t colours[] = {art->colour.hot, art->colour.warm, art->colour.deep,
                          art_mix(art->field, art->colour.warm, 22)};
    int ground[16], shape[16], form[16];
    for (int i = 0; i < 16; i++) {
        ground[i] = art_between(art, 0, 3);
        shape[i] = (ground[i] + art_between(art, 1, 3)) % 4;
        form[i] = art_between(art, 0, 6);
    }
    art_say(art, "<g shape-rendering=\"crispEdges\">"); /* no seams between them */
    for (int c = 0; c < 4; c++) {
        art_fill_path(art, colours[c]);
        for (int i = 0; i < 16; i++)
            if (ground[i] == c)
                art_say(art, "M%d %dh100v100h-100z", i % 4 * 100, i / 4 * 100);
        art_end_path(art);
    }
    art_say(art, "</g>");
    for (int c = 0; c < 4; c++) {
        art_fill_path(art, colours[c]);
        for (int i = 0; i < 16; i++) {
            static const char *const forms[] = {"h100a100 100 0 0 1-100 100z",
                                                "m100 0v100a100 100 0 0 1-100-100z",
                                                "m100 100h-100a100 100 0 0 1 100-100z",
                                                "m0 100v-100a100 100 0 0 1 100 100z",
                                                "a50 50 0 0 0 100 0z",
                                                "m0 100a50 50 0 0 1 100 0z",
                                                "m26 50a24 24 0 0 1 48 0a24 24 0 0 1-48 0z"};
            if (shape[i] == c)
                art_say(art, "M%d %d%s", i % 4 * 100, i / 4 * 100, forms[form[i]]);
        }
        art_end_path(art);
    }
}

/* What a song looks like: strokes that swell and fade. */
void picture_bars(struct poster_art *art)
{
    double first = art_between(art, 10, 60) / 100.0, second = art_between(art, 70, 160) / 100.0;
    uint32_t colours[] = {art->colour.hot, art->colour.warm, art_mix(art->colour.hot, art->colour.warm, 50)};
    for (int c = 0; c < 3; c++) {
        art_line_path(art, colours[c], 12);
        for (int i = c; i < 15; i += 3) {
            double swell = sin((i + 0.5) * PI / 15) * (0.45 + 0.55 * fabs(sin(i * first + second * i)));
            int half = 10 + rounded(150 * swell);
            art_say(art, "M%d %dv%d", 32 + i * 24, 200 - half, 2 * half);
        }
        art_end_path(art);
    }
}

/* Rainbows of paper, one before the other. */
void picture_arches(struct poster_art *art)
{
    int side = art_between(art, 0, 1);
    uint32_t colours[] = {art->colour.deep, art->colour.hot, art_mix(art->field, art->colour.hot, 45), art->colour.warm,
                          art->colour.hot};
    art_circle(art, side ? 320 : 80, art_between(art, 60, 90), art_between(art, 30, 46), art->colour.warm);
    for (int a = 0; a < 2; a++) {
        int r = a ? 104 : 164, x = (a == side) ? 140 + 40 * a : 262 - 4 * a, y = a ? 306 : 226, width = a ? 21 : 27;
        for (int i = 0; i < 5; i++, r -= width) {
            art_fill_path(art, i == 4 ? art->field : colours[(i + 3 * a) % 5]);
            art_say(art, "M%d 401V%da%d %d 0 0 1 %d 0V401z", x - r, y, r, r, 2 * r);
            art_end_path(art);
        }
    }
}
