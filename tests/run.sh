#!/usr/bin/env bash
# Runs every test and ends in one line: N passed, N failed. Called by `make check`.
#   tests/run.sh             everything
#   tests/run.sh unit asan   only these groups (see tests/README.md)
# Every test program speaks TAP ("ok 1 - what"); a program that dies counts as one failure.
set -uo pipefail
cd "$(dirname "$0")/.."

all="unit fuzz asan tsan web protocol protocol-asan turn_tools turn_tools-asan e2e e2e-asan netns"
groups=${*:-$all}
jobs=$(nproc)
passed=0
failed=0
logs=build/test-logs
mkdir -p "$logs"

ASAN="--enable-asan --enable-ubsan CFLAGS=-O1\ -g1"
TSAN="--enable-tsan CFLAGS=-O1\ -g1"

# Seconds and tenths since a time as EPOCHREALTIME has it.
since() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# One test program with its time limit; leaves its counts in a file of its name.
run() {
    local name=$1 limit=$2 begin=$EPOCHREALTIME log ok bad report status=0
    shift 2
    log=$logs/${name//\//-}
    timeout --kill-after=10 "$limit" "$@" >"$log.log" 2>&1 </dev/null &
    trap 'kill $!' TERM
    wait $! || status=$?
    ok=$(grep -c '^ok ' "$log.log")
    bad=$(grep -c '^not ok ' "$log.log")
    [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ "$status" -eq 0 ] && [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && bad=1
    echo "$ok $bad" >"$log.count"
    if [ "$bad" -eq 0 ]; then
        printf '  ok    %-44s %4d %6s s\n' "$name" "$ok" "$(since "$begin")"
    else
        report=$(grep -B6 '^not ok ' "$log.log" | head -n 60 | sed 's/^/        /')
        [ "$status" -ne 0 ] && report+=$'\n'$(tail -n 25 "$log.log" | sed 's/^/        /')
        printf '  FAIL  %-44s %4d passed, %d failed (exit %d)\n%s\n' \
            "$name" "$ok" "$bad" "$status" "$report"
    fi
}

# start AT_ONCE NAME SECONDS COMMAND...: runs it while fewer than so many others run.
started=()
start() {
    local at_once=$1
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do wait -n; done
    started+=("$logs/${1//\//-}.count")
    rm -f "${started[-1]}"
    run "$@" &
}

finish() {
    local count ok bad
    wait
    for count in "${started[@]}"; do
        read -r ok bad <"$count" || { ok=0 bad=1; }
        passed=$((passed + ok))
        failed=$((failed + bad))
    done
    started=()
}
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM

# build VARIANT GOAL...: once; a failed build is a failed test.
declare -A built
build() {
    local folder=$1
    shift
    [ "${built["$folder $*"]:-}" ] && return "${built["$folder $*"]}"
    echo "== building $folder"
    if ! make --no-print-directory -j"$jobs" BUILD="$folder" "$@" >"$logs/build.log" 2>&1; then
        tail -n 40 "$logs/build.log"
        failed=$((failed + 1))
        built["$folder $*"]=1
        return 1
    fi
    built["$folder $*"]=0
}

build_plain() { build build all test-programs; }
build_asan() {
    build build/asan CONFIGURE_FLAGS="$ASAN" server tests \
        build/asan/tests/tools/{socketio_echo,nice_relay}
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

# Backwards: the longest are in relay/ and sim/, and should not be the last to begin.
programs() { find "$1"/tests -type f -perm -u+x -name "$2" | sort -r; }

# The test programs that can start threads: what they are linked of does.
threaded() {
    local t
    for t in $(programs build '*_test'); do
        nm -u "$t" | grep -E ' (pthread_create|usrsctp_init)' >/dev/null && echo "${t#build/}"
    done
}

# node_tests AT_ONCE GROUP FILE...: against the server in $BUILD.
node_tests() {
    local at_once=$1 group=$2 t
    shift 2
    for t in "$@"; do
        start "$at_once" "$group/$(basename "$t" .test.mjs)" 300 node --test --test-reporter=tap "$t"
    done
}

run_group() {
    local t group=$1
    case $group in
    unit)
        build_plain || return
        for t in $(programs build '*_test'); do start "$jobs" "${t#build/tests/}" 120 "$t"; done
        for t in tests/unit/*.sh; do start "$jobs" "unit/$(basename "$t" .sh)" 60 bash "$t"; done
        ;;
    fuzz) # the corpora replayed
        build_plain || return
        for t in $(programs build '*_fuzz'); do start "$jobs" "${t#build/tests/}" 120 "$t"; done
        ;;
    asan)
        build_asan || return
        for t in $(programs build/asan '*_test') $(programs build/asan '*_fuzz'); do
            start "$jobs" "asan/${t#build/asan/tests/}" 300 "$t"
        done
        ;;
    tsan)
        build_plain || return
        local names
        names=$(threaded)
        build build/tsan CONFIGURE_FLAGS="$TSAN" ${names//tests\//build/tsan/tests/} || return
        for t in $names; do start "$jobs" "tsan/${t#tests/}" 300 "build/tsan/$t"; done
        ;;
    web)
        node_tests "$jobs" web tests/web/*.test.mjs
        ;;
    protocol)
        build_plain && npm_packages || return
        node_tests "$jobs" protocol tests/protocol/*.test.mjs
        ;;
    protocol-asan)
        build_asan && npm_packages || return
        BUILD=build/asan node_tests "$jobs" protocol-asan tests/protocol/*.test.mjs
        ;;
    turn_tools)
        build_plain && npm_packages || return
        node_tests 1 turn_tools tests/turn_tools/*.test.mjs
        for t in tests/turn_tools/*_test.sh; do
            [ -e "$t" ] && start 1 "turn_tools/$(basename "$t" .sh)" 300 bash "$t"
        done
        ;;
    turn_tools-asan)
        build_asan && npm_packages || return
        BUILD=build/asan node_tests 1 turn_tools-asan tests/turn_tools/*.test.mjs
        ;;
    e2e)
        build_plain && npm_packages || return
        node_tests 1 e2e tests/e2e/*.test.mjs
        ;;
    e2e-asan)
        build_plain && build_asan && npm_packages || return
        BUILD=build/asan node_tests "$jobs" e2e-asan tests/e2e/{chromium,data_channel}.test.mjs
        ;;
    netns)
        build_plain && npm_packages || return
        node_tests 1 netns tests/netns/*.test.mjs
        for t in tests/netns/*_test.sh; do
            [ -e "$t" ] && start 1 "netns/$(basename "$t" .sh)" 300 bash "$t"
        done
        ;;
    *)
        echo "unknown group: $group ($all)" >&2
        exit 2
        ;;
    esac
}

times=""
whole=$EPOCHREALTIME
for group in $groups; do
    begin=$EPOCHREALTIME
    echo "== $group"
    run_group "$group"
    finish
    times+=", $group $(since "$begin")"
done

echo "== seconds with builds: $(since "$whole")$times"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
