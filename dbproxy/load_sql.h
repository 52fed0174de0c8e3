/*
 * The SQL of a load, in the order in which it runs, all in one transaction. The checked lines come in by COPY into the
 * temporary table load_lines; load_movies is what becomes of them. Knows no C: load.c runs it.
 */
#ifndef FILMYFLY_LOAD_SQL_H
#define FILMYFLY_LOAD_SQL_H

extern const char load_sql_begin[];      /* transaction, lock */
extern const char load_sql_any_movies[]; /* one row, one column: 't' or 'f' */
extern const char load_sql_lines[];      /* makes load_lines */
extern const char load_sql_copy[];       /* COPY: line, \x02, JSON without control characters */
extern const char load_sql_movies[];     /* makes load_movies */
extern const char load_sql_repeats[];    /* takes out repeated movies; rows: line, line of the first */
extern const char load_sql_match[];      /* finds the movies that are there already */
extern const char load_sql_update[];     /* writes what differs; affected rows: movies changed */
extern const char load_sql_slugs[];      /* gives the new movies their slugs */
extern const char load_sql_insert[];     /* affected rows: movies added */
extern const char load_sql_categories[]; /* makes categories, puts the movies into them */
extern const char load_sql_count[];      /* one row: movies, categories of the load */
extern const char load_sql_vacuum[];     /* after the transaction */

#endif
