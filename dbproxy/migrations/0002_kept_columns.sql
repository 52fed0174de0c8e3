-- Columns and numbers that follow from others are kept by triggers, whoever writes: a form, a load, a console.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Latin letters without their accents: "Amélie" becomes "Amelie". Other scripts stay as they are.
CREATE FUNCTION filmyfly.fold(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN replace(replace(replace(replace(replace(replace(replace(
        translate(regexp_replace(normalize(replace(value, '½', ' 1/2'), NFKD), '[\u0300-\u036f]', '', 'g'),
            'ØøŁłĐđÐðıĦħ¢', 'OoLlDdDdiHhc'),
        'ß', 'ss'), 'Æ', 'AE'), 'æ', 'ae'), 'Œ', 'OE'), 'œ', 'oe'), 'Þ', 'Th'), 'þ', 'th');

-- The slug that a text asks for, at most 100 characters: there is room for a year and a number. Empty when the text
-- has neither Latin letters nor digits.
CREATE FUNCTION filmyfly.slug_of(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN btrim(left(btrim(regexp_replace(
        regexp_replace(replace(lower(filmyfly.fold(value) COLLATE "C"), '&', ' and '), '[''’‘`ʼ]', '', 'g'),
        '[^a-z0-9]+', '-', 'g'), '-'), 100), '-');

-- What full-text search is to find a text by: itself, and itself without accents.
CREATE FUNCTION filmyfly.search_text(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN octet_length(value) = char_length(value) THEN value
        ELSE value || ' ' || filmyfly.fold(value) END;

-- "simple" knows no stop words and no stems: titles such as "It" or "Them" are found, and so are beginnings of words.
CREATE FUNCTION filmyfly.search_of(title text, original_title text, director text, actors text[], synopsis text)
    RETURNS tsvector
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN setweight(to_tsvector('pg_catalog.simple',
            filmyfly.search_text(concat_ws(' ', title, original_title))), 'A')
        || setweight(to_tsvector('pg_catalog.simple', filmyfly.search_text(coalesce(director, ''))), 'B')
        || setweight(to_tsvector('pg_catalog.simple', filmyfly.search_text(array_to_string(actors, ' '))), 'C')
        || setweight(to_tsvector('pg_catalog.simple', filmyfly.search_text(coalesce(synopsis, ''))), 'D');

CREATE FUNCTION filmyfly.movies_prepare() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.year IS NULL AND isfinite(NEW.release_date) THEN
            NEW.year := extract(year FROM NEW.release_date);
        END IF;
        NEW.old_slugs := array_remove(NEW.old_slugs, NEW.slug);
    ELSIF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    ELSE
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
        IF (NEW.title, NEW.original_title, NEW.director, NEW.actors, NEW.synopsis, NEW.search)
            IS NOT DISTINCT FROM
            (OLD.title, OLD.original_title, OLD.director, OLD.actors, OLD.synopsis, OLD.search) THEN
            RETURN NEW;
        END IF;
    END IF;
    NEW.search := filmyfly.search_of(NEW.title, NEW.original_title, NEW.director, NEW.actors, NEW.synopsis);
    RETURN NEW;
END
$$;
CREATE TRIGGER movies_prepare BEFORE INSERT OR UPDATE ON filmyfly.movies
    FOR EACH ROW EXECUTE FUNCTION filmyfly.movies_prepare();

CREATE FUNCTION filmyfly.settings_touch() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER settings_touch BEFORE UPDATE ON filmyfly.settings
    FOR EACH ROW EXECUTE FUNCTION filmyfly.settings_touch();
CREATE TRIGGER users_touch BEFORE UPDATE ON filmyfly.users
    FOR EACH ROW EXECUTE FUNCTION filmyfly.settings_touch();

-- The share lock makes a change of the movie, and its new place in the lists, wait for each other: without it a movie
-- unpublished while somebody gives it a category would stay in the category's list.
CREATE FUNCTION filmyfly.movie_categories_prepare() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    SELECT m.published, coalesce(m.release_date, '0001-01-01'), m.score, m.votes
        INTO NEW.published, NEW.release_date, NEW.score, NEW.votes
        FROM filmyfly.movies m WHERE m.id = NEW.movie_id FOR SHARE;
    IF NOT FOUND THEN   -- the foreign key says so in its own words
        NEW.published := false;
        NEW.release_date := '0001-01-01';
        NEW.votes := 0;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER movie_categories_prepare BEFORE INSERT OR UPDATE ON filmyfly.movie_categories
    FOR EACH ROW EXECUTE FUNCTION filmyfly.movie_categories_prepare();

CREATE FUNCTION filmyfly.count_movies(more bigint) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
        UPDATE filmyfly.counters SET value = value + more WHERE name = 'movies' AND more <> 0;
    END;

-- An address belongs to the movie that has it now, or had it last: what others once had under it leads there.
-- OFFSET 0 keeps the planner from anything but one index look-up for each slug.
CREATE FUNCTION filmyfly.release_slugs(slugs text[], owners bigint[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    losers bigint[] := ARRAY(
        SELECT other.id FROM unnest(slugs, owners) t (slug, owner), LATERAL (
            SELECT m.id FROM filmyfly.movies m WHERE m.old_slugs @> ARRAY[t.slug] AND m.id <> t.owner OFFSET 0) other);
BEGIN
    IF losers <> '{}' THEN
        UPDATE filmyfly.movies m SET old_slugs = ARRAY(
                SELECT o.slug FROM unnest(m.old_slugs) WITH ORDINALITY o (slug, place)
                WHERE NOT EXISTS (SELECT FROM unnest(slugs, owners) t (slug, owner)
                    WHERE t.slug = o.slug AND t.owner <> m.id)
                ORDER BY o.place)
            WHERE m.id = ANY (losers);
    END IF;
END
$$;

CREATE FUNCTION filmyfly.movies_inserted() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.count_movies((SELECT count(*) FROM new_movies WHERE published));
    PERFORM filmyfly.release_slugs(array_agg(slug), array_agg(id)) FROM new_movies HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER movies_inserted AFTER INSERT ON filmyfly.movies REFERENCING NEW TABLE AS new_movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_inserted();

-- A connection keeps its plans: one made for a single row would be the wrong one for a hundred thousand, and the other
-- way round. So the rows of a statement are never joined with each other, and EXECUTE plans for as many as there are.
CREATE FUNCTION filmyfly.movies_updated() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.count_movies((SELECT count(*) FROM new_movies WHERE published)
        - (SELECT count(*) FROM old_movies WHERE published));
    -- Whatever is written here, movie_categories_prepare fills in the movie's own values.
    EXECUTE 'UPDATE filmyfly.movie_categories c SET published = n.published
        FROM new_movies n
        WHERE c.movie_id = n.id AND (c.published, c.release_date, c.score, c.votes)
            IS DISTINCT FROM (n.published, coalesce(n.release_date, ''0001-01-01''), n.score, n.votes)';
    RETURN NULL;
END
$$;
CREATE TRIGGER movies_updated AFTER UPDATE ON filmyfly.movies
    REFERENCING OLD TABLE AS old_movies NEW TABLE AS new_movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_updated();

CREATE FUNCTION filmyfly.movies_renamed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.release_slugs(ARRAY[NEW.slug, OLD.slug], ARRAY[NEW.id, NEW.id]);
    RETURN NULL;
END
$$;
CREATE TRIGGER movies_renamed AFTER UPDATE ON filmyfly.movies
    FOR EACH ROW WHEN (OLD.slug <> NEW.slug) EXECUTE FUNCTION filmyfly.movies_renamed();

CREATE FUNCTION filmyfly.movies_deleted() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.count_movies(-(SELECT count(*) FROM old_movies WHERE published));
    RETURN NULL;
END
$$;
CREATE TRIGGER movies_deleted AFTER DELETE ON filmyfly.movies REFERENCING OLD TABLE AS old_movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_deleted();

CREATE FUNCTION filmyfly.movies_truncated() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    UPDATE filmyfly.counters SET value = 0 WHERE name = 'movies';
    RETURN NULL;
END
$$;
CREATE TRIGGER movies_truncated AFTER TRUNCATE ON filmyfly.movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_truncated();

-- Categories are locked in the order of their ids, so that two writers never wait for each other in a circle.
CREATE FUNCTION filmyfly.count_categories(ids bigint[], more bigint[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM FROM filmyfly.categories WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    UPDATE filmyfly.categories c SET movies = c.movies + t.more
        FROM unnest(ids, more) t (id, more) WHERE c.id = t.id;
END
$$;

CREATE FUNCTION filmyfly.movie_categories_counted() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM filmyfly.count_categories(array_agg(t.id), array_agg(t.more))
            FROM (SELECT category_id, count(*) FROM new_rows WHERE published GROUP BY 1) t (id, more)
            HAVING count(*) > 0;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM filmyfly.count_categories(array_agg(t.id), array_agg(t.more))
            FROM (SELECT category_id, -count(*) FROM old_rows WHERE published GROUP BY 1) t (id, more)
            HAVING count(*) > 0;
    ELSE
        PERFORM filmyfly.count_categories(array_agg(t.id), array_agg(t.more))
            FROM (SELECT category_id, sum(more)::bigint
                FROM (SELECT category_id, 1 AS more FROM new_rows WHERE published
                    UNION ALL SELECT category_id, -1 FROM old_rows WHERE published) r
                GROUP BY 1 HAVING sum(more) <> 0) t (id, more)
            HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER movie_categories_inserted AFTER INSERT ON filmyfly.movie_categories
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_counted();
CREATE TRIGGER movie_categories_updated AFTER UPDATE ON filmyfly.movie_categories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_counted();
CREATE TRIGGER movie_categories_deleted AFTER DELETE ON filmyfly.movie_categories
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_counted();

CREATE FUNCTION filmyfly.movie_categories_truncated() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    UPDATE filmyfly.categories SET movies = 0 WHERE movies <> 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER movie_categories_truncated AFTER TRUNCATE ON filmyfly.movie_categories
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_truncated();
