-- name: person_movies
-- params: slug text, page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: person:{slug}
select movie_id as id, slug, title, year, score, directed, billing is not null as acted
from filmyfly.movie_people
where person_id = (select id from filmyfly.people where slug = $1)
order by released desc, movie_id desc
limit 36 offset (least(greatest(coalesce($2, 1), 1), 100) - 1) * 36
