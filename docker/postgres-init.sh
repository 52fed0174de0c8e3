#!/bin/sh
# Run once by the image postgres, when its volume is empty: FilmyFly's database, and a role that owns it and nothing else. The superuser
# keeps no password, so nobody is one over the network.
set -eu
psql -XqAt -v ON_ERROR_STOP=1 -v password="$DATABASE_PASSWORD" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
create role filmyfly login createrole password :'password';
create database filmyfly owner filmyfly encoding 'UTF8' locale 'C.UTF-8' template template0;
alter role postgres password null;
SQL
