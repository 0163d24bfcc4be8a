#!/bin/sh
# Build swarm's wheel and fetch its dependencies' into docker/wheels, so that the image builds offline.
#
#   docker/wheels.sh [PYTHON_VERSION]     the version of the base image's python3, such as 3.12;
#                                         by default that of this machine's python3 (or of $PYTHON)
set -eu

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
version=${1:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$python" -m venv "$folder/venv" || {
    echo "error: $python cannot make a virtual environment" >&2
    echo "help: apt-get install python3-venv, or set PYTHON to another interpreter" >&2
    exit 3
}
pip="$folder/venv/bin/pip --disable-pip-version-check --quiet"
$pip wheel --no-deps --wheel-dir "$folder/wheels" .
$pip download --only-binary=:all: --python-version "$version" --dest "$folder/wheels" \
    "$folder"/wheels/swarm_dag-*.whl
# Markers are judged by the interpreter that downloads; redis wants this one only before 3.11.3 (Debian 12).
$pip download --no-deps --dest "$folder/wheels" 'async-timeout>=4.0.3'
rm -rf docker/wheels
mv "$folder/wheels" docker/wheels
echo "docker/wheels holds $(ls docker/wheels | wc -l) wheels for Python $version"
