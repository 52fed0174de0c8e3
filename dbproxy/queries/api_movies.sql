-- name: api_movies
-- params: category text, decade int, year int, certificate text, score int, sort text, page int, per_page int, after bigint
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
-- As movie_browse. The lateral limit keeps the planner from joining the whole table.
select m.id, m.slug, m.title, m.year, m.release_date, m.runtime, m.certificate, m.director, m.score, m.votes,
    (select person_slug from filmyfly.movie_people where movie_id = m.id and directed limit 1) as director_slug
from filmyfly.browse($1, $2, $3, $4, $5, $6, $7, least(greatest(coalesce($8, 36), 1), 100), $9)
    with ordinality as b (id, slug, title, year, score, place)
cross join lateral (select * from filmyfly.movies where id = b.id limit 1) m
order by b.place
