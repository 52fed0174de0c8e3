-- name: sitemap_files
-- access: read
-- lane: short
-- tags: movies
-- A file holds what has one of 5,000 neighbouring ids; those that would be empty are left out.
select 'movies' as kind, n as file
from generate_series(1, (select (max(id) + 4999) / 5000 from filmyfly.movies)) n
where exists (select from filmyfly.movies where id > (n - 1) * 5000 and id <= n * 5000 and published)
union all
select 'people', n
from generate_series(1, (select (max(id) + 4999) / 5000 from filmyfly.people)) n
where exists (select from filmyfly.people where id > (n - 1) * 5000 and id <= n * 5000)
