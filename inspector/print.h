/* Figures as people read them, in few characters. Each writes into `text` and returns it. */
#ifndef FILMYFLY_PRINT_H
#define FILMYFLY_PRINT_H

#include <jansson.h>
#include <stdint.h>

#define FIGURE_SIZE 24

const char *print_bytes(char text[FIGURE_SIZE], uint64_t bytes);                /* "9.8M" */
const char *print_seconds(char text[FIGURE_SIZE], double seconds);              /* "0.4ms", "1.2s"; "-" for 0 */
const char *print_uptime(char text[FIGURE_SIZE], uint64_t seconds);             /* "3h12m" */
const char *print_count(char text[FIGURE_SIZE], uint64_t count);                /* "3201", "32k", "1.2M" */
const char *print_rate(char text[FIGURE_SIZE], double rate);                    /* "0", "0.4", "1234" */
const char *print_share(char text[FIGURE_SIZE], uint64_t part, uint64_t whole); /* "98.2%"; "-" of nothing */

/* Writes the value on standard output, a line or indented, and gives it back. Returns status. */
int print_json(json_t *value, int status);

#endif
