-- name: decades
-- access: read
-- lane: short
-- tags: movies
select substr(name, 8)::int as decade, value as movies
from filmyfly.counters
where name like 'decade:%' and value > 0
order by 1 desc
