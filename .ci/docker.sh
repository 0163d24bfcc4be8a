# Sourced by .ci/run, as root on Debian: a Docker engine for the tests, and the images that they use.
# Exports DOCKER_HOST, SWARM_TEST_IMAGE and SWARM_TEST_REDIS_IMAGE. An EXIT trap stops the engine and removes its data.
# An engine that answers already is used as it is.

docker_packages() {
  local missing=()
  local program package
  for program in dockerd:docker.io iptables:iptables cgroupfs-mount:cgroupfs-mount debootstrap:debootstrap; do
    package=${program#*:}
    command -v "${program%%:*}" >/dev/null 2>&1 || missing+=("$package")
  done
  # The smallest test image borrows the machine's /usr: its python3 must be there, and not only in a home folder.
  [ -x /usr/bin/python3 ] || missing+=(python3)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  ((${#missing[@]})) || return 0
  echo "installing: ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d made_policy=
  if [ ! -e "$policy" ]; then # packages must not start services here
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=yes
  fi
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
  [ -z "$made_policy" ] || rm -f "$policy"
}

docker_stop() {
  docker/engine.sh stop "$docker_folder" && rm -rf "$docker_folder"
}

docker_start() {
  if docker version >/dev/null 2>&1; then
    echo "using the Docker engine that is there"
    return 0
  fi
  docker_folder=$(mktemp -d /tmp/swarm-ci.XXXXXX) # short: sockets below it have at most 107 characters
  trap docker_stop EXIT
  export "$(docker/engine.sh start "$docker_folder")"
  echo "started a Docker engine: $DOCKER_HOST"
}

docker_images() {
  export SWARM_TEST_REDIS_IMAGE=swarm-base SWARM_TEST_IMAGE=swarm-worker
  docker/base.sh swarm-base
  local version
  version=$(docker run --rm --network none swarm-base python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  docker/wheels.sh "$version"
  # Debian's engine comes without buildx.
  DOCKER_BUILDKIT=0 docker build --quiet --network none --build-arg BASE=swarm-base \
    -t swarm-worker -f docker/worker.Dockerfile .
}

docker_packages
docker_start
docker_images
