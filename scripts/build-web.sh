#!/usr/bin/env bash
# Builds the page into the folder given: npm packages at build time, nothing of theirs in the tree.
# Asks the registry only when web/node_modules is not what package-lock.json says.
set -euo pipefail
out=$(realpath -m "${1:-build/web}")
cd "$(dirname "$0")/../web"
installed=node_modules/.installed-package-lock.json
if ! cmp -s package-lock.json "$installed"; then
    echo "== installing the page's npm packages"
    npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
    cp package-lock.json "$installed"
fi
npm run --silent build -- "$out"
