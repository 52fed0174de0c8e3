-- name: movie
-- params: slug text
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- param-tags: movie-slug:{slug}
-- By its address, or by one that it had before: the second is only looked for when the first finds nothing, and when
-- several had it, it is the newest movie's. Each actor is shown as this movie spells the name. (offset 0: found by the
-- address, then put in order; not looked for in the order of the ids.)
select m.id, m.slug, m.title, m.original_title, m.release_date, m.year, m.runtime, m.certificate, m.director, m.actors,
    m.distributor, m.synopsis, m.score, m.votes, m.critics, m.budget, m.gross_domestic, m.gross_worldwide, m.links,
    m.creative_type, m.source, m.updated_at,
    array(
        select unnest(array[c.slug, c.name])
        from filmyfly.movie_categories mc
        join filmyfly.categories c on c.id = mc.category_id
        where mc.movie_id = m.id
        order by mc.category_id
    ) as category_pairs,
    p.director_slug, array(select unnest(p.pairs)) as actor_pairs
from (
    select * from filmyfly.movies where slug = $1 and published
    union all
    (
        select * from (select * from filmyfly.movies where old_slugs @> array[$1] and published offset 0) o
        order by id desc
        limit 1
    )
    limit 1
) m
cross join lateral (
    select max(person_slug) filter (where directed) as director_slug,
        array_agg(array[person_slug, m.actors[billing]] order by billing) filter (where billing is not null) as pairs
    from filmyfly.movie_people
    where movie_id = m.id
) p
