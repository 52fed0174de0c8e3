#!/bin/sh
# The builder of compose.dev.yaml: builds /src into /build, does so again whenever a source changes, and restarts the stages that are
# then others. A build that fails leaves running what runs.
set -eu
cd /src

build() {
    echo "Building"
    if cmake --build /build; then
        echo "Built"
    else
        echo "The build failed; what ran before goes on." >&2
        return 1
    fi
}

sources() {
    find proto gateway cacher renderer dbproxy inspector cmake CMakeLists.txt -type f -printf '%p %T@ %s\n' | sort | md5sum
}

parts() { # of a stage, besides its templates, which it looks after itself
    echo "/build/bin/filmyfly-$1"
    case $1 in
    dbproxy) find dbproxy/queries dbproxy/migrations -name '*.sql' ;;
    gateway | renderer) echo /build/share/filmyfly/static/manifest.txt ;;
    esac
}

stamp() { # of a stage
    parts "$1" | sort | xargs md5sum | md5sum
}

stamps() {
    for stage in dbproxy renderer cacher gateway; do
        echo "$stage $(stamp "$stage")"
    done
}

restart_changed() { # stamps of before
    stamps | while read -r stage now; do
        if ! printf '%s\n' "$1" | grep -qxF "$stage $now"; then
            echo "Restarting $stage"
            filmyfly restart "$stage" </dev/null || echo "$stage does not come back; see its log." >&2
        fi
    done
}

rm -f /build/ready
cmake --preset release -B /build -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF
seen=$(sources)
build
touch /build/ready
running=$(stamps)
while sleep 1; do
    now=$(sources)
    [ "$now" != "$seen" ] || continue
    seen=$now
    build || continue
    restart_changed "$running"
    running=$(stamps)
done
