# shellcheck shell=bash disable=SC2154 # variables of ./run
# The runit services of ./run: one directory for each instance, written anew at each start.
#
#     service/renderer-1/{run,finish,env/,log/run}      the log service appends to log/renderer-1/current
#     service/gateway/run                               holds the listening sockets and runs
#     service/gateway/stage/{run,finish,env/}           the gateway itself, so that sockets stay open while it is away
#     service/postgres/…                                the private database
#
# Descriptor 9 is the lock that says "this var directory is in use"; only runsvdir and runsv keep it.
# Needs $var, $service, $bin, $renderers, $dbproxies.

# Each stage is given the settings that its own --help names, so that only dbproxy sees DATABASE_URL.
write_environment() { # directory stage instance
    local name
    mkdir -p "$1"
    for name in $("$bin/filmyfly-$2" --help | sed -n 's/^  \([A-Z_]*\)=.*/\1/p') \
        FILMYFLY_FAULT ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS; do
        [ -z "${!name+set}" ] || printf '%s\n' "${!name}" >"$1/$name"
    done
    printf '%s\n' "$3" >"$1/FILMYFLY_INSTANCE"
}

write_script() { # file; text from stdin
    mkdir -p "$(dirname "$1")"
    cat >"$1"
    chmod 755 "$1"
}

# A stage drops a line rather than wait for its logger, so a full disk stops nobody.
write_logger() { # service
    mkdir -p "$var/log/$1" "$service/$1/log"
    printf 's1000000\nn5\nN1\n' >"$var/log/$1/config"
    ln -s "$var/log/$1" "$service/$1/log/files"
    printf '#!/bin/sh\nexec 9>&-\nexec svlogd ./files\n' | write_script "$service/$1/log/run"
}

write_run() { # directory, command lines
    {
        # shellcheck disable=SC2016 # expanded by the script
        printf '%s\n' '#!/bin/sh' 'exec 2>&1' 'read -r up rest </proc/uptime' 'echo "${up%.*}" >started'
        printf '%s\n' "${@:2}"
    } | write_script "$1/run"
}

# The rule of ten deaths. runsv gives the exit status, or -1 and the signal.
write_finish() { # directory, name, the socket that shows it was ready (or nothing)
    printf '%s\n' "$2" >"$1/name"
    printf '%s\n' "$3" >"$1/ready"
    write_script "$1/finish" <<'TEXT'
#!/bin/sh
exec 2>&1
[ "$1" != 0 ] || exit 0
deaths=0
[ ! -r deaths ] || read -r deaths <deaths
read -r up rest </proc/uptime
read -r started <started
read -r name <name
read -r ready <ready
how="exit status $1"
[ "$1" != -1 ] || how="signal $2"
deaths=$((deaths + 1))
if [ $((${up%.*} - started)) -ge 5 ] && { [ -z "$ready" ] || [ "$1" = 75 ] || [ "$ready" -nt started ]; }; then # 75: it left to be started again
    deaths=0
fi
echo "$deaths" >deaths
if [ "$deaths" -lt 10 ]; then
    echo "$name died ($how) and is started again."
else
    echo "$name failed: ten deaths in a row, each before it was ready or within 5 s of its start, the last by $how; it is not started again." | tee failed
    printf d >supervise/control
fi
TEXT
}

write_stage() { # stage instance name
    local directory=$service/$3
    write_logger "$3"
    if [ "$1" = gateway ]; then
        write_run "$directory" 'exec chpst -e ./stage/env ./filmyfly-listen runsv ./stage'
        write_finish "$directory" "$3 (its listening sockets)" ''
        ln -s "$bin/filmyfly-listen" "$directory/"
        touch "$directory/down"
        directory=$directory/stage
    fi
    write_environment "$directory/env" "$1" "$2"
    ln -s "$bin/filmyfly-$1" "$directory/"
    if [ "$1" = gateway ]; then
        # shellcheck disable=SC2016 # expanded by the script
        write_run "$directory" 'exec 9>&-' 'export LISTEN_PID=$$' 'exec chpst -e ./env ./filmyfly-gateway'
        write_finish "$directory" "$3" ''
    else
        write_run "$directory" 'exec 9>&-' "exec chpst -e ./env ./filmyfly-$1"
        write_finish "$directory" "$3" "$FILMYFLY_RUN_DIR/$1/$2.sock"
        touch "$directory/down"
    fi
}

