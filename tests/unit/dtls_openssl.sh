#!/usr/bin/env bash
# Our DTLS endpoint against `openssl s_client`: profiles, exported keys, data, close, fingerprint.
set -uo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0

check() { # check NAME COMMAND...
    local name=$1
    shift
    number=$((number + 1))
    if "$@"; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        sed 's/^/# /' "$folder/endpoint" "$folder/client" 2>/dev/null | head -n 40
    fi
}

# session FINGERPRINT PROFILE: one client that says hello, hears it back and leaves.
session() {
    local port="" client
    : >"$folder/endpoint"
    build/tests/tools/dtls_endpoint "$1" >"$folder/endpoint" 2>&1 &
    local endpoint=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/^port //p' "$folder/endpoint")
        [ -n "$port" ] && break
        sleep 0.02
    done
    {
        for _ in $(seq 200); do # until it is connected, then a word, then the end of input
            grep -q -e '^connected' -e '^failed' "$folder/endpoint" && break
            sleep 0.02
        done
        echo hello
        for _ in $(seq 100); do
            grep -q -e '^data' -e '^failed' "$folder/endpoint" && break
            sleep 0.02
        done
        sleep 0.2
    } | timeout 8 openssl s_client -dtls1_2 -connect "127.0.0.1:$port" -use_srtp "$2" \
        -keymatexport EXTRACTOR-dtls_srtp -keymatexportlen "$3" \
        -cert "$folder/client.pem" -key "$folder/client.key" >"$folder/client" 2>&1
    client=$?
    wait "$endpoint"
    return "$client"
}

same_keys() {
    local theirs ours
    theirs=$(sed -n 's/.*Keying material: //p' "$folder/client")
    ours=$(sed -n 's/^keys //p' "$folder/endpoint")
    [ -n "$ours" ] && [ "$ours" = "$theirs" ]
}

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client \
    -keyout "$folder/client.key" -out "$folder/client.pem" 2>/dev/null
own=$(openssl x509 -in "$folder/client.pem" -noout -fingerprint -sha256 | sed 's/.*=//')

session "$own" SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM 56
check "AES-GCM is chosen against the client's order" grep -q '^connected SRTP_AEAD_AES_128_GCM$' "$folder/endpoint"
check "both export the same keys" same_keys
check "application data arrives" grep -q '^data hello$' "$folder/endpoint"
check "and comes back" grep -q '^hello$' "$folder/client"
check "close_notify closes" grep -q '^closed$' "$folder/endpoint"

session "$own" SRTP_AES128_CM_SHA1_80 60
check "AES-CM is spoken with a client that has nothing else" grep -q '^connected SRTP_AES128_CM_SHA1_80$' "$folder/endpoint"
check "with the same keys" same_keys

session "$(echo "$own" | tr 0-9A-F 1-9A-F0)" SRTP_AEAD_AES_128_GCM 56
check "another fingerprint is refused" grep -q '^failed dtls_fingerprint$' "$folder/endpoint"
check "and the client is told so" grep -qi 'alert bad certificate' "$folder/client"
echo "1..$number"
