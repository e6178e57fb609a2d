PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help
export USER := $(or $(USER),$(shell id -u))# DVC asks for it, and in a container a user may have no name
.PHONY: help repro full plots test prove lint clean git names

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

repro: $(VENV)/ready ## the whole study: set-up, data, networks, figures
	@begun=$$(date +%s); dvc repro && echo && python -m recognition results && took=$$(($$(date +%s) - begun)) && \
		echo "Took:       $$((took / 60)) min $$((took % 60)) s"

full: $(VENV)/ready ## the report's own numbers of epochs, as an experiment beside the rest: hours; writes reports/full/
	python -m benchmarks.full

plots: .cache/plots.html ## all curves and tables as one page that needs no network
	dvc plots show --html-template $<

test: lint ## set-up, data, lint and every test
	dvc repro download
	pytest

prove: $(VENV)/cluster ## the heavy proof: killed, filled, mutated; writes reports/proof.md
	dvc repro download
	pytest -m proof --numprocesses=0 tests/test_page.py tests/test_proof.py

lint: $(VENV)/cluster ## rules and format by ruff, types by pyrefly
	ruff check
	ruff format --check
	pyrefly check

clean: ## remove the environment and half-finished work; data, networks and reports stay
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache dvc_plots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

git: # asked every time, not only when the environment is made
	@git rev-parse --git-dir >/dev/null || { echo "error: see git's words above; DVC keeps its versions in git, so it needs git and a git clone of the repository" >&2; exit 1; }

# DVC's own page loads these from the web: here they are inside, from npm.
VEGA := vega@5.20.2 vega-lite@5.2.0 vega-embed@6.18.2
.cache/plots.html: Makefile $(VENV)/ready
	@command -v npm >/dev/null || { echo "error: npm is missing, which fetches the scripts that draw; \`dvc plots show\` has them loaded from the web" >&2; exit 1; }
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && mkdir -p .cache && \
		npm pack --silent --ignore-scripts --pack-destination "$$scratch" $(VEGA) >/dev/null && \
		{ echo '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Recognition</title>{refresh_tag}'; \
		for name in $(VEGA); do echo '<script>'; \
		tar -xOzf "$$scratch/$$(echo $$name | tr @ -).tgz" "package/build/$${name%@*}.min.js" | sed 's#</script#<\\/script#g' || exit 1; \
		echo '</script>'; done; \
		echo '<style>table { border-spacing: 15px; }</style></head><body>{plot_divs}</body></html>'; } >"$$scratch/page" && mv "$$scratch/page" $@

names: # that DVC cannot take, before any work starts, the environment's included
	@case "$$PWD" in *'#'*) echo "error: $$PWD: a # in a path breaks DVC's queue; move the project" >&2; exit 1;; esac
	@wrong=$$(find data | LC_ALL=C.UTF-8 grep -axv '.*' | head -n 1 | LC_ALL=C tr -c '[:print:]\n' '?'); test -z "$$wrong" || \
		{ echo "error: $$wrong: its name is not UTF-8, and DVC stops at such; rename it" >&2; exit 1; }

$(VENV)/ready: requirements.txt requirements-numbers.txt | git names
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "error: $(PYTHON) cannot make environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input --no-compile -r requirements.txt
# as pip does, but on every core; what does not compile is for another Python
	$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

$(VENV)/cluster: requirements-cluster.txt requirements-browser.txt $(VENV)/ready
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-input $(addprefix -r ,$(filter %.txt,$^))
	@touch $@
