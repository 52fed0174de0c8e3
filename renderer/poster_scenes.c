/* Pictures of things: land, sea, town, and what happens there. */
#include "poster_art.h"

/* Points of light. */
static void stars(struct poster_art *art, int n, int top, int bottom, uint32_t colour)
{
    art_line_path(art, colour, 3);
    for (int i = 0; i < n; i++)
        art_say(art, "M%d %dh0", art_between(art, 10, 390), art_between(art, top, bottom));
    art_end_path(art);
}

void art_figure(struct poster_art *art, int x, int y, int percent, uint32_t colour)
{
    const char *hat = art_between(art, 0, 1) ? "M-9-62h3l1-7h10l1 7h3q-9 3-18 0z" : "";
    art_say(art,
            "<path fill=\"" ART_COLOUR
            "\" transform=\"translate(%d %d)scale(%d.%02d)\" d=\"M0-66a5 5 0 0 1 0 10a5 5 0 0 1 "
            "0-10M-3-55h6q6 1 7 6l3 25-4 1-3-14 3 22q-9 3-18 0l3-22-3 14-4-1 3-25q1-5 7-6zM-6-15h5l-1 15h-3zM1-15h5l-1 "
            "15h-3z%s\"/>",
            colour, x, y, percent / 100, percent % 100, hat);
}

/* Layers of soft hills, and something round in the sky. */
void picture_hills(struct poster_art *art)
{
    int x = art_between(art, 90, 310), r = art_between(art, 58, 96), n = art_between(art, 3, 5),
        cut = art_between(art, 0, 2);
    int y = art_between(art, 110, 160);
    art_circle(art, x, y, r, art->colour.hot);
    for (int i = 0; cut == 0 && i < 4; i++)
        art_rect(art, x - r, y + r / 5 + i * r / 5, 2 * r, 3 + 2 * i, art->field);
    for (int i = 0; i < n; i++) {
        int top = 190 + i * 190 / n;
        art_fill_path(art, art_depth(art, 100 * (i + 1) / n));
        art_say(art, "M0 %dC%d %d %d %d %d %dS%d %d 400 %dV401H0z", top + art_between(art, -25, 25),
                art_between(art, 40, 90), top - art_between(art, 20, 60), art_between(art, 100, 150),
                top + art_between(art, 0, 45), art_between(art, 190, 230), top + art_between(art, -15, 25),
                art_between(art, 300, 350), top - art_between(art, 0, 60), top + art_between(art, -25, 25));
        art_end_path(art);
    }
}

/* Mountains with a bright and a dark side. */
void picture_peaks(struct poster_art *art)
{
    int sun = art_between(art, 80, 320);
    art_circle(art, sun, art_between(art, 70, 130), art_between(art, 40, 72), art->colour.hot);
    for (int i = 0; i < 5; i++) {
        static const int middle[] = {120, 300, 30, 380, 190};
        int x = middle[i] + art_between(art, -25, 25), y = 110 + i * 38 + art_between(art, -20, 20),
            half = 150 + art_between(art, -15, 35);
        int near = 24 + i * 17, knee = art_between(art, -28, 10);
        uint32_t face = art_depth(art, near);
        art_fill_path(art, face);
        art_say(art, "M%d %dL%d 401H%dz", x, y, x - half, x + half);
        art_end_path(art);
        art_fill_path(art, art_mix(face, art->colour.deep, 38));
        art_say(art, "M%d %dL%d %dL%d %dL%d 401H%dz", x, y, x + knee, y + 70, x + 14, y + 120, x - 20, x + half);
        art_end_path(art);
    }
}

/* A row of houses; their tops into `top`, in steps of `width`. */
static void houses(struct poster_art *art, int *top, int width, int highest, int lowest, uint32_t colour)
{
    art_fill_path(art, colour);
    art_say(art, "M0 401");
    for (int x = 0, i = 0; x < 400; x += width, i++) {
        top[i] = art_between(art, highest, lowest) / 12 * 12;
        art_say(art, "V%d", top[i]);
        if (art_between(art, 0, 3) == 0)
            art_say(art, "l%d-26 %d 26", width / 2, width - width / 2);
        else if (art_between(art, 0, 2) == 0)
            art_say(art, "h%dv-16h8v16h%d", width / 3, width - width / 3 - 8);
        else
            art_say(art, "h%d", width);
    }
    art_say(art, "V401z");
    art_end_path(art);
}

