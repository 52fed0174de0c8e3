-- name: certificates
-- access: read
-- lane: short
-- tags: movies
select substr(name, 13) as certificate, value as movies
from filmyfly.counters
where name like 'certificate:%' and value > 0
order by value desc, name
limit 12
