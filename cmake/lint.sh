#!/bin/bash
# Every checker over our own files: cmake/lint.sh SOURCE BUILD. Prints what is wrong and ends with the number of checkers that complained.
set -uo pipefail
cd "$1" || exit 1
build=$2
failed=0

check() { # name, command
    local started=$SECONDS
    if "${@:2}"; then
        printf 'lint: %s is content (%d s)\n' "$1" $((SECONDS - started))
    else
        printf 'lint: %s complains\n' "$1"
        failed=$((failed + 1))
    fi
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || {
            printf 'lint: %s is not installed; ./test installs it.\n' "$tool" >&2
            exit 1
        }
    done
}

# shellcheck disable=SC2317 # called by check
tidy() { # each file by itself, two at a time
    printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p "$build" 2>/dev/null
}

# shellcheck disable=SC2317 # called by check
commands() { # who names an interpreter can be run by name
    local file wrong=0
    while read -r file; do
        if [ ! -x "$file" ]; then
            printf '%s: begins with #! and is not executable\n' "$file"
            wrong=1
        fi
    done < <(find run test .ci cmake dbproxy deploy docker renderer scripts tests -type f -exec awk 'FNR == 1 && /^#!/ {print FILENAME} {nextfile}' {} +)
    return "$wrong"
}

need clang-format clang-tidy cppcheck shellcheck pyflakes3
mapfile -t files < <(find proto gateway cacher renderer dbproxy inspector tests -name '*.[ch]' | sort)
mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep '^[^/]*/[^/]*\.c$')
mapfile -t scripts < <(printf '%s\n' run test .ci/run cmake/*.sh scripts/*.sh docker/*.sh deploy/systemd/supervise tests/integration/*/*.sh)
mapfile -t python < <(find tests dbproxy -name '*.py' | sort)

check clang-format clang-format --dry-run -Werror "${files[@]}"
check shellcheck shellcheck -x "${scripts[@]}"
check commands commands
check pyflakes pyflakes3 "${python[@]}"
check cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 -j "$(nproc)" --enable=warning,portability,performance \
    --inline-suppr --suppress=missingIncludeSystem -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -Iproto "${sources[@]}"
check clang-tidy tidy
exit "$failed"
