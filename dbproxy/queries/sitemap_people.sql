-- name: sitemap_people
-- params: file int
-- access: read
-- lane: long
-- tags: movies
select slug, null::date as updated
from filmyfly.people
where id > ($1 - 1) * 5000::bigint and id <= $1 * 5000::bigint
order by id
