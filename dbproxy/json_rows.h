/*
 * One line of newline-delimited JSON that describes a movie: checked field by field and cleaned, so that what comes out
 * keeps every constraint of the table filmyfly.movies. Knows no database.
 *
 * Two shapes are read, told apart by their keys: FilmyFly's own (the columns of filmyfly.movies, and "categories"), and
 * the one of the wikipedia-movie-data collection (title, year, cast, genres, href, extract, thumbnail).
 */
#ifndef FILMYFLY_JSON_ROWS_H
#define FILMYFLY_JSON_ROWS_H

#include <stddef.h>

#define JSON_ROW_REASON 200 /* bytes that hold any reason, with its NUL */

/*
 * Returns the movie in FilmyFly's own shape, as JSON text without line breaks, which the caller frees; or NULL, and in
 * reason why the line cannot be taken. Text is UTF-8; odd spaces and control characters become single spaces.
 */
char *json_row_read(const char *line, size_t length, char reason[JSON_ROW_REASON]);

#endif
