-- name: movie_like
-- params: slug text
-- access: read
-- lane: long
-- row-tags: movie:{id}
-- param-tags: movie-slug:{slug}
-- tags: movies
-- OFFSET 0: the planner would try the function out, too.
select m.movie_id as id, m.slug, m.title, m.year, m.score
from (select filmyfly.search_like($1) as ids offset 0) r
cross join lateral unnest(r.ids) with ordinality p (id, place)
cross join lateral (select * from filmyfly.cards where movie_id = p.id and list = 0 limit 1) m
order by p.place
