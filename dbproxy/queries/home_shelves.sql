-- name: home_shelves
-- access: read
-- lane: short
-- row-tags: movie:{id} category:{category_slug}
-- tags: movies categories
-- The largest categories and the best movies of each, which a trigger keeps.
select c.slug as category_slug, c.name as category_name, m.id, m.slug, m.title, m.year, m.score
from (
    select id, slug, name, movies from filmyfly.categories
    where movies > 0
    order by movies desc, id
    limit 4
) c
join filmyfly.shelves s on s.list = c.id
cross join lateral rows from (
    jsonb_to_recordset(s.cards) as (id bigint, slug text, title text, year int, score numeric)
) with ordinality as m (id, slug, title, year, score, place)
order by c.movies desc, c.id, m.place
