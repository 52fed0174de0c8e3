-- Who may read what. Pages are read as filmyfly_reader, which sees the public catalogue and nothing else; everybody
-- else gets nothing, also where the database hands out grants by default.
SET LOCAL search_path = pg_catalog, pg_temp;

-- An owner who may not make roles goes without one: reads then run as the owner, in read-only transactions.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        CREATE ROLE filmyfly_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;   -- another database of the cluster made it just now
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role filmyfly_reader was not made, because % may not create roles: '
            'pages are read as % in read-only transactions', current_user, current_user;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        GRANT filmyfly_reader TO CURRENT_USER;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role filmyfly_reader cannot be granted to %: if it is no member of it already, '
            'pages are read as % in read-only transactions', current_user, current_user;
END
$$;

-- Functions are executable by everybody when they are made, and an owner's default privileges may give anybody
-- anything. Default privileges of a schema can only add to the global ones, so a migration that makes an object ends
-- with CALL filmyfly.close_to_others().
CREATE PROCEDURE filmyfly.close_to_others()
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    other text;
BEGIN
    FOR other IN
        SELECT 'PUBLIC'
        UNION ALL
        SELECT quote_ident(rolname) FROM pg_roles
            WHERE rolname IN ('anon', 'authenticated', 'service_role') AND rolname <> current_user
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA filmyfly FROM %s', other);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA filmyfly FROM %s', other);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA filmyfly FROM %s', other);
        EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA filmyfly FROM %s', other);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA filmyfly REVOKE ALL ON TABLES FROM %s', other);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA filmyfly REVOKE ALL ON SEQUENCES FROM %s', other);
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA filmyfly REVOKE ALL ON ROUTINES FROM %s', other);
    END LOOP;
END
$$;
CALL filmyfly.close_to_others();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        GRANT USAGE ON SCHEMA filmyfly TO filmyfly_reader;
        GRANT SELECT ON filmyfly.movies, filmyfly.categories, filmyfly.movie_categories, filmyfly.counters,
            filmyfly.settings, filmyfly.media, filmyfly.changes TO filmyfly_reader;
        GRANT EXECUTE ON FUNCTION filmyfly.fold(text), filmyfly.slug_of(text) TO filmyfly_reader;
    END IF;
END
$$;
