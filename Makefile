PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help repro full test lint clean git

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

repro: $(VENV)/ready ## the whole study: set-up, data, networks, figures
	dvc repro
	@dvc metrics show

full: $(VENV)/ready ## the report's own numbers of epochs, as an experiment beside the rest: hours without a GPU
	dvc exp run --temp -S sweep.epochs=10 -S 'epochs.budgets=[5,20,40,50]' -S mobilenet.epochs=20

test: lint ## set-up, data, lint and every test
	dvc repro download
	pytest

lint: $(VENV)/cluster ## rules and format by ruff, types by pyrefly
	ruff check
	ruff format --check
	pyrefly check

clean: ## remove the environment and half-finished work; data, networks and reports stay
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache dvc_plots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

git: # asked every time, not only when the environment is made
	@git rev-parse --git-dir >/dev/null || { echo "error: see git's words above; DVC keeps its versions in git, so it needs git and a git clone of the repository" >&2; exit 1; }

$(VENV)/ready: requirements.txt requirements-numbers.txt | git
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "error: $(PYTHON) cannot make environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input -r requirements.txt
	@touch $@

$(VENV)/cluster: requirements-cluster.txt $(VENV)/ready
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input -r $<
	@touch $@
