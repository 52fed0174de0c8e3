-- name: movie_related
-- params: slug text
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: related:{slug}
-- The director's newest other movies, then those of the same category that came out last before this one; where there
-- are too few of those, the ones that came out next after it (what stands behind the limit is never run).
with this as materialized (
    select id, coalesce(release_date, make_date(year, 1, 1), '0001-01-01') as released
    from filmyfly.movies where slug = $1 and published
)
(
    select true as of_director, m.movie_id as id, m.slug, m.title, m.year, m.score
    from this
    join filmyfly.movie_people d on d.movie_id = this.id and d.directed
    cross join lateral (
        select * from filmyfly.movie_people
        where person_id = d.person_id and directed and movie_id <> this.id
        order by released desc, movie_id desc
        limit 6
    ) m
)
union all
(
    select false, m.movie_id, m.slug, m.title, m.year, m.score
    from this
    cross join lateral (
        select category_id from filmyfly.movie_categories where movie_id = this.id order by category_id limit 1
    ) c
    cross join lateral (
        (
            select * from filmyfly.cards
            where list = c.category_id and (released, movie_id) < (this.released, this.id)
            order by released desc, movie_id desc
            limit 12
        )
        union all
        (
            select * from filmyfly.cards
            where list = c.category_id and (released, movie_id) > (this.released, this.id)
            order by released, movie_id
            limit 12
        )
        limit 12
    ) m
)
