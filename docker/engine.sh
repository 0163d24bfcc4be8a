#!/bin/sh
# Start or stop a Docker engine of our own, by hand, for machines where no service manager does.
#
#   docker/engine.sh start DIR    data, runtime state, pid file, socket and log go under DIR;
#                                 prints "DOCKER_HOST=unix://DIR/docker.sock" when it is ready
#   docker/engine.sh stop DIR     stops that engine and waits until it is gone
#
# Installs nothing. Only one engine fits into a network namespace: a second one breaks the first's bridge.
set -eu

usage() {
    echo "usage: $0 start|stop DIR" >&2
    exit 2
}

fail() {
    echo "error: $1" >&2
    echo "help: $2" >&2
    exit "${3:-3}"
}

is_running() {
    [ -s "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null
}

answers() {
    DOCKER_HOST="unix://$socket" docker version >/dev/null 2>&1
}

start() {
    [ "$(id -u)" = 0 ] || fail "starting an engine needs root" "run it with sudo, or use the engine you have" 6
    for program in dockerd docker; do
        command -v "$program" >/dev/null || fail "$program is not on PATH" "apt-get install docker.io iptables"
    done
    mkdir -p "$dir"
    if ! is_running; then
        # Control groups are a service's business, and there is no service here.
        if ! grep -q cgroup /proc/mounts; then
            command -v cgroupfs-mount >/dev/null || fail "no cgroups are mounted" "apt-get install cgroupfs-mount"
            cgroupfs-mount
        fi
        rm -f "$pid_file" "$socket"
        # setsid: a Ctrl-C for the caller's terminal must not end the engine.
        setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$pid_file" \
            --host "unix://$socket" >"$log" 2>&1 </dev/null &
    fi
    tries=0
    until answers; do
        tries=$((tries + 1))
        if [ "$tries" -ge 300 ]; then
            tail -n 20 "$log" >&2
            fail "the engine did not become ready in 30 s" "read $log"
        fi
        sleep 0.1
    done
    echo "DOCKER_HOST=unix://$socket"
}

stop() {
    is_running || return 0
    pid=$(cat "$pid_file")
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "the engine (pid $pid) did not stop in 60 s" "read $log"
        sleep 0.1
    done
}

[ "$#" = 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
pid_file="$dir/docker.pid"
socket="$dir/docker.sock"
log="$dir/docker.log"
case "$1" in
start) start ;;
stop) stop ;;
*) usage ;;
esac
