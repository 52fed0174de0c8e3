-- The log of changes: every transaction that changes what a statement of queries/ can return writes here, with it, which
-- tags changed. A page made before it carries at least one of them (or "everything" is marked), whoever writes and how.
--
-- | what changes                             | marks                                                                    |
-- |------------------------------------------|--------------------------------------------------------------------------|
-- | any column of a published movie          | movie:ID                                                                 |
-- | it appears, or its address changes       | movie-slug:SLUG of all addresses, sitemap                                |
-- | it is unpublished or deleted             | hard: movie:ID, movie-slug:SLUG of all addresses, sitemap                |
-- | but for synopsis, links, poster          | movies: a list may show, search or order by the column                   |
-- | its day, director or address             | related:SLUG of its own, its director's movies, its neighbours in lists  |
-- | its credits, or the day of one           | person:SLUG of those concerned; hard when it was the person's last movie |
-- | a category's list                        | category:SLUG, and through its kept number categories                    |
-- | a category's name or address             | also movies, and movie:ID of all its movies; deleted: hard category:SLUG |
-- | a text of the settings                   | settings                                                                 |
-- | more than 1,000 rows, 5,000 tags         | everything                                                               |
-- | TRUNCATE                                 | everything, hard                                                         |
SET LOCAL search_path = pg_catalog, pg_temp;

-- A tag once a transaction.
TRUNCATE filmyfly.changes;
DROP INDEX filmyfly.changes_xid;
CREATE UNIQUE INDEX changes_once ON filmyfly.changes (xid, tag);
ALTER TABLE filmyfly.changes ADD CONSTRAINT changes_tag_length CHECK (octet_length(tag) <= 160);
ALTER TABLE filmyfly.changes SET (autovacuum_vacuum_scale_factor = 0.05);

-- The last transaction whose rows are no longer in the log. Who has not seen it has missed something.
CREATE TABLE filmyfly.changes_gone (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    xid  xid8 NOT NULL
);
INSERT INTO filmyfly.changes_gone (xid) VALUES ('0');

CREATE FUNCTION filmyfly.changes_removed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    latest xid8 := pg_current_xact_id();
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT o.xid INTO latest FROM old_rows o ORDER BY o.xid DESC LIMIT 1;
    END IF;
    UPDATE filmyfly.changes_gone g SET xid = latest WHERE g.xid < latest;
    RETURN NULL;
END
$$;
CREATE TRIGGER changes_deleted AFTER DELETE ON filmyfly.changes REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.changes_removed();
CREATE TRIGGER changes_truncated AFTER TRUNCATE ON filmyfly.changes
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.changes_removed();

