# `make help` lists the targets. Everything runs in .venv, made once from constraints.txt.

PYTHON ?= python3
MAILBOX ?=
SECONDS ?= 60

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What the static steps read; wildcard leaves out what does not exist.
CODE := $(wildcard crdt comm storage certs samebox sim tests benchmarks examples)

# Quick tests keep their files in memory where there is room: a fifth of their time was waiting for
# a disk that syncs. `make test` runs all of them on the disk.
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'END { if ($$4 > 1000000) print "/dev/shm" }')

# Compiled modules are kept, whatever the caller's environment says: each worker of pytest would
# prepare every test anew, and each process that a test starts would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check static soak bench clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z]*\):.*## \(.*\)/  make \1~\2/p' Makefile | awk -F'~' '{ printf "%-24s %s\n", $$1, $$2 }'

demo: $(STAMP) ## three nodes, cut, killed and healed; MAILBOX=path to an mbox file or Maildir
	$(BIN)/python examples/demo.py $(if $(MAILBOX),"$(MAILBOX)")

test: static ## everything: format, lint, types, and all tests, the slow ones too
	$(BIN)/python -m pytest -q -n auto --dist worksteal

check: static ## before every commit, under a minute: format, lint, types, quick tests
	@folder=$$(mktemp -d $(or $(MEMORY),/tmp)/samebox.XXXXXX) && trap 'rm -rf "$$folder"' EXIT && \
	TMPDIR=$$folder $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow" --hypothesis-profile=quick

# Not listed: the part that check and test share. The tidy rules are tests/test_tidy.py.
static: $(STAMP)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy $(CODE)

soak: $(STAMP) ## random faults against random work for SECONDS=60
	$(BIN)/python -m tests.soak --seconds $(SECONDS)

bench: $(STAMP) ## speed, beside the bare floor of the same libraries
	$(BIN)/python benchmarks/run.py

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo 'needs Python 3.11 or newer, found no $(PYTHON); on Debian or Ubuntu: apt-get install python3 python3-venv; or name another: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "needs Python 3.11 or newer, found $$($(PYTHON) --version); on Debian or Ubuntu: apt-get install python3.11 python3.11-venv, then make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "needs the venv module of $(PYTHON); on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[dev]"
	touch $(STAMP)
