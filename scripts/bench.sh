#!/usr/bin/env bash
# Prints every figure that README.md quotes, and what machine they come from (bench/README.md).
set -uo pipefail
cd "$(dirname "$0")/.."

echo "machine: $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
for what in frames single delay users idle splice; do
    timeout 120 build/bench/relay_load $what
done
echo "== under load: 100 000 packets/s"
timeout 120 build/bench/relay_load frames build/meetopia-relay 100
timeout 120 build/bench/relay_load delay build/meetopia-relay 100
for program in idle_sockets_bench media_bench udp_port_bench stream_handover_bench srtp_bench turn_parts_bench turn_core_bench match_bench; do
    echo "== $program"
    timeout 120 "build/bench/$program"
done
echo "== TURN against coturn"
timeout 180 node bench/turn_against_coturn.mjs
echo "== match to first frame, Chromium"
[ -d tests/node_modules ] || (cd tests && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error)
timeout 280 node bench/first_frame.mjs
