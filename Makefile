# make demo    the words of recordings, with no more installed than transcription needs
# make test    everything that is checked before a change is taken
# make quick   the same without the tests that take more than ten seconds
# make clean   remove what these made
#
# All is installed into .venv, again only when pyproject.toml has changed. Wants Python 3.11 or newer with venv and pip.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles what it imports; with everything compiled, the core would take 211 MB instead of 178.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# The tests speak with the first two, decode with the third and look for a microphone with the last. Where they are
# missing and cannot be installed, the tests that want them are skipped and say so.
DEBIAN_PACKAGES := espeak-ng flite ffmpeg libportaudio2

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint packages clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(VENV)/core.stamp
	@$(BIN)/asr demo recipes/commands/samples

test: packages lint
	$(BIN)/python -m pytest --durations=15

quick: lint
	$(BIN)/python -m pytest -m "not slow" --durations=5

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/core.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Python %d.%d found, 3.11 or newer wanted; make PYTHON=..." % v[:2])'
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "installing what transcription needs into $(VENV)"
	@$(PIP) -e .
	@touch $@

$(VENV)/all.stamp: pyproject.toml $(VENV)/core.stamp
	@echo "installing what training and the tests need into $(VENV): about 5 GB, some minutes"
	@$(PIP) -e '.[train,mic,dev]'
	@touch $@

packages:
	@if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then \
	  for program in espeak-ng flite ffmpeg; do \
	    command -v $$program >/dev/null || echo "$$program is not installed: the tests that want it are skipped"; \
	  done; \
	  exit 0; \
	fi; \
	missing=; \
	for package in $(DEBIAN_PACKAGES); do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=; \
	elif sudo -n true 2>/dev/null; then as_root=sudo; \
	else echo "not installed, and the tests that want them are skipped: apt-get install$$missing"; exit 0; \
	fi; \
	echo "installing the Debian packages$$missing"; \
	{ $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	|| echo "could not be installed, and the tests that want them are skipped:$$missing"

clean:
	rm -rf .venv build dist asr.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find asr tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
