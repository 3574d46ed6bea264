# Thin on purpose: every recipe is a line that anyone can also type inside .venv.

PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
PORT ?= 8000

.PHONY: run demo test coverage test-openstack bench bench-openstack lint format types imports secrets schema check lock clean help

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: .venv/runtime  ## Migrate, then serve on 127.0.0.1:$(PORT); all state is in DATA_DIR (var/)
	$(BIN)/python manage.py migrate --verbosity 0
	exec $(BIN)/python manage.py runserver --noreload 127.0.0.1:$(PORT)

# The second cloud is away for a minute in five: not while it is furnished.
demo: .venv/runtime  ## The same with projects, people and a month behind them; in var/demo
	export DATA_DIR=$${DATA_DIR:-var/demo}; \
	CLOUDS=default=mock://,berlin=mock:// $(BIN)/python manage.py migrate --verbosity 0 && \
	CLOUDS=default=mock://,berlin=mock:// $(BIN)/python manage.py seed_demo --showcase || exit; \
	CLOUDS='default=mock://,berlin=mock://?outages=5'; export CLOUDS; \
	exec $(BIN)/python manage.py runserver --noreload 127.0.0.1:$(PORT)

test: .venv/lock  ## All tests, on SQLite unless DATABASE_URL says otherwise
	$(BIN)/pytest --numprocesses auto --dist loadgroup

coverage: .venv/lock  ## The same, with the lines that no test ran: takes nearly twice as long
	$(BIN)/pytest --numprocesses auto --dist loadgroup --cov

test-openstack: .venv/lock named  ## The tests that need a real cloud: OS_CLOUD names one of clouds.yaml
	$(BIN)/pytest tests/providers/openstack/test_contract.py tests/openstack

bench: .venv/lock .venv-peer/lock  ## Speed beside a common stack, and memory; with BENCH_VMS=1000000 and PostgreSQL: at scale
	$(BIN)/python -m tests.bench

bench-openstack: .venv/lock named  ## Seconds from POST to ACTIVE, beside openstacksdk alone
	$(BIN)/python -m tests.bench.openstack

.PHONY: named
named:
	@test -n "$$OS_CLOUD" || { echo "make: OS_CLOUD must name a cloud of clouds.yaml" >&2; exit 1; }

lint: .venv/lock imports secrets  ## Style, import contracts, secrets, Dockerfile, workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --offline --quiet .github

format: .venv/lock  ## Rewrite the code the way lint wants it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: .venv/lock  ## mypy, strict
	$(BIN)/mypy

imports: .venv/lock  ## The layers of compute, providers and vmmanager
	$(BIN)/lint-imports

# New files too, before they are committed. A line that only looks like a secret says so:
# "pragma: allowlist secret". The baseline picks the detectors and lists no secret; it
# leaves out what is generated, of which the sources are scanned.
secrets: .venv/lock  ## No password, key or token is in a file; asks no network
	git ls-files -z --cached --others --exclude-standard \
	  | xargs -0 -n 100 -P 4 $(BIN)/detect-secrets-hook --no-verify --baseline .secrets.baseline

schema: .venv/lock  ## Write openapi.yaml from the code and validate it
	$(BIN)/python manage.py spectacular --file openapi.yaml --validate --fail-on-warn
	$(BIN)/openapi-spec-validator openapi.yaml

check: lint types imports test  ## What to run before a commit

lock: .venv/lock  ## Compile the lock files: the image's, what make run adds, what tests add, the peer's
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	  --custom-compile-command "make lock" --constraint requirements.lock \
	  --group run --output-file requirements-run.lock pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	  --custom-compile-command "make lock" --constraint requirements-run.lock \
	  --group dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	  --custom-compile-command "make lock" --python-version 3.11 \
	  --output-file tests/peer/requirements.lock tests/peer/requirements.in

clean:  ## Remove what make and the tools made; DATA_DIR stays
	rm -rf .venv .venv-peer staticfiles htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The locks are complete, so nothing is left to resolve; and what is imported gets
# compiled then, which takes a third off the time of a first `make run`.
PIP_INSTALL := -m pip install --disable-pip-version-check --require-hashes --no-deps --no-compile --progress-bar off
INSTALL := $(BIN)/python $(PIP_INSTALL)

# `make run` installs what the service needs, all else the tools too, into the same
# environment. Each stamp is a copy of the lock that was installed: tools that are missing
# are added; a changed lock, and nothing else, has all installed again.
RUN_LOCK := requirements-run.lock
runtime := $(shell cmp -s $(RUN_LOCK) .venv/runtime && echo installed)
tools := $(shell cmp -s requirements-dev.lock .venv/lock && echo installed)
tools_missing := $(and $(runtime),$(if $(wildcard .venv/lock),,missing))

.PHONY: stale venv
venv:
	@test -n "$(PYTHON)" || { echo "make: no python3 >= 3.11 on PATH" >&2; exit 1; }
	@echo "Installing into .venv, once:"
	$(PYTHON) -m venv --clear .venv

.venv/runtime: $(if $(runtime),,venv)
	$(INSTALL) --requirement $(RUN_LOCK)
	cp $(RUN_LOCK) .venv/runtime

.venv/lock: $(if $(and $(runtime),$(tools)),,$(if $(tools_missing),stale,venv))
	$(INSTALL) --requirement requirements-dev.lock
	cp $(RUN_LOCK) .venv/runtime
	cp requirements-dev.lock .venv/lock

# What this service is compared with has an environment of its own, and a stamp like the
# others: nothing of it is imported here.
PEER_LOCK := tests/peer/requirements.lock

.venv-peer/lock: $(if $(shell cmp -s $(PEER_LOCK) .venv-peer/lock && echo installed),,stale)
	$(PYTHON) -m venv --clear .venv-peer
	.venv-peer/bin/python $(PIP_INSTALL) --requirement $(PEER_LOCK)
	cp $(PEER_LOCK) .venv-peer/lock
