-- name: movies_page
-- params: page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
-- The page's ids come off the index alone, so that page 100 reads no more rows than page 1; the lateral limit keeps the
-- planner from joining the whole table.
select m.id, m.slug, m.title, m.year, m.score
from (
    select id, release_date from filmyfly.movies
    where published
    order by release_date desc nulls last, id desc
    limit 36 offset ($1 - 1) * 36
) p
cross join lateral (select * from filmyfly.movies where id = p.id limit 1) m
order by p.release_date desc nulls last, p.id desc
