-- name: suggest
-- params: q text
-- access: read
-- lane: short
-- row-tags: movie-slug:{slug} person:{slug}
-- tags: movies
select kind, slug, title, year from filmyfly.search_suggest($1)
