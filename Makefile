PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help
export USER := $(or $(USER),$(shell id -u))# DVC asks for it, and in a container a user may have no name
.PHONY: help repro full test lint clean git names

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

repro: $(VENV)/ready names ## the whole study: set-up, data, networks, figures
	@begun=$$(date +%s); dvc repro && echo && python -m recognition results && took=$$(($$(date +%s) - begun)) && \
		echo "Took:       $$((took / 60)) min $$((took % 60)) s"

full: $(VENV)/ready names ## the report's own numbers of epochs, as an experiment beside the rest: hours without a GPU
	@test "$$(git rev-parse --is-shallow-repository)" = false || { echo "error: this clone is shallow, and of such DVC keeps no experiment; git fetch --unshallow" >&2; exit 1; }
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

names: # that DVC cannot take, before any work starts
	@case '$(CURDIR)' in *'#'*) echo "error: $(CURDIR): a # in a path breaks DVC's queue; move the project" >&2; exit 1;; esac
	@wrong=$$(find data | LC_ALL=C.UTF-8 grep -axv '.*' | head -n 1 | LC_ALL=C tr -c '[:print:]\n' '?'); test -z "$$wrong" || \
		{ echo "error: $$wrong: its name is not UTF-8, and DVC stops at such; rename it" >&2; exit 1; }

$(VENV)/ready: requirements.txt requirements-numbers.txt | git
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "error: $(PYTHON) cannot make environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input -r requirements.txt
	@touch $@

$(VENV)/cluster: requirements-cluster.txt $(VENV)/ready
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input -r $<
	@touch $@
