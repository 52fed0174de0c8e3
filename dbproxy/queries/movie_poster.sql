-- name: movie_poster
-- params: slug text
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: movie-slug:{slug}
select m.id, m.slug, m.title, m.year, m.updated_at,
    (
        select (select slug from filmyfly.categories where id = mc.category_id)
        from filmyfly.movie_categories mc
        where mc.movie_id = m.id
        order by mc.category_id
        limit 1
    ) as category
from filmyfly.movies m
where m.slug = $1 and m.published