/* A town by night, some windows lit. */
void picture_city(struct poster_art *art)
{
    int top[16];
    art_circle(art, art_between(art, 70, 330), art_between(art, 80, 130), art_between(art, 46, 84), art->colour.hot);
    houses(art, top, 42, 110, 220, art_depth(art, 34));
    houses(art, top, 54, 170, 290, art_depth(art, 66));
    houses(art, top, 60, 230, 330, art->colour.deep);
    art_fill_path(art, art->colour.hot);
    for (int i = 0; i < 7; i++)
        for (int y = top[i] + 16; y < 390; y += 22)
            for (int x = i * 60 + 11; x < i * 60 + 48 && x < 392; x += 16)
                if (art_between(art, 0, 3) == 0)
                    art_say(art, "M%d %dh7v10h-7z", x, y);
    art_end_path(art);
}

/* A wood under the moon. */
void picture_pines(struct poster_art *art)
{
    int x = art_between(art, 110, 290), y = art_between(art, 100, 150);
    if ((art->field >> 8 & 255) < 100)
        stars(art, 16, 10, 180, art_mix(art->field, art->colour.hot, 60));
    art_circle(art, x, y, art_between(art, 60, 92), art->colour.hot);
    for (int layer = 0; layer < 3; layer++) {
        int ground = 300 + layer * 45, width = 26 + layer * 13;
        art_fill_path(art, art_depth(art, 36 + layer * 32));
        art_say(art, "M-20 401V%d", ground);
        for (int at = -20; at < 420; at += width) {
            int height = art_between(art, 70, 110) + layer * 34, a = width / 2, third = height / 3;
            art_say(art, "l%d-%dh-%dl%d-%dh-%dl%d-%d %d %dh-%dl%d %dh-%dl%d %d", a - 3, third, a / 3, a / 2, third,
                    a / 4, 3 + a / 3 + a / 4 - a / 2, height - 2 * third, 3 + a / 3 + a / 4 - a / 2, height - 2 * third,
                    a / 4, a / 2, third, a / 3,
                    width - a - a / 2 + a / 3 + a / 4 - 3 - a / 3 + a / 4 + a / 3 - a / 2 + a / 2, third);
        }
        art_say(art, "V401z");
        art_end_path(art);
    }
}

/* A dark room, an open door, somebody in its light. */
void picture_door(struct poster_art *art)
{
    int x = art_between(art, 130, 230), width = art_between(art, 66, 88), top = art_between(art, 60, 100),
        lean = art_between(art, -60, 60);
    uint32_t wall = art_mix(art->field, art->colour.deep, 45), light = art->colour.hot;
    art_rect(art, 0, 0, 400, 300, wall);
    art_rect(art, 0, 298, 400, 103, art->colour.deep);
    art_fill_path(art, art_mix(wall, light, 16));
    art_say(art, "M%d 299V%dh%dV299z", x - 16, top - 16, width + 32);
    art_end_path(art);
    art_fill_path(art, light);
    art_say(art, "M%d 299V%dh%dV299z", x, top, width);
    art_end_path(art);
    art_fill_path(art, art_mix(art->colour.deep, light, 78));
    art_say(art, "M%d 299h%dL%d 401H%dz", x, width, x + width + 60 + lean, x - 60 + lean);
    art_end_path(art);
    int feet = x + width / 2;
    art_fill_path(art, art->colour.deep);
    art_say(art, "M%d 303h14L%d 401h-34z", feet - 7, feet + 17 + lean);
    art_end_path(art);
    art_figure(art, feet, 306, art_between(art, 165, 200), art->colour.deep);
}

/* Stairs, and somebody at their end. */
void picture_stairs(struct poster_art *art)
{
    int n = art_between(art, 6, 8), step = 400 / n, mirrored = art_between(art, 0, 1);
    int sun = art_between(art, 60, 100);
    if (mirrored)
        art_say(art, "<g transform=\"matrix(-1 0 0 1 400 0)\">");
    art_circle(art, art_between(art, 90, 150), art_between(art, 110, 150), sun, art->colour.hot);
    for (int flight = 0; flight < 3; flight++) {
        int first = 240 + flight * 74 + step;
        art_fill_path(art, art_depth(art, 34 + flight * 33));
        art_say(art, "M0 401V%d", first);
        for (int i = 0; i < n + 1; i++)
            art_say(art, "h%dv-%d", step, step * 2 / 3 - flight * 3);
        art_say(art, "V401z");
        art_end_path(art);
        if (flight == 1)
            art_figure(art, step / 2 + step * 3, first - 3 * (step * 2 / 3 - 3), 92, art->colour.deep);
    }
    if (mirrored)
        art_say(art, "</g>");
}

