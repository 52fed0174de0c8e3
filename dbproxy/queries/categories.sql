-- name: categories
-- access: read
-- lane: short
-- row-tags: category:{slug}
-- tags: categories
select slug, name, movies from filmyfly.categories where movies > 0 order by sort_order, name
