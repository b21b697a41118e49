#!/usr/bin/env bash
# The documentation has what the program has: options, codes, events, numbers.
set -uo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
server=""
trap '[ -n "$server" ] && kill "$server"; rm -rf "$folder"' EXIT
number=0

check() { # check NAME COMMAND...: what the command prints says what is missing
    local name=$1 status
    shift
    number=$((number + 1))
    "$@" >"$folder/output" 2>&1
    status=$?
    sed 's/^/# /' "$folder/output" | head -n 40
    if [ "$status" -eq 0 ]; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
    fi
}

# "code" and sentence of each row of a list of the two languages.
codes_of_header() {
    sed -n 's/^ *X([A-Z0-9_]*, "\([a-z0-9_]*\)", "\([^"]*\)").*/| `\1` | \2 |/p' core/refusal.h
}
codes_of_document() { # the section of the codes and nothing else
    sed -n 's/^\(| `[a-z0-9_]*` | [^|]* |\).*/\1/p' "$1" | grep -Fxf "$folder/header"
}

each_code_is_in_one_document() {
    codes_of_header | sort >"$folder/header"
    { codes_of_document docs/protocol.md && codes_of_document docs/operations.md; } |
        sort >"$folder/documents"
    [ -s "$folder/header" ] && diff "$folder/header" "$folder/documents"
}

# Whatever a client is told by name in the sources stands in the list of what clients see.
each_code_of_an_event_is_in_the_protocol() {
    local name code missing=0
    for name in $(grep -ohE 'return REFUSAL_[A-Z0-9_]+' signaling/events.c signaling/search.c signaling/chat.c \
        signaling/lobby.c signaling/entrance.c signaling/user_media.c relay/relay.c relay/sdp*.c |
        sed 's/.*REFUSAL_//' | sort -u) $(grep -ohE '(= |, )REFUSAL_(SDP|ICE|DTLS)_[A-Z_]+' \
        relay/sdp*.c relay/peer.c relay/ice.c relay/dtls.c | sed 's/.*REFUSAL_//' | sort -u); do
        [ "$name" = NONE ] && continue
        code=$(sed -n "s/^ *X($name, \"\([a-z0-9_]*\)\".*/\1/p" core/refusal.h)
        grep -q "^| \`$code\` | .* | [HCE ]* |$" docs/protocol.md ||
            { echo "$code is not in docs/protocol.md"; missing=1; }
    done
    return $missing
}

each_event_of_clients_is_in_the_protocol() {
    local event missing=0
    for event in $(sed -n 's/^ *{"\([a-z-]*\)", on_[a-z_]*},$/\1/p' signaling/events.c); do
        grep -q "^| .*\`$event\`.* |" docs/protocol.md || { echo "$event"; missing=1; }
    done
    [ -n "${event:-}" ] && [ "$missing" -eq 0 ]
}

each_event_of_the_server_is_in_the_protocol() {
    local event missing=0
    for event in $(cat signaling/*.c | tr '\n' ' ' |
        grep -oE '(user_emit\([a-z>-]+|answer\(call), *"[a-z-]+"' | sed 's/.*"\(.*\)"/\1/' | sort -u); do
        sed -n '/^### Server to client/,/^## HTTP/p' docs/protocol.md |
            grep -q "^| .*\`$event\`.* |" || { echo "$event"; missing=1; }
    done
    [ -n "${event:-}" ] && [ "$missing" -eq 0 ]
}

start_server() {
    build/meetopia-relay --port=0 --listening-port=0 --listening-ip=127.0.0.1 \
        >"$folder/announced" 2>"$folder/log" &
    server=$!
    for _ in $(seq 200); do
        port=$(sed -n 's/.*http:\/\/127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/announced")
        [ -n "$port" ] && return 0
        sleep 0.02
    done
    cat "$folder/log"
    return 1
}

each_number_is_in_operations_and_no_other() {
    start_server || return 1
    curl -sf "http://127.0.0.1:$port/metrics" |
        sed -n 's/^# TYPE \([a-z_0-9]*\) .*/\1/p' | sort >"$folder/numbers"
    sed -n '/^| number |/,/^$/ s/^| `\([a-z_0-9]*\)`.*/\1/p' docs/operations.md | sort >"$folder/documented"
    [ -s "$folder/numbers" ] && diff "$folder/numbers" "$folder/documented"
}

check "the options of docs/configuration.md are current" scripts/configuration-doc.sh --check
check "each code of refusal.h is in protocol.md or in operations.md" each_code_is_in_one_document
check "each code that a client can be told is in protocol.md" each_code_of_an_event_is_in_the_protocol
check "each event of clients is in protocol.md" each_event_of_clients_is_in_the_protocol
check "each event of the server is in protocol.md" each_event_of_the_server_is_in_the_protocol
check "each number of /metrics is in operations.md" each_number_is_in_operations_and_no_other
echo "1..$number"
