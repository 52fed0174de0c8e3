-- A search shows the 240 best known of what it finds, ten pages, and suggestions choose among 100: of many millions of
-- movies no more are ranked than of a few thousand. For what has the other words, too, 1,000 entries are read of a
-- word's list, or of the lists of ten words together.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Whose entries to read to find what has all the terms: those of the rarest one, or of the best words that begin as the
-- last one does. Empty when nothing can have them all.
CREATE OR REPLACE FUNCTION filmyfly.search_drivers(mark text, terms text[], open_end boolean) RETURNS text[]
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
            FROM filmyfly.search_begun(mark, terms[cardinality(terms)], 10) b;
        IF begun_entries < rarest.entries OR rarest.word IS NULL THEN
            RETURN coalesce(begun, '{}');
        END IF;
    END IF;
    RETURN coalesce(ARRAY[rarest.word], '{}');
END
$$;

-- The people whose names have all the terms: the whole name first, then names that begin so, then the most movies.
CREATE OR REPLACE FUNCTION filmyfly.search_names(terms text[], open_end boolean, most integer)
    RETURNS TABLE (person bigint, movies integer, key text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS
$$
DECLARE
    drivers text[] := filmyfly.search_drivers('!', terms, open_end);
    n integer := greatest(cardinality(drivers), 1);
    patterns text[] := filmyfly.search_patterns(terms, open_end);
    q text := ' ' || array_to_string(terms, ' ');
BEGIN
    RETURN QUERY SELECT e.id, max(e.weight), e.key
        FROM unnest(drivers) d (token), LATERAL (
            SELECT * FROM (
                SELECT s.id, s.weight, s.key FROM filmyfly.search_entries s WHERE s.token = d.token
                ORDER BY s.weight DESC, s.id DESC LIMIT 1000 / n) s
            WHERE s.key LIKE ALL (patterns)
            LIMIT 100 / n) e
        GROUP BY e.id, e.key
        ORDER BY e.key = q || ' / ' DESC, starts_with(e.key, q) DESC, 2 DESC, e.id
        LIMIT most;
END
$$;

-- The movies that have all the terms, in the order in which they are shown: whole titles, titles that begin so, titles
-- with these words beside each other, in any order, then the movies of people of that name; the best known first. When
-- there are none: those of people with some of the terms in the name and the others in the movie's title.
CREATE OR REPLACE FUNCTION filmyfly.search_find(terms text[], open_end boolean, with_people boolean, most integer)
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
    beginnings text[] := ARRAY[begins || '%', ' the' || begins || '%', ' a' || begins || '%', ' an' || begins || '%'];
    patterns text[] := filmyfly.search_patterns(terms, open_end);
    drivers text[] := filmyfly.search_drivers('', terms, open_end);
    tokens text[] := drivers || ('=' || filmyfly.search_bare(q));
    keys text[];
    lengths integer[];    -- movies that are taken of each token, at most
    depth integer := 1000 / greatest(cardinality(drivers), 1);    -- entries that are read of each token, at most
    found bigint[];
BEGIN
    IF dated THEN
        tokens := tokens || ('=' || filmyfly.search_bare(plain));
    END IF;
    keys := array_fill(''::text, ARRAY[cardinality(tokens)]);
    lengths := array_fill(ceil(most / greatest(cardinality(drivers), 1.0))::integer, ARRAY[cardinality(tokens)]);
    FOR pass IN 1..2 LOOP
        IF with_people AND pass = 1 AND NOT (n = 1 AND EXISTS (   -- titles alone fill the list
                SELECT FROM filmyfly.search_words w WHERE w.word = q AND w.entries >= most)) THEN
            SELECT tokens || array_agg('@' || btrim(p.key, ' /')), keys || array_agg(p.key),
                    lengths || array_fill(most / greatest(count(*), 1)::integer, ARRAY[count(*)::integer])
                INTO tokens, keys, lengths FROM filmyfly.search_names(terms, open_end, 5) p;
        ELSIF pass = 2 THEN
            SELECT array_agg('@' || btrim(p.key, ' /')), array_agg(p.key),
                    array_fill(most, ARRAY[count(*)::integer]), 2000 / greatest(count(*), 1)
                INTO tokens, keys, lengths, depth
                FROM (SELECT DISTINCT e.key FROM unnest(terms) t (term), LATERAL (
                    SELECT s.key FROM filmyfly.search_entries s WHERE s.token = '!' || t.term
                    ORDER BY s.weight DESC, s.id DESC LIMIT 100 / n) e) p;
        END IF;
        SELECT array_agg(r.id ORDER BY r.tier, r.votes DESC, r.id DESC) INTO found
            FROM (
                SELECT e.id, max(e.weight) AS votes, min(CASE
                    WHEN d.key <> '' THEN 4
                    WHEN starts_with(d.token, '=') THEN 0
                    WHEN e.key LIKE ANY (beginnings) THEN 1
                    WHEN strpos(e.key, beside) > 0 THEN 2
                    ELSE 3 END) AS tier
                FROM unnest(tokens, keys, lengths) d (token, key, length), LATERAL (
                    SELECT * FROM (
                        SELECT s.id, s.weight, s.key FROM filmyfly.search_entries s WHERE s.token = d.token
                        ORDER BY s.weight DESC, s.id DESC LIMIT depth) s
                    WHERE d.key || s.key LIKE ALL (patterns)
                    LIMIT d.length) e
                GROUP BY e.id
            ) r;
        EXIT WHEN found IS NOT NULL OR n = 1 OR NOT with_people;
    END LOOP;
    RETURN coalesce(found[:most], '{}');
END
$$;

-- What /search shows: the ranked movies of the words that were searched in the end. The last term may be the beginning
-- of a word when whole words do not fill a page; an article may be wrong; two terms may be one word.
CREATE OR REPLACE FUNCTION filmyfly.search_ranked(q text, OUT ids bigint[], OUT corrected text)
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
            ids := filmyfly.search_find(better, false, true, 241);
        END IF;
        IF cardinality(ids) < 24 THEN
            more := filmyfly.search_find(better, true, true, 241);
            ids := ids || ARRAY(SELECT m.id FROM unnest(more) WITH ORDINALITY m (id, place)
                WHERE m.id <> ALL (ids) ORDER BY m.place);
        END IF;
    END IF;
    IF ids = '{}' AND n > 1 AND better[1] IN ('the', 'a', 'an') THEN
        better := better[2:];
        ids := filmyfly.search_find(better, true, true, 241);
    END IF;
    IF ids = '{}' THEN
        FOR i IN 1..cardinality(terms) - 1 LOOP
            better := terms[:i - 1] || (terms[i] || terms[i + 1]) || terms[i + 2:];
            IF filmyfly.search_is_word(better[i]) THEN
                ids := filmyfly.search_find(better, true, true, 241);
                EXIT WHEN ids <> '{}';
            END IF;
        END LOOP;
    END IF;
    ids := ids[:241];
    IF better <> terms AND ids <> '{}' THEN
        corrected := array_to_string(better, ' ');
    END IF;
END
$$;

-- While somebody types: at most 8 movies and people, the last term always the beginning of a word. People get the room
-- that movies leave, and two places at least.
CREATE OR REPLACE FUNCTION filmyfly.search_suggest(q text)
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
        movies := filmyfly.search_find(terms, true, false, 100);
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
