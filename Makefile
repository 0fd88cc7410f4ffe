# `make` lists what can be made. Another Python: `make demo PYTHON=python3.12`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLING := $(VENV)/.installing

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint environment clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-run  ## generate a few minutes of music, train a small J1 on it, score it
	$(BIN)/python Training.py with cfg.J1 cfg.demo

test: $(VENV)/.stamp-dev  ## run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/.stamp-dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

environment: $(VENV)/.stamp-dev  ## install all that running and developing need into .venv

clean:  ## remove the environment and caches; music, weights and records stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when its install has ended well. An install that was interrupted leaves
# $(INSTALLING) behind instead, and the next one then starts from an empty environment.
define install
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 14) and "Python 3.11 to 3.13 is needed, $(PYTHON) is %d.%d: name another, make PYTHON=python3.12" % v[:2])'
	@if [ -e $(INSTALLING) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --clear $(VENV); \
	fi
	@touch $(INSTALLING)
	$(BIN)/python -m pip install --disable-pip-version-check -q -r $(1)
	@rm $(INSTALLING)
	@touch $@
endef

$(VENV)/.stamp-run: requirements.txt constraints.txt
	$(call install,requirements.txt)

$(VENV)/.stamp-dev: $(VENV)/.stamp-run requirements-dev.txt
	$(call install,requirements-dev.txt)
