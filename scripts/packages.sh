# shellcheck shell=bash disable=SC2154 # variables of ./run
# Installing what packages.txt names: shared by ./run and ./test. Needs $here, step, die.

packages_list() { # sections of packages.txt
    awk -v wanted=" $* " '/^#/ || !NF { next } /^\[/ { gsub(/[][]/, ""); on = index(wanted, " " $0 " "); next } on' "$here/packages.txt"
}

packages_missing() {
    local name program state
    for name in $(packages_list "$@"); do
        program=${name#*/}
        if [ "$program" != "$name" ]; then # package/program
            ! command -v "$program" >/dev/null || continue
            name=${name%/*}
        fi
        state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) || true
        [ "$state" = installed ] || printf '%s ' "$name"
    done
}

packages_install() { # log file, sections
    local log=$1 missing as_root=()
    shift
    command -v dpkg-query >/dev/null || die "this is neither Debian nor Ubuntu; install what packages.txt names, then use --no-install."
    missing=$(packages_missing "$@" "$(. /etc/os-release && echo "$ID")")
    [ -n "$missing" ] || return 0
    step "Installing $missing"
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then
            die "packages are missing. Install them as root, then start again:
    apt-get update && apt-get install -y --no-install-recommends $missing"
        fi
    fi
    # The package postgresql would make and start a cluster of its own that nobody asked for.
    if [ ! -e /etc/postgresql-common ]; then
        "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/filmyfly.conf >/dev/null
    fi
    # shellcheck disable=SC2086,SC2016 # a list of words; expanded by the inner shell
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        sh -c 'apt-get update -q && exec apt-get install -yq --no-install-recommends "$@"' sh $missing </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "the packages could not be installed; the whole output is in $log."
    }
}
