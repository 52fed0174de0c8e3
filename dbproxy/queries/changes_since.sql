-- name: changes_since
-- params: cursor text
-- access: read
-- lane: short
-- What changed since the cursor, and the next cursor in a row of its own. Without a cursor: from now on. The tag
-- "everything" stands for all that there are: more changed than is worth naming, or the cursor means nothing here; then it
-- is hard, since nobody knows what was taken away.
-- A transaction that was open when the cursor was taken is seen when it ends, and none is seen twice. (A row may say that
-- it is of a transaction yet to come, when it was restored from elsewhere.)
with seen as materialized (
    select snapshot, $1 is not null and snapshot is null as lost from filmyfly.changes_seen($1) as snapshot
), found as materialized (
    select c.tag, bool_or(c.hard) as hard
    from seen s, filmyfly.changes c
    where c.xid >= pg_snapshot_xmin(s.snapshot)
        and not pg_visible_in_snapshot(c.xid, s.snapshot)
        and pg_visible_in_snapshot(c.xid, pg_current_snapshot())
    group by c.tag
), fold as materialized (
    select count(*) > 5000 as all_of_it, coalesce(bool_or(tag = 'everything'), false) as everything,
        coalesce(bool_or(hard), false) as hard
    from found
)
select filmyfly.changes_log() || ' ' || pg_current_snapshot() as cursor, null as tag, null::boolean as hard
union all
select null, 'everything', hard or lost from fold, seen where all_of_it or lost
union all
select null, tag, f.hard from found f, fold where not all_of_it and (f.hard or tag = 'everything' or not everything)
