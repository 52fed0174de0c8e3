#include "load_sql.h"

/* The role's own time limit is for pages. One load at a time: two would give out the same slugs. */
const char load_sql_begin[] = "BEGIN;"
                              "SET LOCAL search_path = pg_catalog, pg_temp;"
                              "SET LOCAL statement_timeout = 0;"
                              "SET LOCAL idle_in_transaction_session_timeout = 0;"
                              "SELECT pg_advisory_xact_lock(hashtextextended('filmyfly load', 0))";

const char load_sql_any_movies[] = "SELECT EXISTS (SELECT FROM filmyfly.movies)";

const char load_sql_lines[] = "CREATE TEMPORARY TABLE load_lines (line bigint, movie jsonb) ON COMMIT DROP";

/* Characters that JSON text never holds are quote and delimiter, so nothing needs to be escaped. */
const char load_sql_copy[] =
    "COPY pg_temp.load_lines FROM STDIN (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01', ENCODING 'UTF8')";

const char load_sql_movies[] =
    "CREATE TEMPORARY TABLE load_movies ON COMMIT DROP AS "
    "SELECT l.line, m.*, coalesce(m.links ->> 'wikipedia', '') AS page, NULL::bigint AS id, NULL::text AS new_slug "
    "FROM pg_temp.load_lines l, jsonb_to_record(l.movie) AS m (slug text, title text, original_title text,"
    " release_date date, year integer, runtime integer, certificate text, director text, actors text[],"
    " distributor text, synopsis text, score numeric(3, 1), votes integer, critics integer, budget bigint,"
    " gross_domestic bigint, gross_worldwide bigint, links jsonb, poster text, creative_type text, source text,"
    " published boolean, categories text[]);"
    "ANALYZE pg_temp.load_movies";

/* A movie is known by its title and year, and where two films share both, by its page in Wikipedia. */
const char load_sql_repeats[] =
    "WITH gone AS ("
    " DELETE FROM pg_temp.load_movies n USING ("
    "  SELECT line, first_value(line) OVER (PARTITION BY title, year, page ORDER BY line) AS first"
    "  FROM pg_temp.load_movies) r"
    " WHERE n.line = r.line AND r.line <> r.first RETURNING r.line, r.first)"
    "SELECT line, first FROM gone ORDER BY line";

/* First those that agree in all three; then a movie of which only one side knows the page. */
const char load_sql_match[] =
    "UPDATE pg_temp.load_movies n SET id = m.id FROM ("
    " SELECT min(id) AS id, title, year, coalesce(links ->> 'wikipedia', '') AS page FROM filmyfly.movies"
    " WHERE title IN (SELECT title FROM pg_temp.load_movies) GROUP BY 2, 3, 4) m "
    "WHERE n.title = m.title AND n.page = m.page AND n.year IS NOT DISTINCT FROM m.year;"
    "WITH ours AS ("
    " SELECT DISTINCT ON (title, year) line, title, year, page FROM pg_temp.load_movies"
    " WHERE id IS NULL ORDER BY title, year, line),"
    "theirs AS ("
    " SELECT DISTINCT ON (title, year) id, title, year, coalesce(links ->> 'wikipedia', '') AS page"
    " FROM filmyfly.movies"
    " WHERE title IN (SELECT title FROM ours)"
    " AND id NOT IN (SELECT id FROM pg_temp.load_movies WHERE id IS NOT NULL)"
    " ORDER BY title, year, id)"
    "UPDATE pg_temp.load_movies n SET id = theirs.id FROM ours JOIN theirs ON ours.title = theirs.title"
    " AND ours.year IS NOT DISTINCT FROM theirs.year AND (ours.page = '' OR theirs.page = '') "
    "WHERE n.line = ours.line";

