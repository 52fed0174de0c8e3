-- Search that costs the same at a thousand movies and at a million: every question is answered from the beginnings of
-- lists that are kept in order, the best known first.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What this replaces: an index of whole texts, in which a common word is a long list to be read and ranked.
CREATE OR REPLACE FUNCTION filmyfly.movies_prepare() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.year IS NULL AND isfinite(NEW.release_date) THEN
            NEW.year := extract(year FROM NEW.release_date);
        END IF;
        NEW.old_slugs := array_remove(NEW.old_slugs, NEW.slug);
    ELSIF NEW IS DISTINCT FROM OLD THEN
        IF isfinite(NEW.release_date)
            AND (NEW.year IS NULL OR NEW.release_date <> OLD.release_date AND NEW.year = OLD.year) THEN
            NEW.year := extract(year FROM NEW.release_date);
        END IF;
        IF NEW.slug <> OLD.slug THEN
            NEW.old_slugs := array_remove(array_remove(NEW.old_slugs, NEW.slug), OLD.slug) || OLD.slug;
            NEW.old_slugs := NEW.old_slugs[greatest(1, cardinality(NEW.old_slugs) - 49):];
        END IF;
        NEW.created_at := OLD.created_at;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;
ALTER TABLE filmyfly.movies DROP COLUMN search;
DROP FUNCTION filmyfly.search_of(text, text, text, text[], text), filmyfly.search_text(text);

-- Movies and people by token. A token is
--     king            a word of a title: the movies, by votes
--     =king kong      a whole title without its article: the movies, by votes
--     @fay wray       a whole name: the person's movies, by votes
--     !wray           a word of a name: the people, by their number of movies
-- The key holds what a hit is checked and ranked by, so that nothing but the index is read: of a movie
-- " title / original title / year / extra words / ", of a person " name / ".
CREATE TABLE filmyfly.search_entries (
    token   text COLLATE "C" NOT NULL,
    weight  integer NOT NULL,
    id      bigint NOT NULL,
    key     text COLLATE "C" NOT NULL,
    PRIMARY KEY (token, weight, id) INCLUDE (key)
);

-- Index-only scans need pages that VACUUM has seen: often enough, also when rows are only added.
ALTER TABLE filmyfly.search_entries SET (autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02);

-- The words of titles and, behind "!", of names: how many entries each has, and the greatest weight.
CREATE TABLE filmyfly.search_words (
    word     text COLLATE "C" NOT NULL,
    entries  integer NOT NULL,
    best     integer NOT NULL,
    PRIMARY KEY (word) INCLUDE (entries, best)
);
ALTER TABLE filmyfly.search_words SET (autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02);

-- Lower-case words without accents and apostrophes, one blank between them: "L'Été & Moi" becomes "lete and moi".
-- Letters of every script make words; punctuation, symbols and emoji do not.
CREATE FUNCTION filmyfly.search_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN btrim(regexp_replace(regexp_replace(
        replace(lower(CASE WHEN octet_length(value) = char_length(value) THEN value ELSE filmyfly.fold(value) END),
            '&', ' and '),
        '[''`’‘ʼ]', '', 'g'),
        '[\u0001-/:-@\[-`{-¿×÷ʰ-ͯ\u2000-\u2bff\u3000-\u3004\u3008-\u3020・\ufe00-\ufe6f\uff00-\uff0f'
            '\U0001f000-\U0001faff]+',
        ' ', 'g'));

