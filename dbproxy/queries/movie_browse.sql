-- name: movie_browse
-- params: category text, decade int, year int, certificate text, score int, sort text, page int, after bigint
-- access: read
-- lane: short
-- row-tags: movie:{id}
-- tags: movies
select id, slug, title, year, score
from filmyfly.browse($1, $2, $3, $4, $5, $6, $7, 36, $8)