/* Rows of waves, sometimes a boat. */
void picture_waves(struct poster_art *art)
{
    int n = art_between(art, 5, 7), half = art_between(art, 22, 40), boat = art_between(art, 0, 2),
        x = art_between(art, 110, 290);
    art_circle(art, art_between(art, 100, 300), art_between(art, 100, 150), art_between(art, 56, 90), art->colour.hot);
    for (int i = 0; i < n; i++) {
        int y = 190 + i * 210 / n, start = -art_between(art, 0, 2 * half);
        if (boat && i == n / 2) {
            art_fill_path(art, art->colour.deep);
            art_say(art, "M%d %dl14 26h76l18-26z", x - 54, y - 22);
            art_end_path(art);
            art_fill_path(art, art_light(art));
            art_say(art, "M%d %dv-118l54 118zM%d %dv-92l-40 92z", x, y - 27, x - 6, y - 27);
            art_end_path(art);
        }
        art_fill_path(art, art_depth(art, 22 + 78 * i / (n - 1)));
        art_say(art, "M%d %dq%d-%d %d 0", start, y, half / 2, half / 2, half);
        for (int at = start + half; at < 410; at += half)
            art_say(art, "t%d 0", half);
        art_say(art, "V401H%dz", start);
        art_end_path(art);
    }
}

/* A road to the horizon. */
void picture_road(struct poster_art *art)
{
    int x = art_between(art, 140, 260), y = art_between(art, 170, 220), poles = art_between(art, 0, 1);
    art_circle(art, x + art_between(art, -40, 40), y - 8, art_between(art, 70, 110), art->colour.hot);
    art_fill_path(art, art_depth(art, 34));
    art_say(art, "M0 %dL%d %d %d %d %d %d 400 %dV%dH0z", y - 14, x - 90, y - 50, x - 30, y - 8, x + 90, y - 34, y - 10,
            y + 2);
    art_end_path(art);
    art_rect(art, 0, y, 400, 401 - y, art_depth(art, 60));
    art_fill_path(art, art->colour.deep);
    art_say(art, "M%d %dh8L370 401H30z", x - 4, y);
    art_end_path(art);
    art_fill_path(art, art->colour.hot);
    for (int i = 0, a = 10; i < 5 && y + a < 400; i++, a = a * 2 + 4) {
        int far = y + a, near = y + a + a / 2 + 4;
        int middle_far = x + (200 - x) * a / (401 - y), middle_near = x + (200 - x) * (near - y) / (401 - y);
        art_say(art, "M%d %dh%dL%d %dh-%dz", middle_far - 1 - a / 60, far, 2 + a / 30, middle_near + 2 + a / 30, near,
                4 + a / 15);
    }
    art_end_path(art);
    if (!poles)
        return;
    art_line_path(art, art->colour.deep, 4);
    for (int i = 0, at = x + 150, h = 190; i < 4; i++, at -= (at - x) / 3, h = h * 2 / 3)
        art_say(art, "M%d %dv-%dm-%d %dh%d", at, y + h / 3, h, h / 8, h / 9, h / 4);
    art_end_path(art);
}

/* Table mountains, dunes and a cactus. */
void picture_desert(struct poster_art *art)
{
    int x = art_between(art, 80, 320), mesa = art_between(art, 0, 180),
        cactus = x < 200 ? art_between(art, 270, 330) : art_between(art, 80, 140);
    art_circle(art, x, art_between(art, 120, 165), art_between(art, 66, 100), art->colour.hot);
    art_fill_path(art, art_depth(art, 36));
    art_say(art, "M0 290L%d 282 %d 196h%dl20 86 30 6 22-54h%dl18 60L400 300V401H0z", mesa, mesa + 18,
            art_between(art, 50, 100), art_between(art, 20, 60));
    art_end_path(art);
    art_fill_path(art, art_depth(art, 66));
    art_say(art, "M0 312Q120 270 240 306T401 296V401H0z");
    art_end_path(art);
    art_fill_path(art, art->colour.deep);
    art_say(art, "M0 %dQ150 320 270 350T401 340V401H0z", art_between(art, 350, 372));
    art_end_path(art);
    art_line_path(art, art->colour.deep, 17);
    art_say(art, "M%d 360V%dm0 90h-16q-16 0-16-16v-34m32 26h14q16 0 16-16v-36", cactus, art_between(art, 170, 205));
    art_end_path(art);
}

/* A world with its ring and moons. */
void picture_planet(struct poster_art *art)
{
    int x = art_between(art, 170, 230), r = art_between(art, 88, 118), tilt = art_between(art, -32, 32);
    stars(art, 26, 6, 394, art_mix(art->field, art->colour.ink, 55));
    art_say(art, "<g transform=\"rotate(%d %d 205)\">", tilt, x);
    art_circle(art, x, 205, r, art->colour.hot);
    art_fill_path(art, art_mix(art->colour.hot, art->colour.deep, 42));
    art_say(art, "M%d %dA%d %d 0 0 1 %d %dA%d %d 0 0 0 %d %dz", x, 205 - r, r, r, x, 205 + r, r * 13 / 10, r * 13 / 10,
            x, 205 - r);
    art_end_path(art);
    art_line_path(art, art->colour.warm, 11);
    int wide = r * 17 / 10, flat = r * 4 / 10;
    art_say(art, "M%d %dA%d %d 0 1 0 %d %d", x - r + 3, 205 - flat * 8 / 10, wide, flat, x + r - 3,
            205 - flat * 8 / 10);
    art_end_path(art);
    art_say(art, "</g>");
    art_circle(art, art_between(art, 50, 90), art_between(art, 60, 100), art_between(art, 12, 24), art->colour.warm);
    art_circle(art, art_between(art, 310, 350), art_between(art, 310, 350), art_between(art, 6, 14), art->colour.ink);
}

