#!/usr/bin/env bash
# core knows nobody; turn, relay and signaling know core and not each other; app joins them.
cd "$(dirname "$0")/../.." || exit 1
bad=0
for layer in core turn relay signaling; do
    for file in "$layer"/*.[ch]; do
        [ -e "$file" ] || continue
        edges=$(grep -oE '^#include "[a-z]+/' "$file" | sed 's/.*"//; s,/,,' | sort -u)
        for edge in $edges; do
            [ "$edge" = core ] || [ "$edge" = "$layer" ] || {
                echo "# $file includes $edge/"
                bad=1
            }
        done
    done
done
if [ "$bad" -eq 0 ]; then echo "ok 1 - includes follow the order of the folders"; else
    echo "not ok 1 - includes follow the order of the folders"
fi
exit "$bad"
