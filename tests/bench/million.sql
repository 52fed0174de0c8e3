-- Makes the catalogue a million movies from those that are loaded, by repeating them under numbered titles and slugs:
--     psql -X "$(./run --database-url)" -v ON_ERROR_STOP=1 -f tests/bench/million.sql
-- For benchmarks only, with nothing else writing. Takes a few minutes and 1 to 3 GB; running it again adds nothing.
-- What the triggers and the indexes would do row by row is done here for all rows at once, and leaves the same.
\timing on
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
SET work_mem = '128MB';
SET maintenance_work_mem = '512MB';

BEGIN;
LOCK TABLE filmyfly.movies, filmyfly.categories, filmyfly.movie_categories, filmyfly.people, filmyfly.movie_people,
    filmyfly.cards IN ACCESS EXCLUSIVE MODE;

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
    WHERE i.indrelid IN ('filmyfly.movies'::regclass, 'filmyfly.movie_categories'::regclass,
        'filmyfly.people'::regclass, 'filmyfly.movie_people'::regclass, 'filmyfly.cards'::regclass) AND c.oid IS NULL;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT i.name FROM pg_temp.indexes i LOOP
        EXECUTE 'DROP INDEX ' || name;
    END LOOP;
END
$$;
-- Foreign keys too: checked once instead of row by row.
CREATE TEMPORARY TABLE keys ON COMMIT DROP AS
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = 'filmyfly.movie_categories'::regclass AND contype = 'f';
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT k.name FROM pg_temp.keys k LOOP
        EXECUTE format('ALTER TABLE filmyfly.movie_categories DROP CONSTRAINT %I', name);
    END LOOP;
END
$$;
ALTER TABLE filmyfly.movies DISABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_categories DISABLE TRIGGER USER;
ALTER TABLE filmyfly.people DISABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_people DISABLE TRIGGER USER;
ALTER TABLE filmyfly.cards DISABLE TRIGGER USER;

-- A copy is its original in everything that a page shows, but was released some days earlier in the same year, and its
-- people are others, of the same names with a number: a catalogue of a million movies has that many more people, each
-- with as many movies as before.
INSERT INTO filmyfly.movies (id, slug, title, original_title, release_date, year, runtime, certificate, director,
        actors, distributor, synopsis, score, votes, critics, budget, gross_domestic, gross_worldwide, links, poster,
        creative_type, source, published)
    SELECT c.id, s.slug || '-n' || c.n, s.title || ' ' || c.n, s.original_title,
        s.release_date - CASE WHEN extract(doy FROM s.release_date) > c.n % 300 THEN c.n % 300 ELSE 0 END,
        s.year, s.runtime, s.certificate, p.director, p.actors, s.distributor, s.synopsis, s.score, s.votes, s.critics,
        s.budget, s.gross_domestic, s.gross_worldwide, s.links, s.poster, s.creative_type, s.source, s.published
    FROM pg_temp.copies c JOIN pg_temp.source s ON s.id = c.original, LATERAL (
        SELECT s.director || ' ' || c.n AS director,
            ARRAY(SELECT a.name || ' ' || c.n FROM unnest(s.actors) WITH ORDINALITY a (name, place) ORDER BY a.place)
                AS actors) p
    ORDER BY c.id;

INSERT INTO filmyfly.movie_categories (movie_id, category_id)
    SELECT c.id, mc.category_id
    FROM pg_temp.copies c JOIN filmyfly.movie_categories mc ON mc.movie_id = c.original
    ORDER BY c.id;

INSERT INTO filmyfly.cards
    SELECT m.id, k.list, k.rank, filmyfly.released(m.release_date, m.year), k.year, k.score, m.slug, m.title,
        k.certificate
    FROM pg_temp.copies c JOIN filmyfly.movies m ON m.id = c.id JOIN filmyfly.cards k ON k.movie_id = c.original
    ORDER BY k.list, m.id;

