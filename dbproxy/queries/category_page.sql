-- name: category_page
-- params: slug text, page int, after bigint
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: category:{slug} movie:{after}
select id, slug, title, year, score
from filmyfly.browse($1, null, null, null, null, null, $2, 36, $3)
