-- name: site_texts
-- access: read
-- lane: short
-- tags: settings
select key, value from filmyfly.settings
where key in ('about', 'legal', 'contact')
