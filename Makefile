# make demo    the words of recordings, with no more installed than transcription needs
# make test    everything that is checked before a change is taken
# make quick   the same without the tests that take more than ten seconds
# make docs    the site about it, in the folder site
# make dist    wheel and source archive for a release, checked, in the folder dist
# make lock    the newest releases of all libraries that pyproject.toml allows; `make test` says whether they are good
# make clean   remove what these made
#
# All is installed into .venv, in the versions of requirements/, again only when these or pyproject.toml have changed.
# Wants Python 3.11 or newer with venv and pip.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles what it imports; with everything compiled, the core would take 211 MB instead of 178.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
UV_COMPILE := $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command 'make lock'

# One thread each: those of two tests on the same cores would mostly wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

LOCKED := requirements/build.txt requirements/core.txt requirements/serve.txt requirements/all.txt

# The tests speak with the first two lines, decode with the third, hear through a microphone of the fourth, open pages
# with the fifth, ask the service as README does with curl, make it certificates with openssl, and watch what commands ask
# of the system with the last. Where they are missing and cannot be
# installed, the tests that want them are skipped and say so.
DEBIAN_PACKAGES := espeak-ng flite \
  festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts \
  ffmpeg \
  libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils \
  chromium \
  curl openssl \
  strace

# Where Python is told to keep nothing that it has compiled, each program that a test starts compiles torch again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint docs dist lock packages clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(VENV)/core.stamp
	@$(BIN)/asr demo recipes/commands/samples

test: packages lint
	$(PYTEST) --durations=15

quick: lint
	$(PYTEST) -m "not slow" --durations=5

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What griffe finds wrong in docstrings, --strict lets through.
docs: $(VENV)/all.stamp
	@said=$$($(BIN)/zensical build --strict --clean 2>&1); failed=$$?; echo "$$said"; \
	if echo "$$said" | grep -qE '^(griffe: |Warning|WARNING)'; then failed=1; fi; exit $$failed

# As with uv below, nobody else needs the programs that these take.
dist:
	@$(PYTHON) -m venv $(VENV)-dist
	@$(VENV)-dist/bin/python -m pip install --quiet --disable-pip-version-check build twine
	@rm -rf dist
	$(VENV)-dist/bin/python -m build
	$(VENV)-dist/bin/twine check --strict dist/*
	@rm -rf $(VENV)-dist

# What is locked first, then this package over it: nothing is looked up that the lock does not name. With what builds it
# in place, pip needs no environments of its own to build in, which no lock would hold.
$(VENV)/core.stamp: pyproject.toml requirements/build.txt requirements/core.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Python %d.%d found, 3.11 or newer wanted; make PYTHON=..." % v[:2])'
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "installing what transcription needs into $(VENV)"
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --require-hashes --no-build-isolation -r requirements/core.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/all.stamp: requirements/all.txt $(VENV)/core.stamp
	@echo "installing what training and the tests need into $(VENV): about 5 GB, some minutes"
	@$(PIP) --require-hashes --no-build-isolation -r requirements/all.txt
	@$(PIP) --no-deps --no-build-isolation ttspico==0.3.2 2>/dev/null \
	|| echo "ttspico could not be compiled, and the tests that want it are skipped"
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@

# uv finds one set for every Python from 3.11 on and every system, which pip cannot; pip installs what it found. The
# core's is a part of the whole, and so is that of a container which serves.
lock:
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(UV_COMPILE) -o $(VENV)-lock/all.txt --all-extras pyproject.toml
	$(UV_COMPILE) -o $(VENV)-lock/core.txt -c $(VENV)-lock/all.txt pyproject.toml
	$(UV_COMPILE) -o $(VENV)-lock/serve.txt -c $(VENV)-lock/all.txt --extra serve pyproject.toml
	@echo setuptools | $(UV_COMPILE) -o $(VENV)-lock/build.txt -c $(VENV)-lock/all.txt -
	@mkdir -p requirements
	@cd $(VENV)-lock && mv $(notdir $(LOCKED)) $(CURDIR)/requirements
	@rm -rf $(VENV)-lock
	@echo "written: $(LOCKED); now: make test"

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
	rm -rf .venv .venv-lock .venv-dist build dist site asr.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find asr tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
