# shellcheck shell=bash disable=SC2154 # variables of ./run
# ./run --dev: once a second, build when a source changed and restart the instances whose program or data changed. Templates are reloaded by
# the renderers themselves. Needs $here, $bin, $build_dir, $service, build_programs.

declare -A watched # what each thing looked like the last time

changed() { # name, files and directories: whether they look different from the last time (never at the first look)
    local now before=${watched[$1]:-}
    now=$(find "${@:2}" -type f -printf '%p %T@ %s\n' 2>/dev/null | sort | md5sum)
    watched[$1]=$now
    [ -n "$before" ] && [ "$before" != "$now" ]
}

restart_one_by_one() { # service directories
    local directory
    for directory in "$@"; do
        step "Restarting ${directory#"$service"/}"
        rm -f "$directory/failed" "$directory/failed.said" "$directory/deaths"
        ask_services 40 restart "$directory" || say "${directory#"$service"/} does not come back; see $var/log."
    done
}

watch_once() {
    local manifest=$build_dir/share/filmyfly/static/manifest.txt
    if changed sources "$here"/{proto,gateway,cacher,renderer,dbproxy,cmake,CMakeLists.txt}; then
        step "Building"
        build_programs || say "The build failed; what ran before goes on."
    fi
    if changed dbproxy "$bin/filmyfly-dbproxy" "$here/dbproxy/queries" "$here/dbproxy/migrations"; then
        restart_one_by_one "$service"/dbproxy-*
    fi
    if changed renderer "$bin/filmyfly-renderer" "$manifest"; then
        restart_one_by_one "$service"/renderer-*
    fi
    if changed cacher "$bin/filmyfly-cacher"; then
        restart_one_by_one "$service/cacher"
    fi
    if changed gateway "$bin/filmyfly-gateway" "$manifest"; then
        restart_one_by_one "$service/gateway/stage"
    fi
}
