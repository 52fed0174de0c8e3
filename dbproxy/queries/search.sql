-- name: search
-- params: q text, page int
-- access: read
-- lane: long
-- row-tags: movie:{id}
-- tags: movies
-- Ranked by the migration's search_ranked; here only the page's cards are looked up. There are ten pages; a total of 241
-- means "more than 240".
select m.movie_id as id, m.slug, m.title, m.year, m.score, cardinality(r.ids) as total, r.corrected
from filmyfly.search_ranked($1) r
cross join lateral unnest((r.ids[:240])[24 * least(greatest($2, 1), 11) - 23 : 24 * least(greatest($2, 1), 11)])
    with ordinality p (id, place)
cross join lateral (select * from filmyfly.cards where movie_id = p.id and list = 0 limit 1) m
order by p.place
