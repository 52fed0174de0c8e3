-- name: feed
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select m.id, m.slug, m.title, m.year, m.director, m.synopsis, m.published_at, m.updated_at,
    array(
        select c.name
        from filmyfly.movie_categories mc
        join filmyfly.categories c on c.id = mc.category_id
        where mc.movie_id = m.id
        order by mc.category_id
    ) as categories
from filmyfly.movies m
where m.published
order by m.published_at desc, m.id desc
limit 30
