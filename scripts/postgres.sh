# shellcheck shell=bash disable=SC2154 # variables of ./run
# The private PostgreSQL of ./run: where it lies, how it is made. It runs as a service beside the stages. Needs $var, $short, $hash.

# It lies in the var directory; when root keeps that where the user postgres may not enter, in /var/lib. Where it was made it stays.
postgres_choose_place() {
    data=$var/postgres
    if [ "$(id -u)" = 0 ] && [ ! -e "$data/filmyfly-made" ]; then
        if [ -e "/var/lib/filmyfly-$hash/postgres" ] || ! runuser -u postgres -- test -x "$var" 2>/dev/null; then
            data=/var/lib/filmyfly-$hash/postgres
        fi
    fi
    pg_socket=$data
    if [ ${#pg_socket} -gt 90 ]; then # a Unix socket's path has 107 bytes
        pg_socket=$short/postgres
    fi
}

postgres_url() {
    local path=${pg_socket//%/%25}
    path=${path//&/%26} path=${path//\?/%3F} path=${path//#/%23} path=${path// /%20}
    printf 'postgresql:///filmyfly?host=%s&user=filmyfly' "$path"
}

# The newest that is installed; an existing cluster needs the version that made it.
postgres_find_programs() {
    local version=''
    if [ -e "$data/PG_VERSION" ]; then
        version=$(cat "$data/PG_VERSION")
        pg_bin=/usr/lib/postgresql/$version/bin
    else
        pg_bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    fi
    [ -x "$pg_bin/postgres" ] || die "the PostgreSQL server ${version:+$version }is not in /usr/lib/postgresql; install it, or set DATABASE_URL."
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && env -i PATH="$PATH" LANG=C.UTF-8 runuser -u postgres -- "$@")
    else
        env -i PATH="$PATH" LANG=C.UTF-8 "$@"
    fi
}

postgres_make_cluster() {
    local user
    [ ! -e "$data/filmyfly-made" ] || return 0
    step "Making a private PostgreSQL in $data"
    rm -rf "$data" # left by a start that did not get this far
    mkdir -p "$data"
    if [ "$(id -u)" = 0 ]; then
        chown postgres: "$data"
        chmod 755 "$(dirname "$data")"
    fi
    chmod 700 "$data"
    as_postgres "$pg_bin/initdb" -D "$data" -U postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=peer --auth-host=reject \
        >"$var/log/initdb.log" 2>&1 || die "initdb failed; its output is in $var/log/initdb.log."
    # Who may connect: the system user that runs the stages, as the plain owner (and, to make that owner, as the superuser).
    printf 'local all all peer map=filmyfly\n' >"$data/pg_hba.conf"
    for user in "$(id -un)" postgres; do
        printf 'filmyfly %s filmyfly\nfilmyfly %s postgres\n' "$user" "$user"
    done >"$data/pg_ident.conf"
    printf '%s\n' "listen_addresses = ''" "max_connections = 200" "shared_buffers = '256MB'" "jit = off" >>"$data/postgresql.conf"
    touch "$data/filmyfly-made"
}

postgres_wait() {
    for _ in $(seq 600); do
        "$pg_bin/pg_isready" -q -h "$pg_socket" -U filmyfly -d postgres && return
        [ ! -e "$service/postgres/failed" ] || break
        sleep 0.1
    done
    tail -n 10 "$var/log/postgres/current" >&2
    die "the private PostgreSQL does not start; its log is $var/log/postgres/current."
}

postgres_ask() { # database, SQL
    env -i PATH="$PATH" "$pg_bin/psql" -XqAt -v ON_ERROR_STOP=1 -h "$pg_socket" -U postgres -d "$1" -c "$2"
}

postgres_make_database() {
    [ "$(postgres_ask postgres "select count(*) from pg_roles where rolname = 'filmyfly'")" = 1 ] ||
        postgres_ask postgres 'create role filmyfly login createrole'
    [ "$(postgres_ask postgres "select count(*) from pg_database where datname = 'filmyfly'")" = 1 ] ||
        postgres_ask postgres 'create database filmyfly owner filmyfly'
}
