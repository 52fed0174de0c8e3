/* The latest values of something, as columns on the screen: one a second, the newest to the right. */
#ifndef FILMYFLY_TOP_GRAPH_H
#define FILMYFLY_TOP_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#define HISTORY 512

struct history {
    double value[HISTORY];
    size_t taken; /* the newest lies at (taken - 1) % HISTORY */
};

void history_add(struct history *history, double value);

/* The greatest of the last n; 0 of none. */
double history_peak(const struct history *history, size_t n);

/*
 * Draws the last `width` values in `height` lines from (y, x) on, between 0 and top. Eighths of a cell, or with `ascii`
 * halves, for terminals without block characters.
 */
void history_draw(const struct history *history, int y, int x, int height, int width, double top, bool ascii);

#endif
