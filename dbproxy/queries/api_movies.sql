-- name: api_movies
-- params: page int, per_page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
-- As movies_page.
select m.id, m.slug, m.title, m.year, m.release_date, m.runtime, m.certificate, m.director, m.score, m.votes
from (
    select id, release_date from filmyfly.movies
    where published
    order by release_date desc nulls last, id desc
    limit $2 offset ($1 - 1) * $2
) p
cross join lateral (select * from filmyfly.movies where id = p.id limit 1) m
order by p.release_date desc nulls last, p.id desc
