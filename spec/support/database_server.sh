#!/bin/sh
# A database server of its own for a test, in a folder, on a Unix socket alone; not as root.
# usage: database_server.sh postgres|mysql FOLDER init|start|stop|kill|hang|resume
#
# init makes FOLDER (which must not be there) and in it the data and a database "sip" for the user "sip" with the
# password "geheim"; the socket is
# FOLDER/.s.PGSQL.5432 or FOLDER/mysql.sock. kill is SIGKILL to all of its processes; hang stops them, so
# that connections stay open and nothing answers, until resume.
set -eu

kind=$1 folder=$2 verb=$3
export PGPASSWORD=geheim
data=$folder/data

# as COMMAND...: as the account that Debian's package made, when we are root; servers refuse to be.
as() {
    if [ "$(id -u)" = 0 ]; then
        account=postgres
        [ "$kind" = postgres ] || account=mysql
        (cd "$folder" && exec setpriv --reuid="$account" --regid="$account" --clear-groups "$@")
    else
        (cd "$folder" && exec "$@")
    fi
}

if [ "$kind" = postgres ]; then
    bin=$(find /usr/lib/postgresql -name initdb 2>/dev/null | sort -V | tail -n 1)
    PATH=$(dirname "${bin:-/usr/bin/initdb}"):$PATH
    pid_file=$data/postmaster.pid
else
    PATH=/usr/sbin:$PATH
    pid_file=$folder/mysql.pid
fi

# The main process and its children: PostgreSQL has one for each connection.
processes() {
    main=$(head -n 1 "$pid_file")
    echo "$main"
    cat "/proc/$main/task/$main/children" 2>/dev/null || true
}

# runs PROCESS...: whether a thread of theirs is not stopped yet.
runs() {
    for process in "$@"; do
        if cat /proc/"$process"/task/*/status 2>/dev/null | grep -q '^State:.[^TZX]'; then
            return 0
        fi
    done
    return 1
}

is_up() {
    if [ "$kind" = postgres ]; then
        as psql -q -h "$folder" -U sip -d "${1:-sip}" -c "SELECT 1" >/dev/null 2>&1
    else
        as mariadb --no-defaults -S "$folder/mysql.sock" -u sip -pgeheim "${1:-sip}" -e "SELECT 1" >/dev/null 2>&1
    fi
}

start() {
    if [ "$kind" = postgres ]; then
        as postgres -D "$data" -k "$folder" -c listen_addresses= -c fsync=off -c shared_buffers=16MB \
            >>"$folder/log" 2>&1 </dev/null &
    else
        as mariadbd --no-defaults --datadir="$data" --socket="$folder/mysql.sock" --skip-networking \
            --pid-file="$pid_file" --innodb-buffer-pool-size=16M --innodb-log-file-size=8M \
            --init-file="$folder/init.sql" >>"$folder/log" 2>&1 </dev/null &
    fi
    tries=0
    until is_up "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || {
            cat "$folder/log" >&2
            exit 1
        }
        sleep 0.1
    done
}

# Wait until the process that the pid file named is gone.
gone() {
    while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
}

case $verb in
init)
    mkdir "$folder"
    chmod 755 "$folder"
    : >"$folder/log"
    if [ "$kind" = postgres ]; then
        [ "$(id -u)" != 0 ] || chown -R postgres "$folder"
        echo geheim >"$folder/password"
        as initdb -D "$data" -U sip -A scram-sha-256 --pwfile="$folder/password" -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1
        start postgres
        as createdb -h "$folder" -U sip sip
    else
        cat >"$folder/init.sql" <<SQL
CREATE DATABASE IF NOT EXISTS sip CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS sip@localhost IDENTIFIED BY 'geheim';
GRANT ALL ON *.* TO sip@localhost;
SQL
        [ "$(id -u)" != 0 ] || chown -R mysql "$folder"
        as mariadb-install-db --no-defaults --datadir="$data" --skip-test-db --skip-name-resolve \
            --auth-root-authentication-method=normal >"$folder/log" 2>&1
        start sip
    fi
    ;;
start) start sip ;;
stop)
    [ -s "$pid_file" ] || exit 0
    main=$(head -n 1 "$pid_file")
    kill -INT "$main" 2>/dev/null || exit 0
    [ "$kind" = postgres ] || kill -TERM "$main" 2>/dev/null || true
    gone "$main"
    ;;
kill)
    main=$(head -n 1 "$pid_file")
    # shellcheck disable=SC2046
    kill -KILL $(processes) 2>/dev/null || true
    gone "$main"
    rm -f "$pid_file"
    ;;
# shellcheck disable=SC2046,SC2086
hang)
    # A signal takes effect in its own time: from here on, no thread answers one more query.
    kill -STOP "$(head -n 1 "$pid_file")"
    all=$(processes)
    kill -STOP $all
    tries=0
    while runs $all; do
        tries=$((tries + 1))
        [ "$tries" -lt 3000 ] || exit 1
        sleep 0.01
    done
    ;;
# shellcheck disable=SC2046
resume) kill -CONT $(processes) ;;
*)
    echo "usage: database_server.sh postgres|mysql FOLDER init|start|stop|kill|hang|resume" >&2
    exit 2
    ;;
esac
