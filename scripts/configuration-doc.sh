#!/usr/bin/env bash
# Keeps the table of options in docs/configuration.md as the program has it.
#   scripts/configuration-doc.sh           writes it
#   scripts/configuration-doc.sh --check   fails, with the difference, when it is not current
set -euo pipefail
cd "$(dirname "$0")/.."
document=docs/configuration.md
program=${PROGRAM:-build/meetopia-relay}

fresh=$(mktemp)
table=$(mktemp)
trap 'rm -f "$fresh" "$table"' EXIT
"$program" --help=markdown >"$table"
awk -v table="$table" '
    /<!-- options end -->/ { inside = 0 }
    !inside { print }
    /<!-- options begin/ { inside = 1; while ((getline line < table) > 0) print line }
' "$document" >"$fresh"
if [ "${1:-}" = --check ]; then
    diff -u "$document" "$fresh"
else
    cp "$fresh" "$document"
fi
