#!/bin/sh
# Make a base image from Debian packages, for machines without an image registry.
#
#   docker/base.sh NAME           a Debian system with python3, venv, git, ca-certificates and
#                                 redis-server, imported into the engine as NAME; does nothing when NAME exists
#
# DEBIAN_MIRROR and DEBIAN_SUITE choose where it comes from. Needs root and debootstrap; takes about a minute.
set -eu

suite=${DEBIAN_SUITE:-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=python3,python3-venv,git,ca-certificates,redis-server

fail() {
    echo "error: $1" >&2
    echo "help: $2" >&2
    exit "$3"
}

[ "$#" = 1 ] || fail "expected one argument, the image's name; got $#" "$0 swarm-base" 2
name=$1
docker version >/dev/null 2>&1 ||
    fail "the Docker engine at ${DOCKER_HOST:-the default socket} does not answer" "docker/engine.sh start DIR" 3
if docker image inspect "$name" >/dev/null 2>&1; then
    echo "$name is already there"
    exit 0
fi
[ "$(id -u)" = 0 ] || fail "debootstrap needs root" "run it with sudo" 6
command -v debootstrap >/dev/null || fail "debootstrap is not on PATH" "apt-get install debootstrap" 3

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
debootstrap --variant=minbase --include="$packages" "$suite" "$folder/root" "$mirror" >"$folder/log" 2>&1 || {
    tail -n 20 "$folder/log" >&2
    fail "debootstrap of $suite from $mirror failed" "set DEBIAN_MIRROR to a mirror that this machine reaches" 3
}
# A volume mounted here starts with this owner: the user and group of the official redis image.
mkdir "$folder/root/data"
chown 999:1000 "$folder/root/data"
rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/*
# /dev holds device nodes of the host's making; a container gets its own.
tar -C "$folder/root" --numeric-owner --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf - . |
    docker import --change 'CMD ["/bin/sh"]' - "$name" >/dev/null
echo "made $name from $suite"
