-- name: movies_best
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select id, slug, title, year, score
from filmyfly.movies
where published
order by score desc nulls last, votes desc, id
limit 12
