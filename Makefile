# Two commands: `make demo` and `make test`. Nothing outside this folder is changed; nothing needs root.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The system's python3: servers that run as another user can enter it.
PYTHON ?= $(if $(wildcard /usr/bin/python3),/usr/bin/python3,python3)
BIN := .venv/bin
READY := .venv/ready
WORKERS ?= 2

.PHONY: help demo test lint types floors docs unit coverage soak bench lock clean

help:  ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 11

demo: $(READY)  ## Run the whole product on this machine, in about two minutes.
	@$(BIN)/qorridor demo $(ARGS)

test: $(READY) lint types floors docs unit coverage  ## Everything that must hold before a change lands.

lint: $(READY)
	@$(BIN)/ruff check --quiet src tests docs && $(BIN)/ruff format --quiet --check src tests docs && $(BIN)/codespell src docs README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md examples && echo "lint: ok"

types: $(READY)
	@$(BIN)/mypy --no-error-summary && echo "types: ok"

floors: $(READY)
	@$(BIN)/lint-imports > .venv/floors.log 2>&1 || { cat .venv/floors.log; exit 1; }; echo "floors: ok"

docs: $(READY)  ## Build the documentation into build/docs/site.
	@$(BIN)/python docs/build.py > .venv/docs.log 2>&1 || { cat .venv/docs.log; exit 1; }; echo "docs: ok"

unit: $(READY)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q

soak: $(READY)  ## 10^8 sifted bits with random faults, 10^4 attacked blocks, 3 x 10^4 frames: some forty minutes.
	@$(BIN)/python -m pytest -p no:randomly --timeout=0 -q -s tests/soak/soak_*.py

bench: $(READY)  ## Measure this machine, some ten minutes; the figures replace those in bench/.
	@for what in photonics chain distill; do $(BIN)/qorridor bench $$what --json > .venv/bench.json && mv .venv/bench.json bench/$$what.json || exit 1; done

coverage: $(READY)  ## Every branch of src/qorridor/distill is taken, with its kernels run as plain Python.
	@CI=1 NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run -m pytest -q -m "not compiled" -p no:randomly tests/distill
	@$(BIN)/python -m coverage report --skip-covered | tail -3

# Locked install: hashes are checked; uv is used where it is present, pip otherwise.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: apt install python3-venv"; exit 1; }
	@echo "installing into .venv (hash-checked, once)"
	@$(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes -r requirements.lock; \
	 else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

lock:  ## Resolve requirements.lock afresh (needs uv and a network).
	uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements.lock

clean:  ## Remove everything that these targets made.
	rm -rf .venv build run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
