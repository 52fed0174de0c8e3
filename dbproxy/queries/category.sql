-- name: category
-- params: slug text
-- access: read
-- lane: short
-- row-tags: category:{slug}
-- param-tags: category:{slug}
select slug, name, movies from filmyfly.categories where slug = $1
