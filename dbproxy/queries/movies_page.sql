-- name: movies_page
-- params: page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select id, slug, title, year, score
from filmyfly.movies
where published
order by release_date desc nulls last, id desc
limit 36 offset ($1 - 1) * 36
