-- name: api_movies
-- params: page int, per_page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select id, slug, title, year, release_date, runtime, certificate, director, score, votes
from filmyfly.movies
where published
order by release_date desc nulls last, id desc
limit $2 offset ($1 - 1) * $2
