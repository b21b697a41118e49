#!/usr/bin/env bash
# --check-config says line by line what of a turnserver.conf is not in force, and whether it would start.
set -uo pipefail
cd "$(dirname "$0")/../.."
program=build/meetopia-relay

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0

check() { # check NAME CONDITION...
    local name=$1
    shift
    number=$((number + 1))
    if "$@"; then echo "ok $number - $name"; else
        sed 's/^/# /' "$folder/out" "$folder/err" | tail -n 20
        echo "not ok $number - $name"
    fi
}

run() { # run ARGUMENT...
    "$program" "$@" >"$folder/out" 2>"$folder/err"
    status=$?
}

says() { # says FILE TEXT: the line stands in it
    grep -qF -- "$2" "$folder/$1"
}

run --check-config -c tests/app/turnserver.conf
check "a file that can be used is good" test "$status" -eq 0
check "what is not in force is named by its line" \
    says out "# not in force: tests/app/turnserver.conf:$(grep -n '^syslog$' tests/app/turnserver.conf | cut -d: -f1): syslog:"
check "what is in force is printed" says out "denied-peer-ip=10.0.0.0-10.255.255.255,192.168.0.0"
check "no secret is printed" bash -c "! grep -q 'pass,word' '$folder/out'"

printf 'realm=x\nno-auth\nsyslog\nproc-user=turn\n' >"$folder/bad.conf"
run --check-config "--config=$folder/bad.conf"
check "a file that must not be used is exit status 78" test "$status" -eq 78
check "the first reason is named by its line" says err "$folder/bad.conf:2: no-auth: anonymous TURN"
check "so is the second" says err "$folder/bad.conf:4: proc-user: it does not change its user"
check "and what is only a warning" says out "$folder/bad.conf:3: syslog:"
run -c "$folder/bad.conf" --port=0 --listening-port=0
check "the server does not start with it" test "$status" -eq 78

printf 'realm=x\nlisening-port=1\n' >"$folder/typo.conf"
run --check-config -c "$folder/typo.conf"
check "a name that nobody knows is an error with the nearest that is known" \
    says err "$folder/typo.conf:2: unknown option \"lisening-port\"; did you mean \"listening-port\"?"
echo "1..$number"
