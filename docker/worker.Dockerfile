# swarm and git on any Debian-like base with Python >= 3.11: compose's worker and supervisor, and what
# agents run in under `--isolation docker` (which needs nothing of it but python3 and your tools).
#
#   docker build -t swarm-worker -f docker/worker.Dockerfile .
#
# Without a network: docker/base.sh swarm-base; docker/wheels.sh; then add --build-arg BASE=swarm-base.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
# The glob may match nothing: docker/wheels is only there after docker/wheels.sh.
COPY pyproject.toml README.md LICENSE docker/wheel[s] ./wheels/
COPY pyproject.toml README.md LICENSE ./
COPY swarm swarm
COPY workers workers
RUN python3 -m venv /opt/swarm \
    && if ls wheels/swarm_dag-*.whl >/dev/null 2>&1; \
       then /opt/swarm/bin/pip install --no-cache-dir --no-index --find-links wheels wheels/swarm_dag-*.whl; \
       else /opt/swarm/bin/pip install --no-cache-dir .; \
       fi

FROM ${BASE}
RUN command -v git >/dev/null \
    || (apt-get update && apt-get install -y --no-install-recommends git ca-certificates \
        && rm -rf /var/lib/apt/lists/*)
RUN groupadd --gid 10001 agent \
    && useradd --uid 10001 --gid 10001 --home-dir /home/agent --create-home --shell /bin/sh agent
COPY --from=build /opt/swarm /opt/swarm
# On PATH by its own name only: `python3` stays the base's, for agents and gates.
RUN ln -s /opt/swarm/bin/swarm /usr/local/bin/swarm && mkdir /repo
ENV HOME=/home/agent PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /repo
ENTRYPOINT ["swarm"]
