# Everything runs from .venv, which is built by itself. Needed on the machine: Python 3.11 or later, and make.
#   make demo                the two-minute tour
#   make test                all that must hold before a change is a change
#   make test PYTEST='-x -k plugins'   more arguments for pytest
#   PYTHON=/path/to/python3.12 make test

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
# Interpreters beside those on the PATH, for `make packages`.
PYTHONS ?= $(wildcard $(HOME)/.pyenv/versions/3.1[123].*/bin/python)
PYTEST ?=
BENCH ?=
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python tools/workspace.py

MANIFESTS := pyproject.toml core/setup.py $(wildcard */*/setup.py) tools/workspace.py $(wildcard core/pyproject.toml */*/pyproject.toml)
KERNELS := $(wildcard core/src/coco/hot/*_cy.py */*/src/*/hot/*_cy.py)

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types layers test-pure test-all bench packages reference clean distclean

help:
	@sed -n '1,6s/^# \{0,1\}//p' Makefile

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

test: lint types layers test-pure test-all

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

# What has kernels twice: by their sources first, then, with everything else, compiled.
test-pure: $(VENV)/.kernels
	COCO_PURE=1 $(BIN)/python -m pytest core/tests functions/coco-function-text/tests $(PYTEST)

test-all: $(VENV)/.kernels
	$(BIN)/python -m pytest $(PYTEST)

# Each distribution alone, with nothing but its declared dependencies, on each Python that is there.
packages: $(VENV)/.dev
	$(BIN)/tox $(if $(PYTHONS),--discover $(PYTHONS))

# The pages of docs/reference, from the docstrings.
reference: $(VENV)/.dev
	$(BIN)/python tools/reference.py

bench: $(VENV)/.kernels
	$(BIN)/python -m benchmarks.run $(BENCH)

clean:
	rm -rf core/build functions/*/build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .tox
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -type d -print -prune | xargs rm -rf
	rm -f core/src/coco/hot/*.so */*/src/*/hot/*.so

distclean: clean
	rm -rf $(VENV)
