PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RUNS := .venv/.runs

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow fuzz lint types docs accessibility bench clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(RUNS) ## train a small network on a published chip; the report goes to reports/
	$(BIN)/archsim run

# What is compiled is kept, whatever the shell says: two workers and many commands load the same modules.
COMPILED := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(CURDIR)/.venv/pycache"

# In the order of their names: the longest of all files would else begin last.
SPREAD := -n 2 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED) ## all tests but the slow ones
	$(COMPILED) $(BIN)/python -m pytest $(SPREAD) -m "not slow"

test-slow: $(INSTALLED) ## the slow tests, and all laws on more examples
	$(COMPILED) ARCHSIM_THOROUGH=1 $(BIN)/python -m pytest $(SPREAD)

SECONDS ?= 60
SEED ?= 0

fuzz: $(INSTALLED) ## mutated files and words, for SECONDS from SEED on
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

lint: $(INSTALLED) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## mypy, strict
	$(BIN)/mypy

docs: $(INSTALLED) ## the documentation, into docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html
	@echo docs/_build/html/index.html

AXE := axe-core@4.14.1

accessibility: $(INSTALLED) ## the pages by axe-core; needs npm and Chromium
	npm install --silent --no-save --prefix .venv/axe $(AXE)
	$(COMPILED) $(BIN)/python -m pytest -m slow tests/report/test_accessibility.py

bench: $(INSTALLED) ## the benchmarks
	$(BIN)/python -m benchmarks

clean: ## remove caches and built packages; reports and .venv stay
	rm -rf build dist docs/_build docs/reference/made .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find archsim tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Order-only: the interpreter's date says nothing about the environment.
$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# What commands need; where all is installed it is there.
$(RUNS): pyproject.toml | $(BIN)/python
	test $(INSTALLED) -nt $< || $(BIN)/python -m pip install --quiet --editable .
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv .venv
