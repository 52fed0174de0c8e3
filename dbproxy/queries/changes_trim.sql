-- name: changes_trim
-- params: kept int
-- access: write
-- lane: long
-- Forgets what is older than so many seconds; one at a time, and some of it when there is much. What a transaction that is
-- still open could have been before stays: cursors tell by it what was seen. What says that it is of a transaction yet to
-- come was restored from elsewhere, and goes by its age alone.
delete from filmyfly.changes
where id = any (array(
    select id
    from filmyfly.changes
    where at < now() - make_interval(secs => $1)
        and (xid < pg_snapshot_xmin(pg_current_snapshot()) or xid >= pg_snapshot_xmax(pg_current_snapshot()))
        and (select pg_try_advisory_xact_lock(hashtextextended('filmyfly changes_trim', 0)))
    order by at
    limit 20000
))
