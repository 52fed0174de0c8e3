#include "top_graph.h"

#include <curses.h>

void history_add(struct history *history, double value)
{
    history->value[history->taken++ % HISTORY] = value;
}

/* `back` 0: the newest. */
static double value_at(const struct history *history, size_t back)
{
    return back < history->taken && back < HISTORY ? history->value[(history->taken - 1 - back) % HISTORY] : 0;
}

double history_peak(const struct history *history, size_t n)
{
    double peak = 0;

    for (size_t i = 0; i < n; i++) {
        double value = value_at(history, i);
        peak = value > peak ? value : peak;
    }
    return peak;
}

/* How a cell looks of which so many parts are filled. */
static const char *cell(int parts, bool ascii)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {" ", ".", "#"};

    return ascii ? letters[parts] : blocks[parts];
}

void history_draw(const struct history *history, int y, int x, int height, int width, double top, bool ascii)
{
    int parts = ascii ? 2 : 8;

    for (int column = 0; column < width; column++) {
        double value = value_at(history, (size_t)(width - 1 - column));
        double share = top > 0 ? value / top : 0;
        int filled = (int)((share > 1 ? 1 : share) * parts * height + 0.5);
        if (value > 0 && filled == 0) {
            filled = 1; /* a little is not nothing */
        }
        for (int row = 0; row < height; row++) {
            int here = filled - (height - 1 - row) * parts;
            mvaddstr(y + row, x + column, cell(here < 0 ? 0 : here > parts ? parts : here, ascii));
        }
    }
}
