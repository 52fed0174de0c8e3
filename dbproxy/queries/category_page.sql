-- name: category_page
-- params: slug text, page int
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: category:{slug}
-- The page's ids come off the index in order; the lateral limit keeps the planner from joining whole tables.
select m.id, m.slug, m.title, m.year, m.score
from (
    select movie_id, release_date
    from filmyfly.movie_categories
    where category_id = (select id from filmyfly.categories where slug = $1) and published
    order by release_date desc, movie_id desc
    limit 36 offset ($2 - 1) * 36
) p
cross join lateral (select * from filmyfly.movies where id = p.movie_id limit 1) m
order by p.release_date desc, p.movie_id desc