-- Other words by which a title is sought: what it writes without a blank as one word ("Spider-Man", "spiderman"), and
-- Roman numbers as people type them.
CREATE FUNCTION filmyfly.search_extra(title text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN title ~* '\S[-.*·/:_!,+]+\S|\m([iv]i+|i?v|ix)\M' THEN (
        SELECT left(string_agg(e.word, ' '), 80) FROM (
            SELECT unnest(string_to_array(
                filmyfly.search_key(regexp_replace(title, '(?<=\S)[-.*·/:_!,+]+(?=\S)', '', 'g')), ' ')) AS word
            UNION SELECT (array_position('{i,ii,iii,iv,v,vi,vii,viii,ix}'::text[], r.word))::text
                FROM unnest(string_to_array(filmyfly.search_key(title), ' ')) r (word)
                WHERE r.word IN ('ii', 'iii', 'iv', 'v', 'vi', 'vii', 'viii', 'ix')
            EXCEPT SELECT unnest(string_to_array(filmyfly.search_key(title), ' '))
            ORDER BY 1) e) END;

CREATE FUNCTION filmyfly.search_bare(key text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(key, '^(the|a|an) ', '');

-- What a movie is found by. OFFSET 0: each text is folded once. Lengths are such that an entry fits an index page.
CREATE FUNCTION filmyfly.search_of_movie(id bigint, votes integer, title text, original_title text, year integer,
        director text, actors text[])
    RETURNS SETOF filmyfly.search_entries
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT t.token, votes, id, ' ' || concat_ws(' / ', k.title, k.original, year, k.extra) || ' / '
        FROM (
            SELECT nullif(left(filmyfly.search_key(title), 150), '') AS title,
                nullif(left(filmyfly.search_key(original_title), 100), '') AS original,
                filmyfly.search_extra(concat_ws(' ', title, original_title)) AS extra
            OFFSET 0
        ) k, LATERAL (
            SELECT DISTINCT token FROM unnest(
                string_to_array(concat_ws(' ', k.title, k.original, k.extra), ' ')
                || ARRAY['=' || filmyfly.search_bare(k.title), '=' || filmyfly.search_bare(k.original)]
                || ARRAY(SELECT '@' || left(filmyfly.search_key(name), 100) FROM unnest(actors || director) n (name))
            ) u (token) WHERE token NOT IN ('', '=', '@')
        ) t;
    END;

CREATE FUNCTION filmyfly.search_of_person(id bigint, movies integer, name text)
    RETURNS SETOF filmyfly.search_entries
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT DISTINCT '!' || w.word, movies, id, ' ' || k.name || ' / '
        FROM (SELECT left(filmyfly.search_key(name), 100) AS name OFFSET 0) k,
            LATERAL unnest(string_to_array(k.name, ' ')) w (word)
        WHERE w.word <> '';
    END;

-- Keeps the entries of a table's rows, and the words of the entries. Arguments: the function that makes a row's
-- entries, the columns it takes, and which rows are found at all. Only rows whose columns changed are touched.
-- EXECUTE: each time is planned for as many rows as there are. The lateral OFFSET 0 and the tids keep the planner from
-- reading the whole table to delete some of its rows.
CREATE FUNCTION filmyfly.search_keep() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    before text := format('SELECT %s FROM old_rows WHERE %s', TG_ARGV[1], TG_ARGV[2]);
    after text := format('SELECT %s FROM new_rows WHERE %s', TG_ARGV[1], TG_ARGV[2]);
    entries text := format('SELECT e.* FROM (%%s) r, LATERAL filmyfly.%I(%s) e', TG_ARGV[0], TG_ARGV[1]);
    count_words text := ' SELECT array_agg(token), array_agg(n) FROM (
        SELECT token, count(*)::integer AS n FROM changed WHERE token !~ ''^[=@]'' GROUP BY token) w';
    gone text[];
    gone_n integer[];
    fresh text[];
    fresh_n integer[];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        EXECUTE 'WITH changed AS (DELETE FROM filmyfly.search_entries WHERE ctid = ANY (ARRAY(
                SELECT here.at FROM ('
            || format(entries, before || CASE TG_OP WHEN 'UPDATE' THEN ' EXCEPT ' || after ELSE '' END)
            || ') g, LATERAL (SELECT e.ctid AS at FROM filmyfly.search_entries e
                WHERE e.token = g.token AND e.weight = g.weight AND e.id = g.id OFFSET 0) here)) RETURNING token)'
            || count_words INTO gone, gone_n;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE 'WITH changed AS (INSERT INTO filmyfly.search_entries '
            || format(entries, after || CASE TG_OP WHEN 'UPDATE' THEN ' EXCEPT ' || before ELSE '' END)
            || ' ORDER BY 1, 2, 3 RETURNING token)' || count_words INTO fresh, fresh_n;
    END IF;
    PERFORM filmyfly.search_count(gone, gone_n, fresh, fresh_n);
    RETURN NULL;
