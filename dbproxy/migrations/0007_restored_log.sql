-- A log that was restored into another cluster, whose transactions are counted anew: rows and changes_gone may name
-- transactions of a future that this cluster may reach in years, or never. Those count as another cluster's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION filmyfly.changes_removed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    own xid8 := pg_current_xact_id();
    latest xid8 := own;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT o.xid INTO latest FROM old_rows o
            WHERE o.xid < pg_snapshot_xmax(pg_current_snapshot()) OR o.xid = own ORDER BY o.xid DESC LIMIT 1;
    END IF;
    -- Locked first, so that what others wrote meanwhile is not taken for another cluster's.
    PERFORM FROM filmyfly.changes_gone FOR UPDATE;
    UPDATE filmyfly.changes_gone g SET xid = latest
        WHERE g.xid < latest OR g.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND g.xid <> own AND latest IS NOT NULL;
    RETURN NULL;
END
$$;

-- What the bearer of a cursor ("LOG SNAPSHOT") has seen. NULL when that cannot be said: the cursor is of another log, of
-- a future that was undone, or older than what is left of the log.
CREATE OR REPLACE FUNCTION filmyfly.changes_seen(cursor text) RETURNS pg_snapshot
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    seen pg_snapshot;
    upcoming xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    IF split_part(cursor, ' ', 1) IS DISTINCT FROM filmyfly.changes_log() THEN
        RETURN NULL;
    END IF;
    seen := split_part(cursor, ' ', 2)::pg_snapshot;
    RETURN CASE WHEN pg_snapshot_xmax(seen) <= upcoming
        AND (SELECT g.xid < pg_snapshot_xmin(seen) OR g.xid >= upcoming FROM filmyfly.changes_gone g) THEN seen END;
EXCEPTION
    WHEN invalid_text_representation THEN
        RETURN NULL;
END
$$;