/* An eye that looks back. */
void picture_eye(struct poster_art *art)
{
    int look = art_between(art, -40, 40), open = art_between(art, 100, 150), rays = art_between(art, 3, 6);
    art_fill_path(art, art_light(art));
    if (art->colour.deep == art->colour.ink || art->field == art->colour.paper)
        art_say(art, "M14 205Q200 %d 386 205Q200 %d 14 205z", 205 - open * 17 / 10, 205 + open * 17 / 10);
    else
        art_say(art, "M30 205Q200 %d 370 205Q200 %d 30 205z", 205 - open * 16 / 10, 205 + open * 16 / 10);
    art_end_path(art);
    art_circle(art, 200 + look, 205, 84, art->colour.deep);
    art_say(art,
            "<circle cx=\"%d\" cy=\"205\" r=\"56\" fill=\"none\" stroke=\"" ART_COLOUR
            "\" stroke-width=\"40\" stroke-dasharray=\"%d %d\"/>",
            200 + look, art->colour.hot, rays, rays);
    art_circle(art, 200 + look, 205, 36, art->colour.deep);
    art_circle(art, 222 + look, 180, 12, 0xffffff);
}

/* A branch with leaves of two tones. */
void picture_sprig(struct poster_art *art)
{
    int n = art_between(art, 4, 6), lean = art_between(art, -36, 36), length = art_between(art, 92, 118);
    int moon = art_between(art, 0, 2);
    if (moon)
        art_circle(art, 200 + lean * 2, art_between(art, 130, 170), art_between(art, 90, 125), art->colour.hot);
    art_line_path(art, art->colour.deep, 4);
    art_say(art, "M200 401Q200 240 %d 100", 200 + lean);
    art_end_path(art);
    art_say(art,
            "<defs><g id=\"l\"><path d=\"M0 0Q%d-44 %d 0z\" fill=\"" ART_COLOUR
            "\"/><path d=\"M0 0Q%d 44 %d 0z\" fill=\"" ART_COLOUR "\"/></g></defs>",
            length / 2, length, moon ? art->colour.warm : art->colour.hot, length / 2, length, art->colour.deep);
    for (int i = 0; i <= 2 * n; i++) {
        int up = i / 2 * 270 / n, x = 200 + lean * up / 270 * up / 270, turn = i % 2 ? -28 - i * 3 : 208 + i * 3;
        if (i == 2 * n)
            turn = -90 + lean / 2;
        art_say(art, "<use href=\"#l\" transform=\"translate(%d %d)rotate(%d)scale(.%d)\"/>", x, 370 - up, turn,
                99 - i * 30 / n / 2);
    }
}

/* Balloons on their way. */
void picture_balloons(struct poster_art *art)
{
    int n = art_between(art, 4, 6);
    uint32_t colours[] = {art->colour.hot, art->colour.warm, art->colour.deep,
                          art_mix(art->colour.hot, art->field, 45)};
    for (int i = 0; i < n; i++) {
        int x = 60 + (i * 2 % n) * 280 / (n - 1) + art_between(art, -18, 18), y = art_between(art, 80, 200),
            r = art_between(art, 42, 62);
        uint32_t colour = colours[i % 4];
        art_line_path(art, art_mix(art->field, art->colour.deep, 60), 2);
        art_say(art, "M%d %dQ%d %d 200 420", x, y + r, x + art_between(art, -40, 40), y + 140);
        art_end_path(art);
        art_fill_path(art, colour);
        art_say(art, "M%d %dc-%d 0-%d-%d-%d-%da%d %d 0 0 1 %d 0c0 %d-%d %d-%d %dl7 11h-14z", x, y + r + 14, r / 2, r,
                r * 6 / 10, r, r + 14, r, r, 2 * r, r * 7 / 10, r / 2, r + 14, r, r + 14);
        art_end_path(art);
        art_say(art,
                "<path fill=\"none\" stroke=\"#fff\" stroke-opacity=\".5\" stroke-width=\"6\" stroke-linecap=\"round\" "
                "d=\"M%d %da%d %d 0 0 1 %d-%d\"/>",
                x - r * 6 / 10, y - 2, r * 6 / 10, r * 6 / 10, r * 3 / 10, r / 2);
    }
}
