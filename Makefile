# `make help` lists the targets. Everything runs in .venv, which the first target makes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-is-done
SCHEMA := studies/study.schema.json
TEST_WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)

# Nothing here reaches for a model hub, and Ray sends no usage statistics.
export HF_HUB_OFFLINE := 1
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: help setup study test test-faults test-fast lint types arrows schema golden docs zigzag ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install the pinned requirements and the project in it

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 || true): Python 3.11 or newer is needed;" \
			"name one, as in: make setup PYTHON=python3.11" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -m pip install --no-deps -e .
	@touch $@

study: setup ## run the shipped study edgebert-sst2: Pareto front, report and records in a run folder
	$(BIN)/dse run edgebert-sst2 --strategy nested

test: setup ## all tests, fast and slow, with branch coverage; TEST_WORKERS processes, one for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=$(TEST_WORKERS) --dist=loadfile \
		--no-loadscope-reorder --cov --cov-report=term-missing --durations=10

test-faults: setup ## thousands of faults done to run folders and drivers; writes docs/reliability.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.dse.reliability_report --workers $(TEST_WORKERS)

test-fast: setup ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not ray"

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy, strict
	$(BIN)/mypy

arrows: setup ## import-linter: which room may import what
	$(BIN)/lint-imports

schema: setup ## write the JSON schema of study files anew
	$(BIN)/python -c 'import json, studies.spec; print(json.dumps(studies.spec.json_schema(), indent=2))' \
		> $(SCHEMA).new
	mv $(SCHEMA).new $(SCHEMA)

golden: setup ## write the golden reports of the cost model anew; read the difference
	$(BIN)/python -m tests.hw_cost.golden_reports

docs: setup ## run the examples in docstrings
	$(BIN)/python -m pytest dashboards dse evaluators hw_cost search_space studies

zigzag: setup ## install ZigZag, which some tests and a benchmark compare our cost model with
	$(BIN)/python -m pip install -r requirements-zigzag.txt

ci: lint types arrows ## what a change must pass: lint, types, arrows, then all tests
	$(MAKE) test

clean: ## remove caches and build products; .venv and runs stay
	rm -rf build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache ./*.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
