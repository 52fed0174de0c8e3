-- name: movie_related
-- params: slug text
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- The director's newest other movies, then those of the same category that came out last before this one; where there
-- are too few of those, the ones that came out next after it (what stands behind the limit is never run).
with this as materialized (
    select id, director, coalesce(release_date, '0001-01-01') as release_date
    from filmyfly.movies where slug = $1 and published
)
(
    select true as of_director, m.id, m.slug, m.title, m.year, m.score
    from this
    cross join lateral (
        select * from filmyfly.movies
        where director = this.director and published and id <> this.id
        order by release_date desc nulls last, id desc
        limit 6
    ) m
)
union all
(
    select false, m.id, m.slug, m.title, m.year, m.score
    from this
    cross join lateral (
        select category_id from filmyfly.movie_categories where movie_id = this.id order by category_id limit 1
    ) c
    cross join lateral (
        (
            select movie_id from filmyfly.movie_categories
            where category_id = c.category_id and published and (release_date, movie_id) < (this.release_date, this.id)
            order by release_date desc, movie_id desc
            limit 24
        )
        union all
        (
            select movie_id from filmyfly.movie_categories
            where category_id = c.category_id and published and (release_date, movie_id) > (this.release_date, this.id)
            order by release_date, movie_id
            limit 24
        )
        limit 24
    ) p
    cross join lateral (select * from filmyfly.movies where id = p.movie_id limit 1) m
)
