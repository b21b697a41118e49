#!/usr/bin/env bash
# Installs what is missing, from Debian's packages, and says what it does.
#   scripts/setup.sh          what the build needs
#   scripts/setup.sh run      the same (make run)
#   scripts/setup.sh check    that and what the tests need: browsers, clang, nftables, coturn's clients
set -euo pipefail

build="gcc make autoconf pkg-config libevent-dev libnice-dev libssl-dev libsrtp2-dev libusrsctp-dev
libjansson-dev libwslay-dev libhttp-parser-dev zlib1g-dev uthash-dev"
case "$(uname -m)" in
x86_64 | amd64) build="$build libipsec-mb-dev" ;;
esac
check="clang libclang-rt-14-dev llvm-14 chromium firefox-esr nftables iproute2 curl openssl procps
coturn"

wanted=$build
[ "${1:-}" = check ] && wanted="$wanted $check"
# Node may come from elsewhere than Debian: what counts is that it answers.
command -v node >/dev/null || wanted="$wanted nodejs"
command -v npm >/dev/null || wanted="$wanted npm"

missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "== every package that is needed is installed"
    exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "These packages are missing, and neither root nor sudo is at hand to install them:" >&2
        echo "   $missing" >&2
        exit 1
    }
    as_root="sudo"
fi
echo "== installing from Debian's packages:$missing"
case "$missing " in
*" coturn "*)
    # Its package starts a server, now and at every boot. Only its programs are wanted: the unit is
    # masked (systemctl unmask coturn undoes that).
    unit=/etc/systemd/system/coturn.service
    [ -e "$unit" ] || [ -L "$unit" ] || { $as_root mkdir -p "${unit%/*}" && $as_root ln -s /dev/null "$unit"; }
    ;;
esac
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get could not install them (its last lines are above)" >&2
    exit 1
fi
echo "== installed"
