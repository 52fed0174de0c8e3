#!/bin/sh
# Builds libh2o-evloop into DIRECTORY from the distribution's own source of what is installed, without -Bsymbolic-functions.
# Needs no right but to write there. Says why not on stderr.
set -eu
[ $# = 1 ] || { echo "libh2o.sh DIRECTORY" >&2; exit 2; }
for program in apt-get dpkg-source dpkg-buildflags; do
    command -v "$program" >/dev/null || { echo "libh2o.sh: $program is missing; packages.txt names its package." >&2; exit 1; }
done
mkdir -p "$1"
work=$(mktemp -d "$1/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# Where the machine has its packages from, asked for sources, with lists and a cache of our own.
mkdir -p parts lists/partial cache
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -f "$list" ] || sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /p' "$list"
done | sort -u >sources.list
for list in /etc/apt/sources.list.d/*.sources; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"parts/${list##*/}"
done
apt() {
    apt-get -q -o APT::Sandbox::User="$(id -un)" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts" \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" "$@"
}
version=$(dpkg-query -W -f '${source:Version}' libh2o-evloop-dev)
apt update || true # some source of the machine that has nothing to do with this may be away
apt --download-only source "h2o=$version" || {
    echo "libh2o.sh: the source of libh2o $version, which is installed, could not be had. If it is not the newest one:" >&2
    echo "    apt-get update && apt-get install libh2o-evloop-dev" >&2
    exit 1
}
dpkg-source --no-check -x ./*.dsc source # apt has checked it
sed -i 's/^PROJECT(h2o)/PROJECT(h2o C)/I' source/CMakeLists.txt # or CMake wants a C++ compiler, for its fuzzers

# As the package is built, but for that option.
export DEB_BUILD_MAINT_OPTIONS='hardening=+all optimize=-lto' DEB_LDFLAGS_MAINT_STRIP=-Wl,-Bsymbolic-functions
cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=None -DWITH_BUNDLED_SSL=off -DWITH_MRUBY=off -DBUILD_SHARED_LIBS=on \
    -DCMAKE_C_FLAGS="$(dpkg-buildflags --get CFLAGS) $(dpkg-buildflags --get CPPFLAGS)" \
    -DCMAKE_SHARED_LINKER_FLAGS="$(dpkg-buildflags --get LDFLAGS)"
cmake --build build --target libh2o-evloop
library=$(readlink -f build/libh2o-evloop.so)
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)].*/\1/p')
cp "$library" ../new
mv ../new "../$soname"
