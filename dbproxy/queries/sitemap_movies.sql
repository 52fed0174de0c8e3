-- name: sitemap_movies
-- params: file int
-- access: read
-- lane: long
-- tags: sitemap
select slug, updated_at::date as updated
from filmyfly.movies
where id > ($1 - 1) * 5000::bigint and id <= $1 * 5000::bigint and published
order by id