-- Writes tags of this transaction. taken_away: what they stand for has left the view, and must never be served again.
-- Equal notifications of a transaction are one.
CREATE FUNCTION filmyfly.mark(tags text[], taken_away boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF coalesce(cardinality(tags), 0) = 0 OR EXISTS (SELECT FROM filmyfly.changes c
            WHERE c.xid = pg_current_xact_id() AND c.tag = 'everything' AND c.hard >= taken_away) THEN
        RETURN;
    END IF;
    INSERT INTO filmyfly.changes AS c (tag, hard)
        SELECT DISTINCT t.tag, taken_away
        FROM unnest(CASE WHEN cardinality(tags) > 5000 THEN '{everything}'::text[] ELSE tags END) t (tag)
        ON CONFLICT (xid, tag) DO UPDATE SET hard = true WHERE EXCLUDED.hard AND NOT c.hard;
    IF FOUND THEN
        PERFORM pg_notify('filmyfly_changes', '');
    END IF;
END
$$;

-- Where a trigger reads a table's rows before and after: one of the two is empty but for an update.
CREATE FUNCTION filmyfly.rows_before(operation text, table_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN operation = 'INSERT' THEN format('(SELECT * FROM filmyfly.%I WHERE false)', table_name)
        ELSE '(SELECT * FROM old_rows)' END;
CREATE FUNCTION filmyfly.rows_after(operation text, table_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN operation = 'DELETE' THEN format('(SELECT * FROM filmyfly.%I WHERE false)', table_name)
        ELSE '(SELECT * FROM new_rows)' END;

-- Only what is or was in view counts. EXECUTE: planned anew each time, for as many rows as there are.
CREATE FUNCTION filmyfly.movies_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    pairs text := filmyfly.rows_before(TG_OP, 'movies') || ' o FULL JOIN ' || filmyfly.rows_after(TG_OP, 'movies')
        || ' n ON n.id = o.id WHERE (o.published OR n.published) AND o IS DISTINCT FROM n';
    n bigint;
    any_gone boolean;
    tags text[];
    gone text[];
BEGIN
    EXECUTE 'SELECT count(*), coalesce(bool_or(o.published AND n.published IS NOT TRUE), false) FROM ' || pairs
        INTO n, any_gone;
    IF n = 0 THEN
        RETURN NULL;
    ELSIF n > 1000 THEN
        PERFORM filmyfly.mark('{everything}', any_gone);
        RETURN NULL;
    END IF;

    IF any_gone THEN
        EXECUTE 'SELECT ARRAY[''sitemap''] || array_agg(t.tag) FROM ' || filmyfly.rows_before(TG_OP, 'movies') || ' o
                LEFT JOIN ' || filmyfly.rows_after(TG_OP, 'movies') || ' n ON n.id = o.id, LATERAL (
                SELECT ''movie:'' || o.id UNION ALL
                SELECT ''movie-slug:'' || s FROM unnest(o.slug || o.old_slugs) s) t (tag)
            WHERE o.published AND n.published IS NOT TRUE' INTO gone;
        PERFORM filmyfly.mark(gone, true);
    END IF;

    EXECUTE '
        WITH c AS MATERIALIZED (
            SELECT coalesce(n.id, o.id) AS id,
                o.published IS TRUE AS was, n.published IS TRUE AS "is", o.slug AS old_slug, n.slug AS new_slug,
                o.old_slugs AS before_slugs, n.old_slugs AS after_slugs,
                o.director AS old_director, n.director AS new_director, o.actors AS old_actors, n.actors AS new_actors,
                filmyfly.released(o.release_date, o.year) AS old_day,
                filmyfly.released(n.release_date, n.year) AS new_day,
                (o.slug, o.title, o.original_title, o.release_date, o.year, o.runtime, o.certificate, o.director, o.actors,
                    o.distributor, o.score, o.votes, o.critics, o.budget, o.gross_domestic, o.gross_worldwide,
                    o.creative_type, o.source, o.published, o.published_at) IS DISTINCT FROM
                (n.slug, n.title, n.original_title, n.release_date, n.year, n.runtime, n.certificate, n.director, n.actors,
                    n.distributor, n.score, n.votes, n.critics, n.budget, n.gross_domestic, n.gross_worldwide,
                    n.creative_type, n.source, n.published, n.published_at) AS in_lists,
                (o.slug, o.published, (o.updated_at AT TIME ZONE ''UTC'')::date) IS DISTINCT FROM
                (n.slug, n.published, (n.updated_at AT TIME ZONE ''UTC'')::date) AS in_sitemap
            FROM ' || pairs || '
        ), moved AS MATERIALIZED (
            SELECT * FROM c WHERE (was, old_slug, old_director, old_day) IS DISTINCT FROM
                ("is", new_slug, new_director, new_day)
        ), credit AS MATERIALIZED (
            SELECT false AS after, c.id, old_day AS day, p.name, p.directed
            FROM c, LATERAL (SELECT old_director, true WHERE old_director IS NOT NULL
                UNION ALL SELECT unnest(old_actors), false) p (name, directed)
            WHERE was AND (old_day, old_director, old_actors, was)
                IS DISTINCT FROM (new_day, new_director, new_actors, "is")
            UNION ALL
            SELECT true, c.id, new_day, p.name, p.directed
            FROM c, LATERAL (SELECT new_director, true WHERE new_director IS NOT NULL
                UNION ALL SELECT unnest(new_actors), false) p (name, directed)
            WHERE "is" AND (old_day, old_director, old_actors, was)
                IS DISTINCT FROM (new_day, new_director, new_actors, "is")
        ), person AS MATERIALIZED (
            SELECT DISTINCT filmyfly.person_key(name) AS key FROM (
                SELECT name FROM credit GROUP BY id, name, day, directed HAVING bool_and(after) OR NOT bool_or(after)) p
        ), director AS MATERIALIZED (
            SELECT DISTINCT filmyfly.person_key(name) AS key
            FROM moved, LATERAL (VALUES (old_director), (new_director)) d (name) WHERE name IS NOT NULL
        )
        SELECT array_agg(DISTINCT tag) FROM (
            SELECT ''movie:'' || id AS tag FROM c
            UNION ALL SELECT ''movies'' FROM c WHERE in_lists
            UNION ALL SELECT ''sitemap'' FROM c WHERE in_sitemap
            UNION ALL SELECT ''movie-slug:'' || s FROM c, unnest(new_slug || after_slugs) s WHERE "is" AND NOT was
            UNION ALL SELECT ''movie-slug:'' || s
                FROM c, unnest(ARRAY[old_slug, new_slug] || before_slugs || after_slugs) s
                WHERE "is" AND was AND (old_slug, before_slugs) IS DISTINCT FROM (new_slug, after_slugs)
            UNION ALL SELECT ''related:'' || s FROM moved, unnest(ARRAY[old_slug, new_slug]) s
            UNION ALL SELECT ''related:'' || mp.slug
                FROM director d JOIN filmyfly.people p ON p.key = d.key
                JOIN filmyfly.movie_people mp ON mp.person_id = p.id AND mp.directed
            UNION ALL SELECT ''person:'' || p.slug FROM person d JOIN filmyfly.people p ON p.key = d.key
        ) t WHERE tag IS NOT NULL' INTO tags;
    PERFORM filmyfly.mark(tags);
    RETURN NULL;
END
$$;

-- Behind all others of the table, since it reads what they keep.
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.movies REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.movies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_changed();
CREATE TRIGGER z_deleted AFTER DELETE ON filmyfly.movies REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movies_changed();

-- Lists. A movie's page shows the 12 that came out before it in its category, and near the list's end those that come
-- next: so who comes or goes is news to the 12 above, and near the end to the last 13.
CREATE FUNCTION filmyfly.cards_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    moves text := '(SELECT list, released, movie_id FROM ' || filmyfly.rows_before(TG_OP, 'cards') || ' o EXCEPT ALL
        SELECT list, released, movie_id FROM ' || filmyfly.rows_after(TG_OP, 'cards') || ' n) UNION
        (SELECT list, released, movie_id FROM ' || filmyfly.rows_after(TG_OP, 'cards') || ' n EXCEPT ALL
        SELECT list, released, movie_id FROM ' || filmyfly.rows_before(TG_OP, 'cards') || ' o)';
    n bigint;
    tags text[];
BEGIN
    EXECUTE 'SELECT count(*) FROM (SELECT FROM ' || CASE TG_OP WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END
        || ' LIMIT 1001) r' INTO n;
    IF n = 0 THEN
        RETURN NULL;
    ELSIF n > 1000 THEN
        PERFORM filmyfly.mark('{everything}');
        RETURN NULL;
    END IF;
    EXECUTE '
        WITH m AS MATERIALIZED (SELECT * FROM (' || moves || ') m WHERE list <> 0)
        SELECT ARRAY[''movies''] || array_agg(DISTINCT tag) FROM (
            SELECT ''category:'' || g.slug AS tag
            FROM (SELECT DISTINCT list FROM m) l JOIN filmyfly.categories g ON g.id = l.list
            UNION ALL SELECT ''related:'' || a.slug FROM m, LATERAL (
                SELECT slug FROM filmyfly.cards a
                WHERE a.list = m.list AND (a.released, a.movie_id) > (m.released, m.movie_id)
                ORDER BY a.released, a.movie_id LIMIT 12) a
            UNION ALL SELECT ''related:'' || b.slug FROM (
                SELECT DISTINCT list FROM m WHERE (
                    SELECT (c.released, c.movie_id) < (m.released, m.movie_id) FROM filmyfly.cards c
                    WHERE c.list = m.list ORDER BY c.released, c.movie_id OFFSET 12 LIMIT 1) IS NOT TRUE
                ) l, LATERAL (
                SELECT slug FROM filmyfly.cards b WHERE b.list = l.list
                ORDER BY b.released, b.movie_id LIMIT 13) b
        ) t' INTO tags;
    PERFORM filmyfly.mark(tags);
    RETURN NULL;
END
$$;
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.cards REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.cards_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.cards REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.cards_changed();
CREATE TRIGGER z_deleted AFTER DELETE ON filmyfly.cards REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.cards_changed();

-- A movie's own page shows its categories. Its places in their lists are cards.
CREATE FUNCTION filmyfly.movie_categories_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    movies bigint[];
BEGIN
    EXECUTE 'SELECT array_agg(DISTINCT coalesce(o.movie_id, n.movie_id))
        FROM ' || filmyfly.rows_before(TG_OP, 'movie_categories') || ' o
        FULL JOIN ' || filmyfly.rows_after(TG_OP, 'movie_categories') || ' n
            ON n.movie_id = o.movie_id AND n.category_id = o.category_id
        WHERE n.movie_id IS NULL OR o.movie_id IS NULL' INTO movies;
    IF cardinality(movies) > 1000 THEN
        PERFORM filmyfly.mark('{everything}');
    ELSIF movies IS NOT NULL THEN
        PERFORM filmyfly.mark(array_agg('movie:' || m.id) || array_agg('related:' || m.slug))
            FROM filmyfly.movies m WHERE m.id = ANY (movies) AND m.published HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.movie_categories REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.movie_categories
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_changed();
CREATE TRIGGER z_deleted AFTER DELETE ON filmyfly.movie_categories REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.movie_categories_changed();

CREATE FUNCTION filmyfly.categories_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    tags text[];
    gone text[];
BEGIN
    EXECUTE '
        WITH c AS MATERIALIZED (
            SELECT o.slug AS old_slug, n.slug AS new_slug, n.id, (o.slug, o.name) IS DISTINCT FROM (n.slug, n.name) AS named
            FROM ' || filmyfly.rows_before(TG_OP, 'categories') || ' o
            FULL JOIN ' || filmyfly.rows_after(TG_OP, 'categories') || ' n ON n.id = o.id
            WHERE (o.slug, o.name, o.sort_order, o.movies) IS DISTINCT FROM (n.slug, n.name, n.sort_order, n.movies)
        )
        SELECT array_agg(DISTINCT tag), (SELECT array_agg(''category:'' || old_slug) FROM c WHERE id IS NULL)
        FROM (
            SELECT unnest(ARRAY[''categories'', ''category:'' || old_slug, ''category:'' || new_slug]) AS tag FROM c
            UNION ALL SELECT ''movies'' FROM c WHERE named
            UNION ALL SELECT ''movie:'' || m.id
                FROM c JOIN filmyfly.movie_categories k ON k.category_id = c.id
                JOIN filmyfly.movies m ON m.id = k.movie_id AND m.published WHERE named
        ) t WHERE tag IS NOT NULL' INTO tags, gone;
    PERFORM filmyfly.mark(gone, true);
    PERFORM filmyfly.mark(tags);
    RETURN NULL;
END
$$;
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.categories REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.categories_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.categories REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.categories_changed();
CREATE TRIGGER z_deleted AFTER DELETE ON filmyfly.categories REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.categories_changed();

CREATE FUNCTION filmyfly.people_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    tags text[];
    gone text[];
BEGIN
    EXECUTE '
        SELECT ARRAY[''movies''] || array_agg(''person:'' || coalesce(n.slug, o.slug)),
            array_agg(''person:'' || o.slug) FILTER (WHERE n.id IS NULL)
        FROM ' || filmyfly.rows_before(TG_OP, 'people') || ' o
        FULL JOIN ' || filmyfly.rows_after(TG_OP, 'people') || ' n ON n.id = o.id
        WHERE (o.slug, o.name, o.movies, o.directed, o.acted)
            IS DISTINCT FROM (n.slug, n.name, n.movies, n.directed, n.acted)
        HAVING count(*) > 0' INTO tags, gone;
    PERFORM filmyfly.mark(gone, true);
    PERFORM filmyfly.mark(tags);
    RETURN NULL;
END
$$;
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.people REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.people_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.people REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.people_changed();
CREATE TRIGGER z_deleted AFTER DELETE ON filmyfly.people REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.people_changed();

CREATE FUNCTION filmyfly.settings_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT key, value FROM new_rows EXCEPT SELECT key, value FROM old_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM filmyfly.mark('{settings}');
    RETURN NULL;
END
$$;
CREATE TRIGGER z_inserted AFTER INSERT ON filmyfly.settings
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.settings_changed();
CREATE TRIGGER z_updated AFTER UPDATE ON filmyfly.settings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.settings_changed();
CREATE TRIGGER z_deleted AFTER DELETE OR TRUNCATE ON filmyfly.settings
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.settings_changed();

CREATE FUNCTION filmyfly.everything_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM filmyfly.mark('{everything}', true);
    RETURN NULL;
END
$$;
CREATE TRIGGER z_truncated AFTER TRUNCATE ON filmyfly.movies
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.everything_changed();
CREATE TRIGGER z_truncated AFTER TRUNCATE ON filmyfly.categories
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.everything_changed();
CREATE TRIGGER z_truncated AFTER TRUNCATE ON filmyfly.movie_categories
    FOR EACH STATEMENT EXECUTE FUNCTION filmyfly.everything_changed();

-- Which log this is: another cluster's, one that was restored, or another database's is another log, and its cursors
-- mean nothing here.
CREATE FUNCTION filmyfly.changes_log() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    cluster text := '';
BEGIN
    BEGIN
        SELECT s.system_identifier || '.' || c.timeline_id INTO cluster FROM pg_control_system() s, pg_control_checkpoint() c;
    EXCEPTION
        WHEN insufficient_privilege THEN NULL;                   -- the other two must do
    END;
    RETURN (SELECT concat_ws('.', cluster, d.oid, 'filmyfly.changes'::regclass::oid) FROM pg_database d
        WHERE d.datname = current_database());
END
$$;

-- What the bearer of a cursor ("LOG SNAPSHOT") has seen. NULL when that cannot be said: the cursor is of another log, of
-- a future that was undone, or older than what is left of the log.
CREATE FUNCTION filmyfly.changes_seen(cursor text) RETURNS pg_snapshot
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    seen pg_snapshot;
BEGIN
    IF split_part(cursor, ' ', 1) IS DISTINCT FROM filmyfly.changes_log() THEN
        RETURN NULL;
    END IF;
    seen := split_part(cursor, ' ', 2)::pg_snapshot;
    RETURN CASE WHEN pg_snapshot_xmax(seen) <= pg_snapshot_xmax(pg_current_snapshot())
        AND pg_snapshot_xmin(seen) > (SELECT g.xid FROM filmyfly.changes_gone g) THEN seen END;
EXCEPTION
    WHEN invalid_text_representation THEN
        RETURN NULL;
END
$$;

CALL filmyfly.close_to_others();
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        GRANT SELECT ON filmyfly.changes_gone TO filmyfly_reader;
        GRANT EXECUTE ON FUNCTION filmyfly.changes_log(), filmyfly.changes_seen(text) TO filmyfly_reader;
    END IF;
END
$$;
