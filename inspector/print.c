#include "print.h"

#include <inttypes.h>
#include <stdio.h>

/* Three figures or so: "9.8", "98". */
static const char *scaled(char text[FIGURE_SIZE], double value, const char *unit)
{
    snprintf(text, FIGURE_SIZE, value < 9.95 ? "%.1f%s" : "%.0f%s", value, unit);
    return text;
}

const char *print_bytes(char text[FIGURE_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"B", "K", "M", "G", "T", "P"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++) {
        value /= 1024;
    }
    if (unit == 0) {
        snprintf(text, FIGURE_SIZE, "%" PRIu64 "B", bytes);
        return text;
    }
    return scaled(text, value, units[unit]);
}

const char *print_seconds(char text[FIGURE_SIZE], double seconds)
{
    if (seconds <= 0) {
        snprintf(text, FIGURE_SIZE, "-");
    } else if (seconds < 0.0009995) {
        snprintf(text, FIGURE_SIZE, "%.0fus", seconds * 1e6);
    } else if (seconds < 0.9995) {
        scaled(text, seconds * 1e3, "ms");
    } else {
        scaled(text, seconds, "s");
    }
    return text;
}

const char *print_uptime(char text[FIGURE_SIZE], uint64_t seconds)
{
    unsigned long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

    if (days > 0) {
        snprintf(text, FIGURE_SIZE, "%llud%lluh", days, hours % 24);
    } else if (hours > 0) {
        snprintf(text, FIGURE_SIZE, "%lluh%02llum", hours, minutes % 60);
    } else if (minutes > 0) {
        snprintf(text, FIGURE_SIZE, "%llum%02llus", minutes, (unsigned long long)seconds % 60);
    } else {
        snprintf(text, FIGURE_SIZE, "%llus", (unsigned long long)seconds);
    }
    return text;
}

const char *print_count(char text[FIGURE_SIZE], uint64_t count)
{
    if (count < 100000) {
        snprintf(text, FIGURE_SIZE, "%" PRIu64, count);
    } else if (count < 1000000) {
        scaled(text, (double)count / 1e3, "k");
    } else {
        scaled(text, (double)count / 1e6, "M");
    }
    return text;
}

const char *print_rate(char text[FIGURE_SIZE], double rate)
{
    if (rate >= 9.95) {
        return print_count(text, (uint64_t)(rate + 0.5));
    }
    snprintf(text, FIGURE_SIZE, rate < 0.05 ? "%.0f" : "%.1f", rate);
    return text;
}

const char *print_share(char text[FIGURE_SIZE], uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        snprintf(text, FIGURE_SIZE, "-");
    } else {
        snprintf(text, FIGURE_SIZE, part == whole ? "%.0f%%" : "%.1f%%", 100.0 * (double)part / (double)whole);
    }
    return text;
}

int print_json(json_t *value, int status)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(value);
    return status;
}
