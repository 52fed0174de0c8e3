-- name: ready
-- access: read
-- lane: short
select 'ready' as ready
