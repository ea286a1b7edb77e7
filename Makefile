# Everything happens in .venv, made from PYTHON with the exact versions of constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.PHONY: demo test test-editors lint format train train-smoke bench clean help

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

demo: .venv/.package ## set everything up and show ghost text in a real file
	$(BIN)/fimd demo

test: .venv/.development ## set everything up and run all tests
	$(BIN)/pytest

test-editors: .venv/.development ## the same in real editors, which are brought from Debian's packages if need be
	@$(BIN)/python -m tests.editors.install; \
		case $$? in 0) FIMD_TEST_EDITORS=1 $(BIN)/pytest tests/editors ;; 3) ;; *) exit 1 ;; esac

lint: .venv/.development ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --warnings

format: .venv/.development ## put the source in its form
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

train: .venv/.development ## train the embedded model: some hours of two cores, or go on where the last run stopped
	test -f build/training/tokenizer.json || { $(BIN)/python -m training corpus && $(BIN)/python -m training tokenizer; }
	$(BIN)/python -m training train
	$(BIN)/python -m training export

train-smoke: .venv/.development ## the same in three minutes, on a small corpus
	$(BIN)/python -m training smoke

bench: .venv/.benchmarks ## compare with transformers and llama.cpp: half an hour to an hour; writes benchmarks/report.md
	PYTHONPATH=. $(BIN)/python benchmarks/run.py

clean: ## remove what was made, except a training run
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis

.venv/.package: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing fimd and what it needs into .venv: a few minutes the first time"
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/.development: .venv/.package
	@echo "installing the tools for tests, lint and training"
	$(PIP) install --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

.venv/.benchmarks: .venv/.development
	$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "fimd needs Python 3.10 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "this Python can't make virtual environments: on Debian, apt install python3-venv"; exit 1; }
