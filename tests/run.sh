#!/usr/bin/env bash
# Runs every test and ends in one line: N passed, N failed. Called by `make check`.
#   tests/run.sh             everything
#   tests/run.sh unit asan   only these groups: unit fuzz asan tsan web protocol turn_tools e2e netns
# Every test program speaks TAP ("ok 1 - what"); a program that dies counts as one failure.
set -uo pipefail
cd "$(dirname "$0")/.."

groups=${*:-unit fuzz asan tsan web protocol turn_tools e2e netns}
jobs=$(nproc)
passed=0
failed=0
logs=build/test-logs
mkdir -p "$logs"

# run NAME SECONDS COMMAND...: one test program with its time limit.
run() {
    local name=$1 limit=$2 log ok bad status=0
    shift 2
    log=$logs/${name//\//-}.log
    timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
    ok=$(grep -c '^ok ' "$log")
    bad=$(grep -c '^not ok ' "$log")
    [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ "$status" -eq 0 ] && [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && bad=1
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then
        printf '  ok    %-44s %4d\n' "$name" "$ok"
    else
        printf '  FAIL  %-44s %4d passed, %d failed (exit %d)\n' "$name" "$ok" "$bad" "$status"
        grep -B6 '^not ok ' "$log" | head -n 60 | sed 's/^/        /'
        [ "$status" -ne 0 ] && tail -n 25 "$log" | sed 's/^/        /'
    fi
}

# build VARIANT GOAL...: a failed build is a failed test.
build() {
    local folder=$1
    shift
    echo "== building $folder"
    if ! make --no-print-directory -j"$jobs" BUILD="$folder" "$@" >"$logs/build.log" 2>&1; then
        tail -n 40 "$logs/build.log"
        failed=$((failed + 1))
        return 1
    fi
}

# The registry is asked only when tests/node_modules is not what package-lock.json says.
npm_packages() {
    local installed=tests/node_modules/.installed-package-lock.json
    cmp -s tests/package-lock.json "$installed" && return
    echo "== installing the tests' npm packages"
    if ! (cd tests && npm ci --no-audit --no-fund --ignore-scripts) >"$logs/npm.log" 2>&1; then
        tail -n 20 "$logs/npm.log"
        failed=$((failed + 1))
        return 1
    fi
    cp tests/package-lock.json "$installed"
}

programs() { find "$1"/tests -type f -perm -u+x -name "$2" | sort; }

for group in $groups; do
    case $group in
    unit)
        build build all test-programs || continue
        echo "== unit and simulation tests"
        for t in $(programs build '*_test'); do run "${t#build/tests/}" 120 "$t"; done
        for t in tests/unit/*.sh; do [ -e "$t" ] && run "unit/$(basename "$t" .sh)" 60 bash "$t"; done
        ;;
    fuzz)
        build build fuzz || continue
        echo "== fuzz corpora replayed"
        for t in $(programs build '*_fuzz'); do run "${t#build/tests/}" 120 "$t"; done
        ;;
    asan)
        build build/asan CONFIGURE_FLAGS="--enable-asan --enable-ubsan CFLAGS=-O1\ -g" server test-programs || continue
        echo "== the same under AddressSanitizer and UndefinedBehaviorSanitizer"
        for t in $(programs build/asan '*_test') $(programs build/asan '*_fuzz'); do
            run "asan/${t#build/asan/tests/}" 300 "$t"
        done
        ;;
    tsan)
        build build/tsan CONFIGURE_FLAGS="--enable-tsan CFLAGS=-O1\ -g" server test-programs || continue
        echo "== tests with threads under ThreadSanitizer"
        for t in $(grep -lE 'loop_|pthread|worker' tests/*/*_test.c | sed 's/\.c$//'); do
            run "tsan/${t#tests/}" 300 "build/tsan/$t"
        done
        ;;
    web)
        echo "== the page and its client library, without a browser"
        for t in tests/web/*.test.mjs; do
            run "web/$(basename "$t" .test.mjs)" 60 node --test --test-reporter=tap "$t"
        done
        ;;
    protocol | turn_tools | e2e | netns)
        build build all test-programs || continue
        npm_packages || continue
        echo "== $group tests"
        for t in tests/"$group"/*.test.mjs; do
            [ -e "$t" ] && run "$group/$(basename "$t" .test.mjs)" 300 \
                node --test --test-reporter=tap "$t"
        done
        for t in tests/"$group"/*_test.sh; do
            [ -e "$t" ] && run "$group/$(basename "$t" .sh)" 300 bash "$t"
        done
        ;;
    *)
        echo "unknown group: $group (unit fuzz asan tsan web protocol turn_tools e2e netns)" >&2
        exit 2
        ;;
    esac
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