CREATE TEMPORARY TABLE persons ON COMMIT DROP AS
    SELECT p.*, row_number() OVER (ORDER BY p.id) AS place, last.id AS last, count(*) OVER () AS persons
    FROM filmyfly.people p, (SELECT max(id) AS id FROM filmyfly.people) last
    WHERE p.id IN (SELECT person_id FROM filmyfly.movie_people WHERE movie_id IN (SELECT id FROM pg_temp.source));
ANALYZE pg_temp.persons;
INSERT INTO filmyfly.movie_people
    SELECT m.id, p.last + (c.n - 2) * p.persons + p.place, filmyfly.released(m.release_date, m.year), m.year,
        mp.directed, mp.billing, m.score, m.slug, m.title, p.slug || '-n' || c.n
    FROM pg_temp.copies c JOIN filmyfly.movies m ON m.id = c.id
        JOIN filmyfly.movie_people mp ON mp.movie_id = c.original JOIN pg_temp.persons p ON p.id = mp.person_id
    ORDER BY m.id, mp.billing;
INSERT INTO filmyfly.people (id, key, slug, name, movies, directed, acted)
    SELECT p.last + (g.n - 2) * p.persons + p.place, p.key || ' ' || g.n, p.slug || '-n' || g.n, p.name || ' ' || g.n,
        g.movies, g.directed, g.acted
    FROM (
        SELECT mp.person_id, c.n, count(*) AS movies, count(*) FILTER (WHERE mp.directed) AS directed,
            count(mp.billing) AS acted
        FROM pg_temp.copies c JOIN filmyfly.movie_people mp ON mp.movie_id = c.original GROUP BY 1, 2) g
        JOIN pg_temp.persons p ON p.id = g.person_id
    ORDER BY 1;

TRUNCATE filmyfly.facets;
INSERT INTO filmyfly.facets
    SELECT list, coalesce(year, 0), coalesce(certificate, ''), coalesce(floor(score), -1), count(*)
    FROM filmyfly.cards GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
UPDATE filmyfly.counters k SET value = n.movies FROM (
    SELECT CASE WHEN grouping(f.year) = 0 THEN 'decade:' || f.year WHEN grouping(f.certificate) = 0
        THEN 'certificate:' || f.certificate ELSE 'movies' END AS name, sum(f.movies) AS movies
    FROM (SELECT year / 10 * 10 AS year, certificate, movies FROM filmyfly.facets WHERE list = 0) f
    GROUP BY GROUPING SETS ((f.year), (f.certificate), ())) n
    WHERE k.name = n.name;
UPDATE filmyfly.categories SET movies =
    (SELECT coalesce(sum(f.movies), 0) FROM filmyfly.facets f WHERE f.list = categories.id);
SELECT setval(pg_get_serial_sequence('filmyfly.people', 'id'), (SELECT max(id) FROM filmyfly.people));
SELECT setval(pg_get_serial_sequence('filmyfly.movies', 'id'), (SELECT max(id) FROM filmyfly.movies));

ALTER TABLE filmyfly.movies ENABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_categories ENABLE TRIGGER USER;
ALTER TABLE filmyfly.people ENABLE TRIGGER USER;
ALTER TABLE filmyfly.movie_people ENABLE TRIGGER USER;
ALTER TABLE filmyfly.cards ENABLE TRIGGER USER;
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT i.definition FROM pg_temp.indexes i LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
SELECT filmyfly.search_rebuild();
UPDATE filmyfly.shelves SET cards = filmyfly.shelf_of(list);
COMMIT;

VACUUM (ANALYZE) filmyfly.movies, filmyfly.movie_categories, filmyfly.categories, filmyfly.people,
    filmyfly.movie_people, filmyfly.cards, filmyfly.facets, filmyfly.shelves, filmyfly.counters,
    filmyfly.search_entries, filmyfly.search_words;
SELECT value AS published_movies FROM filmyfly.counters WHERE name = 'movies';
