-- name: person
-- params: slug text
-- access: read
-- lane: short
-- row-tags: person:{slug}
-- param-tags: person:{slug}
select slug, name, movies, directed, acted from filmyfly.people where slug = $1
