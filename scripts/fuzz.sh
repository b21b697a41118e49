#!/usr/bin/env bash
# Runs every fuzz target (or those named) under AddressSanitizer and UndefinedBehaviorSanitizer.
#   scripts/fuzz.sh [SECONDS] [TARGET...]     60 seconds each, as many at a time as there are cores
# New inputs stay in build/fuzz/found/<target>; a crash is written there too and ends in exit 1.
# Says per target: executions, edges that the inputs there were reached and that all reach now.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift

make --no-print-directory -j"$(nproc)" BUILD=build/fuzz \
    CONFIGURE_FLAGS='CC=clang --enable-fuzz --enable-asan --enable-ubsan' fuzz >build/fuzz-build.log 2>&1 || {
    tail -n 20 build/fuzz-build.log
    exit 1
}

edges() { grep -E "$1" "$2" | grep -oE 'cov: [0-9]+' | tail -n 1 | cut -d' ' -f2; }

run_one() {
    local target=$1 seconds=$2 found=build/fuzz/found/$1 log=build/fuzz/$1.log
    mkdir -p "$found" "tests/fuzz/corpus/$target"
    if build/fuzz/tests/fuzz/"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$found/crash-" "$found" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        printf '  ok    %-26s %9d executions, %5d -> %5d edges\n' "$target" \
            "$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")" \
            "$(edges INITED "$log")" "$(edges . "$log")"
    else
        printf '  CRASH %-28s see %s\n' "$target" "$log"
        return 1
    fi
}
export -f run_one edges

targets=${*:-$(cd tests/fuzz && ls ./*_fuzz.c | sed 's,^\./,,; s,\.c$,,')}
printf '%s\n' $targets | xargs -P "$(nproc)" -I{} bash -c "run_one {} $seconds"
