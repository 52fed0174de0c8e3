-- name: movie_browse_count
-- params: category text, decade int, year int, certificate text, score int
-- access: read
-- lane: short
-- tags: movies
-- Without a filter the kept number; with one, 1001 means "more than 1,000".
select case
    when num_nulls($1, $2, $3, $4, $5) = 5 then (select value from filmyfly.counters where name = 'movies')
    else (
        select least(coalesce(sum(movies), 0), 1001)::bigint
        from filmyfly.facets
        where list = case when $1::text is null then 0 else (select id from filmyfly.categories where slug = $1) end
            and year >= coalesce(lower(filmyfly.years_asked($2, $3)), 0)
            and year < coalesce(upper(filmyfly.years_asked($2, $3)), 10000)
            and not isempty(filmyfly.years_asked($2, $3))
            and ($4::text is null or certificate = $4)
            and score >= case when $5 is null then -1 else greatest($5, 0) end
    ) end as movies