END
$$;

-- The words are locked in their order, so that two writers never wait for each other in a circle.
CREATE FUNCTION filmyfly.search_count(gone text[], gone_n integer[], fresh text[], fresh_n integer[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    words text[] := gone || fresh;
BEGIN
    INSERT INTO filmyfly.search_words AS w (word, entries, best)
        SELECT t.word, sum(t.more), 0
        FROM (SELECT word, -n AS more FROM unnest(gone, gone_n) g (word, n)
            UNION ALL SELECT word, n FROM unnest(fresh, fresh_n) f (word, n)) t
        GROUP BY t.word ORDER BY t.word
        ON CONFLICT (word) DO UPDATE SET entries = w.entries + EXCLUDED.entries;
    DELETE FROM filmyfly.search_words w WHERE w.word = ANY (gone) AND w.entries = 0;
    UPDATE filmyfly.search_words w SET best = b.weight
        FROM (SELECT DISTINCT t.word, (SELECT e.weight FROM filmyfly.search_entries e WHERE e.token = t.word
                ORDER BY e.weight DESC LIMIT 1) AS weight
            FROM unnest(words) t (word) OFFSET 0) b
        WHERE w.word = ANY (words) AND w.word = b.word AND w.best <> b.weight;
END
$$;

-- Makes everything anew, from what stands in the tables.
CREATE FUNCTION filmyfly.search_rebuild() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    TRUNCATE filmyfly.search_entries, filmyfly.search_words;
    INSERT INTO filmyfly.search_entries
        SELECT e.* FROM filmyfly.movies m, LATERAL filmyfly.search_of_movie(
            m.id, m.votes, m.title, m.original_title, m.year, m.director, m.actors) e
        WHERE m.published
        UNION ALL
        SELECT e.* FROM filmyfly.people p, LATERAL filmyfly.search_of_person(p.id, p.movies, p.name) e
        WHERE p.movies > 0
        ORDER BY 1, 2, 3;
    INSERT INTO filmyfly.search_words
        SELECT token, count(*), max(weight) FROM filmyfly.search_entries WHERE token !~ '^[=@]' GROUP BY token
        ORDER BY token;
END
$$;

CREATE FUNCTION filmyfly.search_truncated() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.search_rebuild();
    RETURN NULL;
END
$$;

CREATE TRIGGER search_inserted AFTER INSERT ON filmyfly.movies REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep(
        'search_of_movie', 'id, votes, title, original_title, year, director, actors', 'published');
CREATE TRIGGER search_updated AFTER UPDATE ON filmyfly.movies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep(
        'search_of_movie', 'id, votes, title, original_title, year, director, actors', 'published');
CREATE TRIGGER search_deleted AFTER DELETE ON filmyfly.movies REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep(
        'search_of_movie', 'id, votes, title, original_title, year, director, actors', 'published');
CREATE TRIGGER search_truncated AFTER TRUNCATE ON filmyfly.movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_truncated();

CREATE TRIGGER search_inserted AFTER INSERT ON filmyfly.people REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep('search_of_person', 'id, movies, name', 'movies > 0');
CREATE TRIGGER search_updated AFTER UPDATE ON filmyfly.people REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep('search_of_person', 'id, movies, name', 'movies > 0');
CREATE TRIGGER search_deleted AFTER DELETE ON filmyfly.people REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_keep('search_of_person', 'id, movies, name', 'movies > 0');
CREATE TRIGGER search_truncated AFTER TRUNCATE ON filmyfly.people
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.search_truncated();

-- The words that a visitor typed: at most 8, of at most 100 letters together. "E.T." is one.
CREATE FUNCTION filmyfly.search_terms(q text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (ARRAY(SELECT t.term
        FROM unnest(string_to_array(filmyfly.search_key(regexp_replace(
            left(q, 100), '(?<=(^|[\s.*])\w)[.*](?=\w([\s.*]|$))', '', 'g')), ' ')) WITH ORDINALITY t (term, place)
        WHERE t.term <> '' ORDER BY t.place))[1:8];

CREATE FUNCTION filmyfly.search_is_year(term text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN term ~ '^[0-9]{4}$' AND term BETWEEN '1870' AND '2100';

CREATE FUNCTION filmyfly.search_is_word(term text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (SELECT FROM filmyfly.search_words w WHERE w.word IN (term, '!' || term));

-- Words behind mark ('' or '!') that begin so, those of the best known first. Three bytes or more: a range that a
-- million movies do not make long (two letters of most other scripts have four).
CREATE FUNCTION filmyfly.search_begun(mark text, beginning text, most integer) RETURNS SETOF filmyfly.search_words
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT w.* FROM filmyfly.search_words w
        WHERE w.word >= mark || beginning AND w.word < mark || beginning || U&'\+10FFFF'
            AND octet_length(beginning) >= 3
        ORDER BY w.best DESC, w.entries DESC, w.word
        LIMIT most;
    END;

-- Whose entries to read to find what has all the terms: those of the rarest one, or of the best words that begin as the
-- last one does. Empty when nothing can have them all.
CREATE FUNCTION filmyfly.search_drivers(mark text, terms text[], open_end boolean) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    closed text[] := CASE WHEN open_end THEN terms[:cardinality(terms) - 1] ELSE terms END;
    rarest filmyfly.search_words;
    begun text[];
    begun_entries bigint;
    missing integer;
BEGIN
    SELECT count(*) FILTER (WHERE w.word IS NULL AND NOT (mark = '' AND filmyfly.search_is_year(t.term))) INTO missing
        FROM unnest(closed) t (term) LEFT JOIN LATERAL (
            SELECT * FROM filmyfly.search_words WHERE word = mark || t.term LIMIT 1) w ON true;
    IF missing > 0 THEN
        RETURN '{}';
    END IF;
    SELECT w.* INTO rarest FROM unnest(closed) t (term), LATERAL (
            SELECT * FROM filmyfly.search_words WHERE word = mark || t.term LIMIT 1) w
        ORDER BY w.entries, w.word LIMIT 1;
    IF open_end THEN
        SELECT array_agg(b.word), sum(b.entries) INTO begun, begun_entries
            FROM filmyfly.search_begun(mark, terms[cardinality(terms)], 20) b;
        IF begun_entries < rarest.entries OR rarest.word IS NULL THEN
            RETURN coalesce(begun, '{}');
        END IF;
    END IF;
    RETURN coalesce(ARRAY[rarest.word], '{}');
END
$$;

CREATE FUNCTION filmyfly.search_patterns(terms text[], open_end boolean) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT '% ' || t.term || CASE WHEN open_end AND t.place = cardinality(terms) THEN '%' ELSE ' %' END
        FROM unnest(terms) WITH ORDINALITY t (term, place));

-- The people whose names have all the terms: the whole name first, then names that begin so, then the most movies.
CREATE FUNCTION filmyfly.search_names(terms text[], open_end boolean, most integer)
    RETURNS TABLE (person bigint, movies integer, key text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    drivers text[] := filmyfly.search_drivers('!', terms, open_end);
    patterns text[] := filmyfly.search_patterns(terms, open_end);
    q text := ' ' || array_to_string(terms, ' ');
BEGIN
    RETURN QUERY SELECT e.id, max(e.weight), e.key
        FROM unnest(drivers) d (token), LATERAL (
            SELECT s.id, s.weight, s.key FROM filmyfly.search_entries s WHERE s.token = d.token
            ORDER BY s.weight DESC, s.id DESC LIMIT 1000 / greatest(cardinality(drivers), 1)) e
        WHERE e.key LIKE ALL (patterns)
        GROUP BY e.id, e.key
        ORDER BY e.key = q || ' / ' DESC, starts_with(e.key, q) DESC, 2 DESC, e.id
        LIMIT most;
END
$$;

-- The movies that have all the terms, in the order in which they are shown: whole titles, titles that begin so, titles
-- with these words beside each other, in any order, then the movies of people of that name; the best known first. When
-- there are none: those of people with some of the terms in the name and the others in the movie's title.
CREATE FUNCTION filmyfly.search_find(terms text[], open_end boolean, with_people boolean, most integer)
    RETURNS bigint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    n integer := cardinality(terms);
    q text := array_to_string(terms, ' ');
    -- "king kong 1933" is a whole title, or one of that year.
    dated boolean := n > 1 AND filmyfly.search_is_year(terms[n]);
    plain text := CASE WHEN dated THEN array_to_string(terms[:n - 1], ' ') ELSE q END;
    beside text := ' ' || plain || CASE WHEN open_end AND NOT dated THEN '' ELSE ' ' END;
    begins text := ' ' || filmyfly.search_bare(ltrim(beside));
    patterns text[] := filmyfly.search_patterns(terms, open_end);
    drivers text[] := filmyfly.search_drivers('', terms, open_end);
    tokens text[] := drivers || ('=' || filmyfly.search_bare(q));
    keys text[];
    lengths integer[];
    found bigint[];
BEGIN
    IF dated THEN
        tokens := tokens || ('=' || filmyfly.search_bare(plain));
    END IF;
    keys := array_fill(''::text, ARRAY[cardinality(tokens)]);
    lengths := array_fill(most / greatest(cardinality(drivers), 1), ARRAY[cardinality(tokens)]);
    FOR pass IN 1..2 LOOP
        IF with_people AND pass = 1 AND NOT (n = 1 AND EXISTS (   -- titles alone fill the list
                SELECT FROM filmyfly.search_words w WHERE w.word = q AND w.entries >= most)) THEN
            SELECT tokens || array_agg('@' || btrim(p.key, ' /')), keys || array_agg(p.key),
                    lengths || array_agg(most / 5)
                INTO tokens, keys, lengths FROM filmyfly.search_names(terms, open_end, 5) p;
        ELSIF pass = 2 THEN
            SELECT array_agg('@' || btrim(p.key, ' /')), array_agg(p.key),
                    array_fill(2000 / greatest(count(*), 1)::integer, ARRAY[count(*)::integer])
                INTO tokens, keys, lengths
                FROM (SELECT DISTINCT e.key FROM unnest(terms) t (term), LATERAL (
                    SELECT s.key FROM filmyfly.search_entries s WHERE s.token = '!' || t.term
                    ORDER BY s.weight DESC, s.id DESC LIMIT 100 / n) e) p;
        END IF;
        SELECT array_agg(r.id ORDER BY r.tier, r.votes DESC, r.id DESC) INTO found
            FROM (
                SELECT e.id, max(e.weight) AS votes, min(CASE
                    WHEN d.key <> '' THEN 4
                    WHEN starts_with(d.token, '=') THEN 0
                    WHEN starts_with(e.key, begins) OR starts_with(e.key, ' the' || begins)
                        OR starts_with(e.key, ' a' || begins) OR starts_with(e.key, ' an' || begins) THEN 1
                    WHEN strpos(e.key, beside) > 0 THEN 2
                    ELSE 3 END) AS tier
                FROM unnest(tokens, keys, lengths) d (token, key, length), LATERAL (
                    SELECT s.id, s.weight, s.key FROM filmyfly.search_entries s WHERE s.token = d.token
                    ORDER BY s.weight DESC, s.id DESC LIMIT d.length) e
                WHERE d.key || e.key LIKE ALL (patterns)
                GROUP BY e.id
            ) r;
        EXIT WHEN found IS NOT NULL OR n = 1 OR NOT with_people;
    END LOOP;
    RETURN coalesce(found[:most], '{}');
END
$$;

-- Every word that is one letter away: one too many, one missing, a wrong one, two changed about.
CREATE FUNCTION filmyfly.search_edits(term text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(
        SELECT left(term, i - 1) || substr(term, i + 1) FROM generate_series(1, length(term)) i
        UNION SELECT left(term, i - 1) || substr(term, i + 1, 1) || substr(term, i, 1) || substr(term, i + 2)
            FROM generate_series(1, length(term) - 1) i
        UNION SELECT left(term, i - 1) || chr(c) || substr(term, i + width)
            FROM generate_series(1, length(term) + 1) i, generate_series(97, 122) c, generate_series(0, 1) width);

-- The word, or the two words, that somebody meant who typed a term which is none; NULL when there is no such word.
CREATE FUNCTION filmyfly.search_nearest(term text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    edits text[];
    meant text;
BEGIN
    IF length(term) BETWEEN 3 AND 16 THEN
        edits := filmyfly.search_edits(term);
        SELECT ltrim(w.word, '!') INTO meant FROM filmyfly.search_words w
            WHERE w.word = ANY (edits || ARRAY(SELECT '!' || e FROM unnest(edits) e))
            ORDER BY left(ltrim(w.word, '!'), 1) = left(term, 1) DESC,
                w.best::bigint * CASE WHEN starts_with(w.word, '!') THEN 1000 ELSE 1 END DESC, w.entries DESC, w.word
            LIMIT 1;
    END IF;
    IF meant IS NULL THEN
        SELECT a.word || ' ' || b.word INTO meant
            FROM generate_series(2, length(term) - 2) i, LATERAL (
                SELECT * FROM filmyfly.search_words WHERE word = left(term, i) LIMIT 1) a, LATERAL (
                SELECT * FROM filmyfly.search_words WHERE word = substr(term, i + 1) LIMIT 1) b
            ORDER BY least(a.entries, b.entries) DESC, a.word LIMIT 1;
    END IF;
    RETURN coalesce(meant, filmyfly.search_similar(term));
END
$$;

-- The terms with each that is neither a word nor the beginning of one replaced; NULL when one of them cannot be, or
-- when there are more than two.
CREATE FUNCTION filmyfly.search_corrected(terms text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    n integer := cardinality(terms);
    term text;
    unknown integer := 0;
    better text[] := '{}';
BEGIN
    FOR i IN 1..n LOOP
        term := terms[i];
        IF NOT (filmyfly.search_is_word(term) OR filmyfly.search_is_year(term)
            OR i = n AND (octet_length(term) < 3 AND n > 1
                OR EXISTS (SELECT FROM filmyfly.search_begun('', term, 1))
                OR EXISTS (SELECT FROM filmyfly.search_begun('!', term, 1)))) THEN
            unknown := unknown + 1;
            term := CASE WHEN unknown <= 2 THEN filmyfly.search_nearest(term) END;
            EXIT WHEN term IS NULL;
        END IF;
        better := better || string_to_array(term, ' ');
    END LOOP;
    RETURN CASE WHEN cardinality(better) >= n AND (better = terms OR better NOT IN ('{the}', '{a}', '{an}'))
        THEN better[:8] END;
END
$$;

-- What /search shows: the ranked movies of the words that were searched in the end. The last term may be the beginning
-- of a word when whole words do not fill a page; an article may be wrong; two terms may be one word.
CREATE FUNCTION filmyfly.search_ranked(q text, OUT ids bigint[], OUT corrected text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    terms text[] := filmyfly.search_terms(q);
    better text[] := filmyfly.search_corrected(terms);
    more bigint[];
    n integer;
BEGIN
    ids := '{}';
    IF cardinality(better) > 0 THEN
        n := cardinality(better);
        IF filmyfly.search_is_word(better[n]) THEN
            ids := filmyfly.search_find(better, false, true, 1001);
        END IF;
        IF cardinality(ids) < 24 THEN
            more := filmyfly.search_find(better, true, true, 1001);
            ids := ids || ARRAY(SELECT m.id FROM unnest(more) WITH ORDINALITY m (id, place)
                WHERE m.id <> ALL (ids) ORDER BY m.place);
        END IF;
    END IF;
    IF ids = '{}' AND n > 1 AND better[1] IN ('the', 'a', 'an') THEN
        better := better[2:];
        ids := filmyfly.search_find(better, true, true, 1001);
    END IF;
    IF ids = '{}' THEN
        FOR i IN 1..cardinality(terms) - 1 LOOP
            better := terms[:i - 1] || (terms[i] || terms[i + 1]) || terms[i + 2:];
            IF filmyfly.search_is_word(better[i]) THEN
                ids := filmyfly.search_find(better, true, true, 1001);
                EXIT WHEN ids <> '{}';
            END IF;
        END LOOP;
    END IF;
    IF better <> terms AND ids <> '{}' THEN
        corrected := array_to_string(better, ' ');
    END IF;
END
$$;

-- At most 6 people: whole words first, then the last term as a beginning, then those whose whole name stands among the
-- terms ("forrest gump tom hanks").
CREATE FUNCTION filmyfly.search_people(q text) RETURNS SETOF filmyfly.people
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    terms text[] := filmyfly.search_corrected(filmyfly.search_terms(q));
    found bigint[];
BEGIN
    IF terms IS NULL OR terms = '{}' THEN
        RETURN;
    END IF;
    found := ARRAY(SELECT person FROM filmyfly.search_names(terms, false, 6));
    IF cardinality(found) < 6 THEN
        found := found || ARRAY(SELECT person FROM filmyfly.search_names(terms, true, 12) WHERE person <> ALL (found));
    END IF;
    IF found = '{}' AND cardinality(terms) > 2 THEN
        found := ARRAY(SELECT DISTINCT e.id FROM unnest(terms) t (term), LATERAL (
                SELECT s.id, s.key FROM filmyfly.search_entries s WHERE s.token = '!' || t.term
                ORDER BY s.weight DESC, s.id DESC LIMIT 100) e
            WHERE string_to_array(btrim(e.key, ' /'), ' ') <@ terms);
    END IF;
    RETURN QUERY SELECT p.* FROM unnest(found[:6]) WITH ORDINALITY f (id, place), LATERAL (
            SELECT * FROM filmyfly.people WHERE people.id = f.id LIMIT 1) p
        ORDER BY f.place;
END
$$;

-- While somebody types: at most 8 movies and people, the last term always the beginning of a word. People get the room
-- that movies leave, and two places at least.
CREATE FUNCTION filmyfly.search_suggest(q text)
    RETURNS TABLE (kind text, slug text, title text, year integer)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    terms text[] := filmyfly.search_terms(q);
    movies bigint[];
    persons bigint[];
BEGIN
    FOR pass IN 1..2 LOOP
        EXIT WHEN terms IS NULL OR terms = '{}';
        movies := filmyfly.search_find(terms, true, false, 200);
        persons := ARRAY(SELECT person FROM filmyfly.search_names(terms, true, 8));
        EXIT WHEN movies <> '{}' OR persons <> '{}' OR pass = 2;
        terms := filmyfly.search_corrected(terms);
    END LOOP;
    RETURN QUERY SELECT 'movie', m.slug::text, m.title, m.year
        FROM unnest(movies[:8 - least(cardinality(persons), 2)]) WITH ORDINALITY f (id, place), LATERAL (
            SELECT * FROM filmyfly.cards WHERE movie_id = f.id AND list = 0 LIMIT 1) m
        ORDER BY f.place;
    RETURN QUERY SELECT 'person', p.slug::text, p.name, NULL::integer
        FROM unnest(persons[:greatest(2, 8 - cardinality(movies))]) WITH ORDINALITY f (id, place), LATERAL (
            SELECT * FROM filmyfly.people WHERE people.id = f.id LIMIT 1) p
        ORDER BY f.place;
END
$$;

-- At most 6 movies for an address that leads nowhere: what a search for its words finds, or for fewer and fewer of
-- them, the most common ones left out first.
CREATE FUNCTION filmyfly.search_like(slug text) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    terms text[] := filmyfly.search_terms(slug);
    better text[] := filmyfly.search_corrected(terms);
    found bigint[] := '{}';
BEGIN
    terms := coalesce(better, ARRAY(SELECT t.term FROM unnest(terms) WITH ORDINALITY t (term, place)
        WHERE filmyfly.search_is_word(t.term) ORDER BY t.place));
    WHILE cardinality(terms) > 0 LOOP
        found := filmyfly.search_find(terms, false, false, 200);
        EXIT WHEN found <> '{}';
        SELECT array_agg(r.term ORDER BY r.place) INTO terms FROM (
            SELECT t.term, t.place FROM unnest(terms) WITH ORDINALITY t (term, place) LEFT JOIN LATERAL (
                SELECT entries FROM filmyfly.search_words WHERE word = t.term LIMIT 1) w ON true
            ORDER BY w.entries DESC NULLS FIRST, t.place DESC OFFSET 1) r;
    END LOOP;
    RETURN found[:6];
END
$$;

-- Typing mistakes of more than a letter need pg_trgm. It may be there already, in whichever schema; whoever owns this
-- database may mostly add it. Its names are bound here, so it does not matter what a session's path is, and the
-- function reads as its owner: readers need no right on the extension's schema.
DO $$
DECLARE
    place text;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
            EXECUTE format('CREATE EXTENSION pg_trgm SCHEMA %I',
                CASE WHEN to_regnamespace('extensions') IS NULL THEN 'public' ELSE 'extensions' END);
        END IF;
        SELECT quote_ident(n.nspname) INTO place
            FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
        EXECUTE format('CREATE INDEX search_words_trigrams ON filmyfly.search_words
            USING gin (word %s.gin_trgm_ops) WITH (fastupdate = off)', place);
        EXECUTE format('CREATE FUNCTION filmyfly.search_similar(term text) RETURNS text
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            RETURN (SELECT ltrim(w.word, ''!'') FROM filmyfly.search_words w WHERE w.word OPERATOR(%1$s.%%) term
                ORDER BY %1$s.similarity(w.word, term) DESC, w.best DESC, w.word LIMIT 1)', place);
    EXCEPTION
        WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR invalid_schema_name
                OR undefined_object THEN
            RAISE NOTICE 'search goes without pg_trgm, so it mends mistakes of one letter only: %', SQLERRM;
            CREATE FUNCTION filmyfly.search_similar(term text) RETURNS text
                LANGUAGE sql STABLE RETURN NULL::text;
    END;
END
$$;

DO $$
BEGIN
    PERFORM filmyfly.search_rebuild();
END
$$;

CALL filmyfly.close_to_others();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        GRANT SELECT ON filmyfly.search_entries, filmyfly.search_words TO filmyfly_reader;
        GRANT EXECUTE ON FUNCTION filmyfly.search_key(text), filmyfly.search_bare(text), filmyfly.search_terms(text),
            filmyfly.search_is_year(text), filmyfly.search_is_word(text), filmyfly.search_begun(text, text, integer),
            filmyfly.search_drivers(text, text[], boolean), filmyfly.search_patterns(text[], boolean),
            filmyfly.search_names(text[], boolean, integer), filmyfly.search_find(text[], boolean, boolean, integer),
            filmyfly.search_edits(text), filmyfly.search_similar(text), filmyfly.search_nearest(text),
            filmyfly.search_corrected(text[]), filmyfly.search_ranked(text), filmyfly.search_people(text),
            filmyfly.search_suggest(text), filmyfly.search_like(text) TO filmyfly_reader;
    END IF;
END
$$;
