# Everything a person needs: each target sets up what it uses, on a machine with only Python >= 3.11, pip and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help setup demo test lint types contracts reference bench simulation soak clean

help:
	@echo "make demo       a server and two devices: edit, go offline, conflict, converge"
	@echo "make test       all tests"
	@echo "make lint types contracts    the other stages of .ci/run"
	@echo "make reference  the pages of docs/sdbql that are made from tables in the code"
	@echo "make bench      the figures in docs/BENCHMARKS.md, measured on this machine"
	@echo "make simulation the simulated worlds of .ci/run: 300,000 different steps, each world twice"
	@echo "make soak       worlds from random seeds for hours (HOURS=8)"

setup: $(STAMP)

$(STAMP): pyproject.toml packages/sdbql/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e packages/sdbql -e '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/solidb-sync demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(BIN)/mypy tests/blocking/typed_use.py

contracts: setup
	$(BIN)/lint-imports

reference: setup
	$(BIN)/python docs/write_reference.py

bench: setup
	$(BIN)/python -m benchmarks

simulation: setup
	$(BIN)/python -m solidb_sync.testing.simulation --seeds 1010 --twice-every 1 --steps-min 300000 --jobs 2

soak: setup
	$(BIN)/python -m benchmarks flaky
	$(BIN)/python -m solidb_sync.testing.simulation --hours $${HOURS:-8} --twice-every 1

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
