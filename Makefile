# Each target does its own set-up, so that a fresh clone needs one command:
#   make demo   the whole way from a real recording to demo/report.html
#   make test   every test, the doctests included
#   make lint   ruff, mypy and the reST pages outside docs/
#   make docs   the documentation, every example executed, as docs/_build/html/index.html
#   make docs-noplot   the same without executing the examples
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
SPHINX_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# One thread a test worker: the workers are the parallelism.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help demo test lint docs docs-noplot format clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "calgan needs Python 3.11 or newer and '$(PYTHON)' is not: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# torch goes first and under the constraints, so that no looser requirement ever chooses its build.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing calgan into $(VENV) (torch first; a few minutes on the first run)"
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the test and lint tools into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/python examples/demo.py --output demo

test: $(VENV)/.installed-dev
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@for page in *.rst; do $(BIN)/docutils --halt=warning $$page /dev/null || exit 1; done

# Warnings are errors, and so are examples that fail. What is written goes by .gitignore.
docs: $(VENV)/.installed-dev
	@rm -rf docs/generated  # pages of names that are gone
	@$(ONE_THREAD) $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html $(SPHINX_ARGS)
	@echo "docs/_build/html/index.html"

docs-noplot: SPHINX_ARGS += -D plot_gallery=0
docs-noplot: docs

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf docs/_build docs/generated docs/auto_examples docs/sg_execution_times.rst
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find calgan tests -name __pycache__ -type d -prune -exec rm -rf {} +
