-- name: movie_poster
-- params: slug text
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: movie-slug:{slug}
-- By the movie's address, or by one that it had before, as in movie.sql.
select m.id, m.slug, m.title, m.year,
    (
        select (select slug from filmyfly.categories where id = mc.category_id)
        from filmyfly.movie_categories mc
        where mc.movie_id = m.id
        order by mc.category_id
        limit 1
    ) as category
from (
    select * from filmyfly.movies where slug = $1 and published
    union all
    select * from filmyfly.movies where old_slugs @> array[$1] and published
    limit 1
) m
