#!/usr/bin/env bash
# Builds the page into the folder given: npm packages at build time, nothing of theirs in the tree.
set -euo pipefail
out=$(realpath -m "${1:-build/web}")
cd "$(dirname "$0")/../web"
[ -e package.json ] || { mkdir -p "$out"; exit 0; }
[ node_modules/.package-lock.json -nt package-lock.json ] ||
    npm ci --no-audit --no-fund --loglevel=error
npm run --silent build -- "$out"