write_postgres() {
    local as=''
    [ "$(id -u)" != 0 ] || as='chpst -u postgres'
    if [ "$pg_socket" != "$data" ]; then
        make_short_dir
        mkdir -p "$pg_socket"
        chmod 700 "$pg_socket"
        [ "$(id -u)" != 0 ] || chown postgres: "$pg_socket"
    fi
    write_logger postgres
    printf '%s\n' "$data" >"$service/postgres/data"
    printf '%s\n' "$pg_socket" >"$service/postgres/socket"
    # shellcheck disable=SC2016 # expanded by the script
    write_run "$service/postgres" 'exec 9>&-' 'read -r data <data' 'read -r socket <socket' 'cd /' \
        "exec $as $pg_bin/postgres"' -D "$data" -c unix_socket_directories="\"$socket\""'
    write_finish "$service/postgres" postgres ''
    # shellcheck disable=SC2016 # expanded by the script
    # TERM would wait until every client has gone; INT is a fast, clean shutdown.
    printf '%s\n' '#!/bin/sh' 'read -r pid <supervise/pid' 'kill -INT "$pid"' | write_script "$service/postgres/control/t"
}

write_services() {
    local i
    rm -rf "$service"
    mkdir -p "$service"
    chmod 700 "$service"
    for i in $(seq "$dbproxies"); do write_stage dbproxy "$i" "dbproxy-$i"; done
    for i in $(seq "$renderers"); do write_stage renderer "$i" "renderer-$i"; done
    write_stage cacher 1 cacher
    write_stage gateway 1 gateway
    [ -z "$private" ] || write_postgres
}

# ---- asking runit

with_control() { # those of the directories that a runsv looks after
    local directory
    for directory in "$@"; do
        [ ! -p "$directory/supervise/control" ] || printf '%s\n' "$directory"
    done
}

ask_services() { # seconds to wait for it, command, directories
    local there
    mapfile -t there < <(with_control "${@:3}")
    [ ${#there[@]} -eq 0 ] || sv -w "$1" "$2" "${there[@]}" >"$var/log/sv.log" 2>&1
}

start_supervisor() {
    env -i PATH="$PATH" LANG=C.UTF-8 setsid runsvdir -P "$service" </dev/null >>"$var/log/runsvdir.log" 2>&1 &
    echo $! >"$var/supervisor.pid"
    for _ in $(seq 100); do
        [ "$(with_control "$service"/* | wc -l)" -lt "$(find "$service" -mindepth 1 -maxdepth 1 | wc -l)" ] || return 0
        sleep 0.05
    done
    die "runsvdir does not start; see $var/log/runsvdir.log."
}

supervisor_pid() { # of the runsvdir that is ours
    local pid
    pid=$(cat "$var/supervisor.pid" 2>/dev/null) || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$service" && echo "$pid"
}

start_stages() {
    rm -f "$service"/*/down
    sv up "$service"/dbproxy-* "$service"/renderer-* "$service/cacher" "$service/gateway" >/dev/null || true
}

# The gateway first, which finishes what is in flight, the database last.
stop_services() {
    local pid directory
    ask_services 15 force-stop "$service/gateway/stage" || true
    ask_services 5 force-stop "$service/gateway" || true
    ask_services 15 force-stop "$service/cacher" "$service"/renderer-* "$service"/dbproxy-* || true
    ask_services 60 stop "$service/postgres" || true
    if pid=$(supervisor_pid); then
        kill -HUP "$pid"
    fi
    for directory in $(cd "$service" 2>/dev/null && with_control ./*); do
        sv exit "$service/$directory" >/dev/null 2>&1 || true
    done
}

# Says each failure once, with the end of the log.
say_failures() {
    local directory name
    for directory in "$service"/* "$service/gateway/stage"; do
        [ -e "$directory/failed" ] || continue
        [ ! -e "$directory/failed.said" ] || continue
        touch "$directory/failed.said"
        name=${directory#"$service"/}
        name=${name%%/*}
        tail -n 15 "$var/log/$name/current" >&2 || true
        printf './run: the log above is %s\n' "$var/log/$name/current" >&2
    done
}

any_failure() {
    compgen -G "$service/*/failed" >/dev/null || [ -e "$service/gateway/stage/failed" ]
}

show_services() {
    local directory
    for directory in "$service"/*; do
        [ ! -d "$directory/stage" ] || directory=$directory/stage
        sv status "$directory" 2>&1 | sed "s|$service/||; s|/stage:|:|; s|; run: log:.*||"
        [ ! -e "$directory/failed" ] || sed 's/^/    /' "$directory/failed"
    done
}
