-- name: movies_count
-- access: read
-- lane: short
-- tags: movies
select value as movies from filmyfly.counters where name = 'movies'
