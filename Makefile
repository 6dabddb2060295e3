# The door to the project: `make` alone lists what can be done.
#
# Two environments: .venv holds what serving needs and no more (no torch, no scikit-learn); .venv-test adds training and tools.
# Versions come from constraints.txt. To take torch's CPU build from its own index:
#   make test PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

.DEFAULT_GOAL := help
SHELL := /bin/bash

HOST ?= 127.0.0.1
PORT ?= 8080
PIP_FLAGS ?=
CORPUS ?= $(wildcard ../shared/corpus)
ARGS ?=
# What a report fails on; name others with make report GATE='--fail-if "..."'.
GATE ?= --fail-if "tools.false_permit_write.upper > 0.02" --fail-if "tools.under_privilege.upper > 0.01" --fail-if "tools.accuracy < 0.96"

, := ,
SERVE := .venv
TEST := .venv-test
RECIPE_FILES := pyproject.toml constraints.txt

# The first interpreter that is new enough; `make PYTHON=/path/to/python` overrides it.
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { command -v $$p; break; }; done)

# $(call environment,DIRECTORY,WHAT): make the environment if its interpreter does not run, then install WHAT into it.
define environment
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(NEW_ENOUGH)' || { \
		echo "Python 3.11 or newer with the venv module is needed (on Debian: apt-get install python3 python3-venv);" \
			"another one can be named: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { echo "making $(1)"; "$(PYTHON)" -m venv --clear $(1); }
	@echo "installing into $(1)"
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e $(2)
	@touch $@
endef

.PHONY: help setup setup-test run test check format bench train report clean

help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SERVE)/.ready ## make .venv with what serving needs
setup-test: $(TEST)/.ready ## make .venv-test with what training and tests need besides

$(SERVE)/.ready: $(RECIPE_FILES)
	$(call environment,$(SERVE),.)

$(TEST)/.ready: $(RECIPE_FILES)
	$(call environment,$(TEST),".[train$(,)report$(,)gateway$(,)rego$(,)postgres$(,)dev]")

run: setup ## set up and serve on http://127.0.0.1:8080 (HOST=… PORT=…)
	@exec $(SERVE)/bin/intent serve --host $(HOST) --port $(PORT) $(ARGS)

test: setup-test ## set up and run all tests (ARGS="-k gate -x" goes to pytest)
	$(TEST)/bin/python -m pytest -q $(ARGS)

check: setup-test ## lint, formatting, types, layers
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/pyright --pythonpath $(TEST)/bin/python
	$(TEST)/bin/lint-imports

format: setup-test ## format the code and mend what the linter can
	$(TEST)/bin/ruff check --fix .
	$(TEST)/bin/ruff format .

bench: setup-test ## time what serving does
	$(TEST)/bin/python -m pytest tests/bench -q -s $(ARGS)

train: setup-test ## train the shipped model anew from data/
	$(TEST)/bin/intent train $(ARGS)

report: setup-test ## evaluate the shipped model on a labelled corpus (CORPUS=path)
	@mkdir -p reports
	@test -n "$(CORPUS)" || { echo "no corpus at ../shared/corpus; name one: make report CORPUS=path" >&2; exit 1; }
	$(TEST)/bin/intent evaluate --corpus $(CORPUS) --html reports/report.html --json reports/report.json $(GATE) $(ARGS)

clean: ## remove environments and what tools left behind
	rm -rf $(SERVE) $(TEST) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
