-- Makes the catalogue a million movies from those that are loaded, by repeating them under numbered titles and slugs:
--     psql -X "$(./run --database-url)" -v ON_ERROR_STOP=1 -f tests/bench/million.sql
-- For benchmarks only, with nothing else writing. Takes a few minutes and 1 to 3 GB; running it again adds nothing.
-- What the triggers and the indexes would do row by row is done here for all rows at once, and leaves the same.
\timing on
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
SET synchronous_commit = off;
SET work_mem = '128MB';
SET maintenance_work_mem = '512MB';

BEGIN;
LOCK TABLE filmyfly.movies, filmyfly.categories, filmyfly.movie_categories IN ACCESS EXCLUSIVE MODE;

CREATE TEMPORARY TABLE source ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY id) AS place, m.* FROM filmyfly.movies m WHERE slug !~ '-n[0-9]+$';
ANALYZE pg_temp.source;

CREATE TEMPORARY TABLE copies ON COMMIT DROP AS
    SELECT (SELECT coalesce(max(id), 0) FROM filmyfly.movies) + row_number() OVER (ORDER BY n, s.place) AS id,
        s.id AS original, n
    FROM generate_series(2, 1 + (SELECT ceil(1e6 / greatest(count(*), 1))::integer FROM pg_temp.source)) AS n,
        pg_temp.source s
    ORDER BY n, s.place
    LIMIT greatest(0, 1000000 - (SELECT count(*) FROM filmyfly.movies));
ANALYZE pg_temp.copies;

-- Indexes that belong to no constraint are built again afterwards: sorted once instead of a million insertions.
CREATE TEMPORARY TABLE indexes ON COMMIT DROP AS
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
    WHERE i.indrelid IN ('filmyfly.movies'::regclass, 'filmyfly.movie_categories'::regclass) AND c.oid IS NULL;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT i.name FROM pg_temp.indexes i LOOP
        EXECUTE 'DROP INDEX ' || name;
    END LOOP;
END
$$;
ALTER TABLE filmyfly.movies DISABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_categories DISABLE TRIGGER USER;

-- A copy is its original in everything that a page shows, but was released some days earlier in the same year.
INSERT INTO filmyfly.movies (id, slug, title, original_title, release_date, year, runtime, certificate, director,
        actors, distributor, synopsis, score, votes, critics, budget, gross_domestic, gross_worldwide, links, poster,
        creative_type, source, published, search)
    SELECT c.id, s.slug || '-n' || c.n, s.title || ' ' || c.n, s.original_title,
        s.release_date - CASE WHEN extract(doy FROM s.release_date) > c.n % 300 THEN c.n % 300 ELSE 0 END,
        s.year, s.runtime, s.certificate, s.director, s.actors, s.distributor, s.synopsis, s.score, s.votes, s.critics,
        s.budget, s.gross_domestic, s.gross_worldwide, s.links, s.poster, s.creative_type, s.source, s.published,
        filmyfly.search_of(s.title || ' ' || c.n, s.original_title, s.director, s.actors, s.synopsis)
    FROM pg_temp.copies c JOIN pg_temp.source s ON s.id = c.original ORDER BY c.id;

INSERT INTO filmyfly.movie_categories (movie_id, category_id, published, release_date, score, votes)
    SELECT m.id, mc.category_id, m.published, coalesce(m.release_date, '0001-01-01'), m.score, m.votes
    FROM pg_temp.copies c JOIN filmyfly.movies m ON m.id = c.id
        JOIN filmyfly.movie_categories mc ON mc.movie_id = c.original
    ORDER BY m.id;

UPDATE filmyfly.counters SET value = (SELECT count(*) FROM filmyfly.movies WHERE published) WHERE name = 'movies';
UPDATE filmyfly.categories SET movies =
    (SELECT count(*) FROM filmyfly.movie_categories WHERE category_id = categories.id AND published);
SELECT setval(pg_get_serial_sequence('filmyfly.movies', 'id'), (SELECT max(id) FROM filmyfly.movies));

ALTER TABLE filmyfly.movies ENABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_categories ENABLE TRIGGER USER;
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT i.definition FROM pg_temp.indexes i LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
COMMIT;

VACUUM (ANALYZE) filmyfly.movies, filmyfly.movie_categories, filmyfly.categories, filmyfly.counters;
SELECT value AS published_movies FROM filmyfly.counters WHERE name = 'movies';