/* The file wins where it says something; what it leaves open stays. A slug is an address and stays too. */
const char load_sql_update[] =
    "WITH wanted AS ("
    " SELECT m.id, coalesce(n.original_title, m.original_title) AS original_title,"
    "  coalesce(n.release_date, m.release_date) AS release_date, coalesce(n.runtime, m.runtime) AS runtime,"
    "  coalesce(n.certificate, m.certificate) AS certificate, coalesce(n.director, m.director) AS director,"
    "  coalesce(nullif(n.actors, '{}'), m.actors) AS actors, coalesce(n.distributor, m.distributor) AS distributor,"
    "  coalesce(n.synopsis, m.synopsis) AS synopsis, coalesce(n.score, m.score) AS score,"
    "  coalesce(n.votes, m.votes) AS votes, coalesce(n.critics, m.critics) AS critics,"
    "  coalesce(n.budget, m.budget) AS budget, coalesce(n.gross_domestic, m.gross_domestic) AS gross_domestic,"
    "  coalesce(n.gross_worldwide, m.gross_worldwide) AS gross_worldwide,"
    "  m.links || coalesce(n.links, '{}') AS links, coalesce(n.poster, m.poster) AS poster,"
    "  coalesce(n.creative_type, m.creative_type) AS creative_type, coalesce(n.source, m.source) AS source,"
    "  coalesce(n.published, m.published) AS published"
    " FROM pg_temp.load_movies n JOIN filmyfly.movies m USING (id))"
    "UPDATE filmyfly.movies m SET (original_title, release_date, runtime, certificate, director, actors, distributor,"
    "  synopsis, score, votes, critics, budget, gross_domestic, gross_worldwide, links, poster, creative_type, source,"
    "  published)"
    " = (w.original_title, w.release_date, w.runtime, w.certificate, w.director, w.actors, w.distributor,"
    "  w.synopsis, w.score, w.votes, w.critics, w.budget, w.gross_domestic, w.gross_worldwide, w.links, w.poster,"
    "  w.creative_type, w.source, w.published) "
    "FROM wanted w WHERE m.id = w.id AND"
    " (m.original_title, m.release_date, m.runtime, m.certificate, m.director, m.actors, m.distributor,"
    "  m.synopsis, m.score, m.votes, m.critics, m.budget, m.gross_domestic, m.gross_worldwide, m.links, m.poster,"
    "  m.creative_type, m.source, m.published)"
    " IS DISTINCT FROM"
    " (w.original_title, w.release_date, w.runtime, w.certificate, w.director, w.actors, w.distributor,"
    "  w.synopsis, w.score, w.votes, w.critics, w.budget, w.gross_domestic, w.gross_worldwide, w.links, w.poster,"
    "  w.creative_type, w.source, w.published)";

/*
 * The plain slug goes to whoever has it already, else to the best known (votes, then gross, then the newest); the
 * others add their year, and where that is taken too a number from 2 on. A title without Latin letters is "movie" and
 * its year.
 */
const char load_sql_slugs[] =
    "CREATE TEMPORARY TABLE load_slugs ON COMMIT DROP AS "
    "SELECT line, votes, gross_worldwide, year, base, CASE WHEN plain <> '' AND year IS NOT NULL"
    "  THEN base || '-' || year ELSE base END AS dated "
    "FROM (SELECT *, coalesce(nullif(plain, ''), 'movie' || coalesce('-' || year, '')) AS base"
    " FROM (SELECT line, votes, gross_worldwide, year, coalesce(slug, filmyfly.slug_of(title)) AS plain"
    "  FROM pg_temp.load_movies WHERE id IS NULL) p) b;"
    "ANALYZE pg_temp.load_slugs;"
    "CREATE UNIQUE INDEX ON pg_temp.load_movies (new_slug);"
    "DO $$ DECLARE step integer := 0;"
    "BEGIN WHILE EXISTS (SELECT FROM pg_temp.load_slugs) LOOP"
    " UPDATE pg_temp.load_movies n SET new_slug = c.slug FROM ("
    "  SELECT line, slug, row_number() OVER (PARTITION BY slug"
    "   ORDER BY votes DESC NULLS LAST, gross_worldwide DESC NULLS LAST, year DESC NULLS LAST, line) AS place"
    "  FROM (SELECT *, CASE step WHEN 0 THEN base WHEN 1 THEN dated ELSE dated || '-' || step - 1 + row_number()"
    "    OVER (PARTITION BY dated ORDER BY votes DESC NULLS LAST, gross_worldwide DESC NULLS LAST, line) END AS slug"
    "   FROM pg_temp.load_slugs) s"
    "  WHERE NOT EXISTS (SELECT FROM filmyfly.movies m WHERE m.slug = s.slug)"
    "   AND NOT EXISTS (SELECT FROM filmyfly.movies m WHERE m.old_slugs @> ARRAY[s.slug])"
    "   AND NOT EXISTS (SELECT FROM pg_temp.load_movies t WHERE t.new_slug = s.slug)) c"
    " WHERE n.line = c.line AND c.place = 1;"
    " DELETE FROM pg_temp.load_slugs s USING pg_temp.load_movies n WHERE n.line = s.line AND n.new_slug IS NOT NULL;"
    " step := step + 1;"
    "END LOOP; END $$";

