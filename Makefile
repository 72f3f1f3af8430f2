# Each target does all of its own set-up: Python 3.11 or newer with pip, and make, are enough.
PYTHON ?= python3
VENV := .venv
OUT ?= build/losses-smoke
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: benchmark-smoke help demo test lint docs linkcheck clean

help:
	@echo "make demo   judge four models of handwritten digits, write demo-report.html"
	@echo "make test   run the tests"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the site, docs/_build/html/index.html"
	@echo "make benchmark-smoke   a small benchmark of losses"
	@echo "make clean  remove what these made"

demo: $(VENV)/.installed
	$(VENV)/bin/divergences demo

test: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -q -n auto --dist loadgroup

lint: $(VENV)/.lint-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# A warning, such as a reference that leads nowhere, is an error. Examples and theory run at build.
SPHINX := $(VENV)/bin/python -m sphinx -q -W --keep-going -j auto -d docs/_build/doctrees

docs: $(VENV)/.docs-installed
	$(SPHINX) -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Are the links to other sites alive? Needs a network, so CI leaves it out.
linkcheck: $(VENV)/.docs-installed
	$(SPHINX) -b linkcheck -D plot_gallery=0 docs docs/_build/linkcheck

# every part of the benchmark of losses, in small: under two minutes on two cores
benchmark-smoke: $(VENV)/.installed
	$(VENV)/bin/python benchmarks/losses.py --tier smoke --out $(OUT)

clean:
	rm -rf docs/_build docs/_pictures docs/auto_* docs/reference/generated docs/sg_execution_times.rst
	rm -rf $(VENV) build dist demo-report.html .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Some distributions ship Python without ensurepip: there the system's pip fills the environment.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || \
	{ $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV) install pip; }

# The stamps are written last, so an interrupted installation is taken up again; an edit of
# pyproject.toml or constraints.txt makes them stale. (The interpreter is order-only: its date means nothing.)
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[test]"
	@touch $@

$(VENV)/.lint-installed: $(VENV)/.installed
	$(PIP) -e ".[test,dev]"
	@touch $@

$(VENV)/.docs-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[docs]"
	@touch $@
