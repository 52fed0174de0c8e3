-- name: search_people
-- params: q text
-- access: read
-- lane: long
-- row-tags: person:{slug}
-- tags: movies
select slug, name, movies from filmyfly.search_people($1)
