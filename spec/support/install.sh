#!/bin/sh
# Install the Debian packages that are missing for: run (build and run), test, bench.
# Asks nothing when nothing is missing. Needs root or sudo only when something is.
set -eu

run="build-essential cmake pkg-config libluajit-5.1-dev libuv1-dev libosip2-dev libssl-dev libc-ares-dev libjansson-dev libpcre2-dev libsqlite3-dev libpq-dev libmariadb-dev libcurl4-openssl-dev ca-certificates libjemalloc-dev lua-lpeg lua-dkjson lua-busted lua-check libpcap0.8"
test="luajit clang libclang-rt-dev clang-format ninja-build libcmocka-dev sip-tester baresip-core openssl procps iproute2 nftables tshark postgresql mariadb-server sqlite3 kamailio"
bench="luajit sip-tester kamailio kamailio-lua-modules kamailio-mysql-modules kamailio-redis-modules mariadb-server redis-server rtpengine-daemon"

case "${1:-run}" in
run) wanted="$run" ;;
test) wanted="$run $test" ;;
bench) wanted="$run $bench" ;;
*)
    echo "usage: install.sh run|test|bench" >&2
    exit 2
    ;;
esac

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "missing packages:$missing" >&2
        echo "install them as root: apt-get install$missing" >&2
        exit 1
    }
    root="sudo"
fi

echo "installing:$missing"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# Peers of the bench and database servers must not start as services: bench and tests run them themselves.
if [ "${1:-run}" != run ] && [ ! -e /usr/sbin/policy-rc.d ]; then
    trap '$root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | $root tee /usr/sbin/policy-rc.d >/dev/null
    $root chmod +x /usr/sbin/policy-rc.d
fi
install() {
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
}
# A new machine has no package lists yet: update and try again only when the first try fails.
if ! install; then
    $root apt-get update -q >>"$log" 2>&1 || true
    install || {
        tail -n 20 "$log" >&2
        exit 1
    }
fi
rm -f "$log"
