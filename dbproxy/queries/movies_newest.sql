-- name: movies_newest
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select movie_id as id, slug, title, year, score
from filmyfly.cards
where list = 0
order by released desc, movie_id desc
limit 12
