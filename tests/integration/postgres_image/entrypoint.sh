#!/bin/bash
# An empty volume is filled: initdb, a server on the Unix socket only, the scripts of /docker-entrypoint-initdb.d. Then the server proper.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?}"
    initdb --username=postgres --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256
    printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    pg_ctl -w start -o "-c listen_addresses=''"
    export POSTGRES_USER=postgres POSTGRES_DB=postgres
    for script in /docker-entrypoint-initdb.d/*.sh; do "$script"; done
    pg_ctl -m fast -w stop
fi
exec "$@"
