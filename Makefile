# Everything runs from .venv, which is built by itself. Needed on the machine: Python 3.11 or later, and make.
#   make demo                the two-minute tour
#   make check               lint, types, layers and the quick tests of core: while you work
#   make test                all that must hold before a change is a change
#   make test PYTEST='-x -k plugins'   more arguments for pytest
#   make wheels              a wheel of each distribution, in dist: pip install --find-links dist coco-core ...
#   make test-long           the same with many more examples, deaths and histories: at night
#   PYTHON=/path/to/python3.12 make test

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
# Interpreters beside those on the PATH, for `make packages`.
PYTHONS ?= $(wildcard $(HOME)/.pyenv/versions/3.1[123].*/bin/python)
PYTEST ?=
# Processes that run tests: half as many again as there are cores, for tests wait for servers, limits and processes.
WORKERS ?= $(shell $(PYTHON) -c 'import os; n = os.cpu_count() or 1; print(n + (n + 1) // 2)')
BENCH ?=
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python tools/workspace.py

MANIFESTS := pyproject.toml core/setup.py $(wildcard */*/setup.py) tools/workspace.py $(wildcard core/pyproject.toml */*/pyproject.toml)
# Tests of distributions that have kernels.
PURE := core/tests functions/coco-function-text/tests
# A file stays in one process; conftest.py puts the slow ones first.
SHARED := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
KERNELS := $(wildcard core/src/coco/hot/*_cy.py */*/src/*/hot/*_cy.py)

# Images often set it; then every process of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo check test test-long lint format types layers test-core test-pure test-all test-pure-long test-all-long
.PHONY: wheels bench packages reference clean distclean

help:
	@sed -n '1,9s/^# \{0,1\}//p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "coco needs Python 3.11 or later; say which with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "this Python cannot make a venv; on Debian: apt-get install python3-venv"; exit 1; }

# The tools of `dev` include all that `demo` needs, so an environment for tests serves the demo too.
$(VENV)/.demo: $(MANIFESTS) | $(BIN)/python
	@if [ -f $(VENV)/.dev ]; then $(MAKE) --no-print-directory $(VENV)/.dev; else echo "installing ..."; $(RUN) sync demo; fi
	@touch $@

$(VENV)/.dev: $(MANIFESTS) | $(BIN)/python
	@echo "installing ..."
	@$(RUN) sync dev
	@touch $@ $(VENV)/.demo $(VENV)/.kernels

$(VENV)/.kernels: $(KERNELS) $(VENV)/.dev
	@$(RUN) kernels
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo/run.py

# Two at a time: what does not share itself out (mypy, and tests in one process) beside the rest.
check: $(VENV)/.kernels
	@$(MAKE) --no-print-directory -j2 test-core lint types layers

test: $(VENV)/.kernels
	@$(MAKE) --no-print-directory -j2 test-pure lint types layers
	@$(MAKE) --no-print-directory test-all

test-long: $(VENV)/.kernels
	@$(MAKE) --no-print-directory -j2 test-pure-long lint types layers
	@$(MAKE) --no-print-directory test-all-long

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev
	$(BIN)/mypy tools $$($(RUN) sources)

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

test-core: $(VENV)/.kernels
	$(BIN)/python -m pytest -x -q -m "not slow" --hypothesis-profile=dev core/tests $(PYTEST)

# What can tell compiled kernels from their sources: by the sources first, then, with everything else, compiled.
# (5 = no test has the name that PYTEST asks for)
test-pure: $(VENV)/.kernels
	COCO_PURE=1 $(BIN)/python -m pytest -q -m "kernels and not slow" --hypothesis-profile=ci $(PURE) tests/e2e $(PYTEST) || [ $$? = 5 ]

test-all: $(VENV)/.kernels
	$(BIN)/python -m pytest --hypothesis-profile=ci --durations=20 $(SHARED) $(PYTEST)

test-pure-long: $(VENV)/.kernels
	COCO_PURE=1 $(BIN)/python -m pytest -q --hypothesis-profile=ci $(PURE) $(PYTEST)

test-all-long: $(VENV)/.kernels
	CRASHES=long $(BIN)/python -m pytest --hypothesis-profile=long --timeout=14400 --durations=50 $(SHARED) $(PYTEST)

# Each distribution alone, with nothing but its declared dependencies, on each Python that is there.
packages: $(VENV)/.dev
	$(BIN)/tox $(if $(PYTHONS),--discover $(PYTHONS))

# The pages of docs/reference, from the docstrings.
reference: $(VENV)/.dev
	$(BIN)/python tools/reference.py

wheels: $(VENV)/.dev
	@$(RUN) wheels

bench: $(VENV)/.kernels
	$(BIN)/python -m benchmarks.run $(BENCH)

clean:
	rm -rf dist core/build functions/*/build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .tox
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -type d -print -prune | xargs rm -rf
	rm -f core/src/coco/hot/*.so */*/src/*/hot/*.so

distclean: clean
	rm -rf $(VENV)