const char load_sql_insert[] =
    "INSERT INTO filmyfly.movies (slug, title, original_title, release_date, year, runtime, certificate, director,"
    " actors, distributor, synopsis, score, votes, critics, budget, gross_domestic, gross_worldwide, links, poster,"
    " creative_type, source, published) "
    "SELECT new_slug, title, original_title, release_date, year, runtime, certificate, director,"
    " coalesce(actors, '{}'), distributor, synopsis, score, coalesce(votes, 0), critics, budget, gross_domestic,"
    " gross_worldwide, coalesce(links, '{}'), poster, creative_type, source, coalesce(published, true) "
    "FROM pg_temp.load_movies WHERE id IS NULL ORDER BY line";

/* Categories are only added to: an editor's own stay. Names that make the same slug are one category. */
const char load_sql_categories[] =
    "UPDATE pg_temp.load_movies n SET id = m.id FROM filmyfly.movies m WHERE n.id IS NULL AND m.slug = n.new_slug;"
    "CREATE TEMPORARY TABLE load_categories ON COMMIT DROP AS "
    "SELECT name, coalesce(nullif(filmyfly.slug_of(name), ''), 'category-' || left(md5(name), 8)) AS slug,"
    " NULL::bigint AS id "
    "FROM (SELECT DISTINCT unnest(categories) AS name FROM pg_temp.load_movies) n;"
    "INSERT INTO filmyfly.categories (slug, name)"
    " SELECT slug, name FROM pg_temp.load_categories ORDER BY name ON CONFLICT DO NOTHING;"
    "UPDATE pg_temp.load_categories l SET id = coalesce("
    " (SELECT id FROM filmyfly.categories c WHERE c.name = l.name),"
    " (SELECT id FROM filmyfly.categories c WHERE c.slug = l.slug));"
    "INSERT INTO filmyfly.movie_categories (movie_id, category_id) "
    "SELECT DISTINCT n.id, c.id FROM pg_temp.load_movies n, unnest(n.categories) AS g (name)"
    " JOIN pg_temp.load_categories c ON c.name = g.name "
    "EXCEPT SELECT movie_id, category_id FROM filmyfly.movie_categories"
    " WHERE movie_id IN (SELECT id FROM pg_temp.load_movies)";

const char load_sql_count[] =
    "SELECT (SELECT count(*) FROM pg_temp.load_movies), (SELECT count(DISTINCT id) FROM pg_temp.load_categories)";

const char load_sql_vacuum[] =
    "VACUUM (ANALYZE) filmyfly.movies, filmyfly.categories, filmyfly.movie_categories,"
    " filmyfly.cards, filmyfly.facets, filmyfly.shelves, filmyfly.people, filmyfly.movie_people,"
    " filmyfly.counters, filmyfly.search_entries, filmyfly.search_words";
