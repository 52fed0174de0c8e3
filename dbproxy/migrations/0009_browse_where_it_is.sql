-- A filtered list begins and ends its walk where the kept counts say that its movies are. Certificates and scores are
-- not spread evenly: whole decades may have none, and the walk read them all.
SET LOCAL search_path = pg_catalog, pg_temp;

-- One page of the list of a category, or of all movies, with the filters that are not null. There are two ways: to walk
-- along the index that has the wanted order and leave out what does not match; or, when so little matches that the walk
-- would be long, to gather all that matches by the most selective index and sort that. The kept counts say which, and
-- which years, or which scores, the walk leads through.
CREATE OR REPLACE FUNCTION filmyfly.browse(of_category text, of_decade integer, of_year integer, of_certificate text,
        min_score integer, wanted_order text, page integer, per_page integer, after bigint)
    RETURNS TABLE (id bigint, slug text, title text, year integer, score numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    -- Without knowing the limit the planner would sort the whole list.
    SET enable_sort = off AS
$$
#variable_conflict use_column
DECLARE
    in_list integer := 0;
    years int4range := filmyfly.years_asked(of_decade, of_year);
    day_from date := '-infinity';
    day_to date := 'infinity';
    rank_from integer := CASE WHEN min_score IS NULL THEN 0
        ELSE filmyfly.rank_of(least(greatest(min_score, 0), 11), 0) END;
    rank_to integer := 2147483647;
    bound date;                                                  -- one to a side of a walk: an index begins at one only
    bound_rank integer;
    bound_id bigint;
    skip bigint := (least(greatest(coalesce(page, 1), 1), 100) - 1) * per_page;
    most CONSTANT bigint := 9223372036854775807;
    last filmyfly.cards;                                         -- of the page before
    last_key text COLLATE "C";
    first_year integer;
    last_year integer;
    last_place integer;
    n record;                                                    -- how many movies match in part, and the walk
    gather numeric;                                              -- entries to read in the other way
BEGIN
    IF of_category IS NOT NULL THEN
        SELECT g.id INTO in_list FROM filmyfly.categories g WHERE g.slug = of_category;
    END IF;
    IF after IS NOT NULL THEN
        SELECT * INTO last FROM filmyfly.cards c WHERE c.movie_id = after AND c.list = 0;
    END IF;
    IF in_list IS NULL OR isempty(years) OR (after IS NOT NULL AND last IS NULL) THEN
        RETURN;
    END IF;
    IF NOT lower_inf(years) THEN
        day_from := make_date(greatest(lower(years), 1), 1, 1);
        day_to := make_date(upper(years) - 1, 12, 31);
    END IF;
    first_year := lower(years);
    last_year := upper(years) - 1;
    last_key := coalesce(filmyfly.title_key(last.title), '');
    last_place := CASE wanted_order WHEN 'best' THEN -coalesce(floor(last.score), -1) WHEN 'title' THEN 0
        WHEN 'oldest' THEN coalesce(last.year, 0) ELSE -coalesce(last.year, 0) END;

    IF of_certificate IS NOT NULL OR min_score IS NOT NULL
        OR (wanted_order IN ('best', 'title') AND NOT lower_inf(years)) THEN
        -- The places of a walk are the years or the whole scores, in its order. It leads from the first place that has
        -- a movie of this page to the one that fills it, or to the last that has any. How many movies stand behind the
        -- last one in its own place is not known: they are not counted on.
        SELECT sum(w.of_years) AS of_years, sum(w.of_certificate) AS of_certificate, sum(w.of_score) AS of_score,
            min(w.place) FILTER (WHERE on_way) AS begins, max(w.place) FILTER (WHERE on_way) AS ends,
            min(w.before) FILTER (WHERE on_way) AS passed,
            sum(w.movies * CASE WHEN w.matching = 0 THEN 1
                ELSE least(w.matching, skip + per_page - w.before) / w.matching::numeric END)
                FILTER (WHERE on_way) AS walk
            INTO n
            FROM (
                SELECT *, place <= final AND before < skip + per_page
                    AND (upto > skip OR place = last_place AND after IS NOT NULL) AS on_way
                FROM (
                    SELECT *, sum(counted) OVER way AS upto, sum(counted) OVER way - counted AS before,
                        max(place) FILTER (WHERE matching > 0) OVER () AS final
                    FROM (
                        SELECT place, sum(movies) AS movies, sum(movies) FILTER (WHERE in_years) AS of_years,
                            sum(movies) FILTER (WHERE in_years AND certified) AS of_certificate,
                            sum(movies) FILTER (WHERE scored) AS of_score,
                            coalesce(sum(movies) FILTER (WHERE in_years AND certified AND scored), 0) AS matching,
                            coalesce(sum(movies) FILTER (WHERE in_years AND certified AND scored AND ahead), 0)::integer
                                AS counted
                        FROM (
                            SELECT f.movies::integer AS movies, t.place,
                                first_year IS NULL OR f.year BETWEEN first_year AND last_year AS in_years,
                                of_certificate IS NULL OR f.certificate = of_certificate AS certified,
                                min_score IS NULL OR f.score >= greatest(min_score, 0) AS scored,
                                after IS NULL OR t.place > last_place AS ahead
                            FROM filmyfly.facets f, LATERAL (SELECT CASE wanted_order WHEN 'best' THEN -f.score
                                WHEN 'title' THEN 0 WHEN 'oldest' THEN f.year ELSE -f.year END AS place) t
                            WHERE f.list = in_list
                            OFFSET 0
                        ) cells
                        GROUP BY place
                    ) places
                    WINDOW way AS (ORDER BY place)
                ) sums
            ) w;
        IF n.walk IS NULL THEN
            RETURN;
        END IF;
        gather := least(CASE WHEN of_certificate IS NOT NULL THEN n.of_certificate END,
            CASE WHEN min_score IS NOT NULL THEN n.of_score END, n.of_years);
        -- To gather an entry costs more than to pass by one: it is kept, sorted, and may have to be fetched.
        IF n.walk > 3 * gather THEN
            RETURN QUERY EXECUTE '
                WITH found AS MATERIALIZED (
                    SELECT movie_id, slug, title, year, score, released, rank FROM filmyfly.cards
                    WHERE list = $1'
                || CASE gather
                    WHEN n.of_years THEN ' AND released BETWEEN $2 AND $3 AND rank + 0 >= $5'
                    WHEN n.of_score THEN ' AND released + 0 BETWEEN $2 AND $3 AND rank >= $5'
                    ELSE ' AND released BETWEEN $2 AND $3 AND rank + 0 >= $5' END
                || CASE WHEN of_certificate IS NULL THEN ''
                    WHEN gather = n.of_certificate THEN ' AND certificate = $4'
                    ELSE ' AND certificate || '''' = $4' END
                || ')
                SELECT movie_id, slug, title, year, score FROM found'
                || CASE WHEN after IS NULL THEN '' ELSE CASE wanted_order
                    WHEN 'best' THEN ' WHERE (rank, movie_id) < ($6, $7)'
                    WHEN 'title' THEN ' WHERE (filmyfly.title_key(title) COLLATE "C", movie_id) > ($8, $7)'
                    WHEN 'oldest' THEN ' WHERE (released, movie_id) > ($9, $7)'
                    ELSE ' WHERE (released, movie_id) < ($9, $7)' END END
                || ' ORDER BY ' || CASE wanted_order
                    WHEN 'best' THEN 'rank DESC, movie_id DESC'
                    WHEN 'title' THEN 'filmyfly.title_key(title) COLLATE "C", movie_id'
                    WHEN 'oldest' THEN 'released, movie_id'
                    ELSE 'released DESC, movie_id DESC' END
                || ' LIMIT $10 OFFSET $11'
                USING in_list, day_from, day_to, of_certificate, rank_from, last.rank, last.movie_id, last_key,
                    last.released, per_page, skip;
            RETURN;
        END IF;
        skip := skip - n.passed;
        CASE wanted_order
        WHEN 'best' THEN
            rank_from := greatest(rank_from, CASE WHEN n.ends > 0 THEN 0 ELSE filmyfly.rank_of(-n.ends, 0) END);
            rank_to := filmyfly.rank_of(1 - n.begins, 0) - 1;
        WHEN 'title' THEN
            NULL;
        WHEN 'oldest' THEN
            day_from := greatest(day_from, make_date(greatest(n.begins, 1), 1, 1));
            day_to := least(day_to, make_date(greatest(n.ends, 1), 12, 31));
        ELSE
            day_from := greatest(day_from, make_date(greatest(-n.ends, 1), 1, 1));
            day_to := least(day_to, make_date(greatest(-n.begins, 1), 12, 31));
        END CASE;
    END IF;

    CASE wanted_order
    WHEN 'best' THEN
        bound_rank := least(rank_to, last.rank);
        bound_id := CASE WHEN bound_rank = last.rank THEN last.movie_id ELSE most END;
        RETURN QUERY SELECT c.movie_id, c.slug, c.title, c.year, c.score FROM filmyfly.cards c
            WHERE c.list = in_list AND c.rank >= rank_from AND (c.rank, c.movie_id) < (bound_rank, bound_id)
                AND (first_year IS NULL OR c.year BETWEEN first_year AND last_year)
                AND (of_certificate IS NULL OR c.certificate = of_certificate)
            ORDER BY c.rank DESC, c.movie_id DESC LIMIT per_page OFFSET skip;
    WHEN 'title' THEN
        RETURN QUERY SELECT c.movie_id, c.slug, c.title, c.year, c.score FROM filmyfly.cards c
            WHERE c.list = in_list
                AND (filmyfly.title_key(c.title) COLLATE "C", c.movie_id) > (last_key, coalesce(last.movie_id, -1))
                AND (first_year IS NULL OR c.year BETWEEN first_year AND last_year)
                AND (of_certificate IS NULL OR c.certificate = of_certificate)
                AND (min_score IS NULL OR c.score >= min_score)
            ORDER BY filmyfly.title_key(c.title) COLLATE "C", c.movie_id LIMIT per_page OFFSET skip;
    WHEN 'oldest' THEN
        bound := greatest(day_from, last.released);
        bound_id := CASE WHEN bound = last.released THEN last.movie_id ELSE -1 END;
        RETURN QUERY SELECT c.movie_id, c.slug, c.title, c.year, c.score FROM filmyfly.cards c
            WHERE c.list = in_list AND c.released <= day_to AND (c.released, c.movie_id) > (bound, bound_id)
                AND (of_certificate IS NULL OR c.certificate = of_certificate)
                AND (min_score IS NULL OR c.score >= min_score)
            ORDER BY c.released, c.movie_id LIMIT per_page OFFSET skip;
    ELSE
        bound := least(day_to, last.released);
        bound_id := CASE WHEN bound = last.released THEN last.movie_id ELSE most END;
        RETURN QUERY SELECT c.movie_id, c.slug, c.title, c.year, c.score FROM filmyfly.cards c
            WHERE c.list = in_list AND c.released >= day_from AND (c.released, c.movie_id) < (bound, bound_id)
                AND (of_certificate IS NULL OR c.certificate = of_certificate)
                AND (min_score IS NULL OR c.score >= min_score)
            ORDER BY c.released DESC, c.movie_id DESC LIMIT per_page OFFSET skip;
    END CASE;
END
$$;
