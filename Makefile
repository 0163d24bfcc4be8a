# Each target does its own set-up: a virtual environment in .venv, with uv when it is on PATH, else venv and pip.
# Needed beforehand: make, git and Python 3.11 or newer (`make PYTHON=python3.12 …` chooses one).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two more than there are cores, up to four: many tests wait for leases and processes.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$(( n > 2 ? 4 : n + 2 )))
MINUTES ?= 10
EXAMPLES ?= 20000
SEED ?= 1
FLOOR = $(if $(filter tests,$(TESTS)),--fail-under=70)
TESTS ?= tests
# Docker's tests run where an engine answers, and always in CI: there, a missing engine is a failure.
pytest = pytest -n $(JOBS) --dist worksteal -m "$$( \
	[ "$${CI:-}" = true ] || $(BIN)/python -c 'import docker; docker.from_env(timeout=5).ping()' 2>/dev/null || \
	{ echo "no Docker engine answers: the tests that need one are left out" >&2; echo "not docker"; })" $(TESTS)

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint format bench bench-scheduling bench-real bench-landing bench-workspaces machine soak mutants clean

help:
	@echo "make demo    the whole way on an example: no key, no Docker, no Redis needed"
	@echo "make test    all tests (TESTS=tests/unit for some)"
	@echo "make coverage  the same, with the lines that they do not reach; half as long again"
	@echo "make lint    style, types, layers, dependencies, spelling"
	@echo "make format  let ruff format and fix"
	@echo "make bench   the engine beside a hand-written loop and other queues, into benchmarks/results/"
	@echo "make bench-scheduling  makespans of measured workflows, into docs/benchmarks.md"
	@echo "make bench-landing  landings a second and runs of the gates, beside one at a time"
	@echo "make bench-workspaces  workspaces beside git worktree add, attempts taken, gates' checkouts"
	@echo "make machine the engine against its reference model: EXAMPLES=$(EXAMPLES) of 50 calls, SEED=$(SEED)"
	@echo "make soak    kill processes at random for MINUTES=$(MINUTES)"
	@echo "make mutants break the engine's rules one by one, and see the tests fail"
	@echo "make clean   remove what the others made"

demo: $(VENV)/.ready
	@$(BIN)/swarm demo

test: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(pytest)

coverage: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH"; \
	coverage erase && \
	coverage run -m $(pytest); status=$$?; \
	coverage combine --quiet && coverage report $(FLOOR) && exit $$status

lint: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH"; set -ex; \
	ruff check .; \
	ruff format --check .; \
	mypy; \
	lint-imports; \
	deptry .; \
	codespell

format: $(VENV)/.ready-dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

# What other queues need must not decide which versions swarm is tested with: they have an environment of their own.
bench: $(VENV)/.ready-dev
	@$(MAKE) --no-print-directory VENV=.venv-peers .venv-peers/.ready-peers
	@mkdir -p benchmarks/results
	@.venv-peers/bin/python benchmarks/engine.py --peers --out benchmarks/results/engine.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/size.py --out benchmarks/results/size.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/commands.py --out benchmarks/results/commands.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/goals.py

bench-scheduling: $(VENV)/.ready-dev
	@mkdir -p benchmarks/results
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/scheduling.py \
	  --out benchmarks/results/scheduling.json --page docs/benchmarks.md

machine: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH"; \
	pytest -q -n $(JOBS) tests/engine/test_state_machine.py --machine-examples=$(EXAMPLES) --machine-seed=$(SEED)

bench-landing: $(VENV)/.ready-dev
	@mkdir -p benchmarks/results
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/landing.py --out benchmarks/results/landing.json

bench-workspaces: $(VENV)/.ready-dev
	@mkdir -p benchmarks/results
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/workspaces.py --out benchmarks/results/workspaces.json

bench-real: $(VENV)/.ready-dev
	@mkdir -p benchmarks/results
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/real.py \
	  --out benchmarks/results/real.json --page docs/benchmarks.md

soak: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/soak.py --minutes $(MINUTES)

mutants: $(VENV)/.ready-dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/mutants.py

clean:
	rm -rf $(VENV) .venv-peers .coverage .coverage.* htmlcov dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find swarm workers tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1): what uv or pip is to install besides swarm itself.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "swarm needs Python 3.11 or newer; choose one: make PYTHON=python3.12" >&2; exit 2; }
	@echo "setting up $(VENV) …" >&2
	@if command -v uv >/dev/null 2>&1; then \
	  [ -x $(BIN)/python ] || uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --compile-bytecode --editable . $(1); \
	else \
	  [ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "no venv: on Debian and Ubuntu, apt-get install python3-venv (or put uv on PATH)" >&2; exit 2; }; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1' && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . $(1); \
	fi
	@touch $@
endef

$(VENV)/.ready: pyproject.toml
	$(call install,)

$(VENV)/.ready-dev: pyproject.toml
	$(call install,--group dev)
	@touch $(VENV)/.ready

$(VENV)/.ready-peers: pyproject.toml
	$(call install,--group peers)
