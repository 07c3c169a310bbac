# Everything a person or CI runs. `make chat` and `make test` are enough on a machine with Python 3.11, pip, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
READING_PEERS := .venv-reading-peers
AUDIT := .venv-audit
FIGURES := build/benchmarks.json
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

COMPILE = $(AUDIT)/bin/uv pip compile pyproject.toml audit/build.txt --constraint constraints.txt --universal \
	--python-version 3.11 --no-config --generate-hashes --no-annotate --quiet --custom-compile-command 'make lock'

export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install chat sync test lint types unit test-reliability soak browser tesseract bench-quality bench-peers \
	bench-reading bench-speed load lock install-locked audit clean

help:
	@echo "make chat               install what is missing, sync the corpus, open the web chat on http://127.0.0.1:7860"
	@echo "make sync               install what is missing, make embeddings/ agree with corpus/"
	@echo "make test               install what is missing, lint, check types, run all tests (with a real browser)"
	@echo "make test-reliability   the tests of crashes, damage and readers, in short (minutes; part of make test)"
	@echo "make soak               the same in full, with a table of the figures (half an hour)"
	@echo "make install            only make the environment in $(VENV)"
	@echo "make bench-quality      measure docqa on the four question sets, if they are beside the project (minutes)"
	@echo "make bench-peers        the same beside other libraries, which get an environment of their own (an hour, 2 GB)"
	@echo "make bench-reading      measure how files are read, beside three other libraries, if the files are beside the project (minutes, 2 GB)"
	@echo "make bench-speed        measure speed beside other ways of doing it, and write docs/speed.md (an hour, 30 GB)"
	@echo "                        with QUICK=1 less of it, into build/speed-quick (10 minutes)"
	@echo "make load               put the chat under load: 100 users for 5 minutes, on this machine (minutes)"
	@echo "make lock               write the exact versions and hashes of all libraries anew, after a change of the ranges"
	@echo "make install-locked     make the environment from exactly these"
	@echo "make audit              look up known vulnerabilities and check the licences (needs a network; no part of make test)"
	@echo "make clean              remove the environments and the caches; corpus/ and embeddings/ stay"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

chat: install
	$(BIN)/docqa chat

sync: install
	$(BIN)/docqa sync

test: lint types unit

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

unit: $(VENV)/installed-dev browser tesseract
	$(BIN)/pytest

test-reliability: $(VENV)/installed-dev
	$(BIN)/pytest -m reliability

soak: $(VENV)/installed-dev
	$(BIN)/pytest -m reliability --soak

# The page is tested in a real Chromium, taken from Debian's packages where there is none.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| ($(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq chromium >/dev/null)

# Scans are read with the real Tesseract, taken from there too.
tesseract:
	@command -v tesseract >/dev/null || ($(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq tesseract-ocr >/dev/null)

bench-quality: $(VENV)/installed-dev
	$(BIN)/python benchmarks/quality.py

$(PEERS)/installed: pyproject.toml constraints.txt benchmarks/peers-requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --constraint constraints.txt --requirement benchmarks/peers-requirements.txt \
		--editable '.[evaluate]'
	@touch $@

bench-peers: $(PEERS)/installed
	rm -f $(FIGURES)
	$(PEERS)/bin/python benchmarks/quality.py --json $(FIGURES) >/dev/null
	$(PEERS)/bin/python benchmarks/peers.py --json $(FIGURES)

$(READING_PEERS)/installed: benchmarks/reading-peers-requirements.txt constraints.txt
	$(PYTHON) -m venv $(READING_PEERS)
	$(READING_PEERS)/bin/pip install --quiet --constraint constraints.txt --requirement $<
	@touch $@

bench-reading: $(VENV)/installed-dev $(READING_PEERS)/installed
	$(BIN)/python benchmarks/reading.py --peers $(READING_PEERS)/bin/python --store build/reading

ifdef QUICK
bench-speed: $(VENV)/installed-dev
	$(BIN)/python benchmarks/speed.py --quick
else
bench-speed: $(VENV)/installed-dev $(PEERS)/installed
	$(BIN)/python benchmarks/speed.py --peers $(PEERS)/bin/python
endif

# A hundred users for five minutes; LOAD="--users 30 --seconds 60" for less.
load: $(VENV)/installed-dev
	$(BIN)/python benchmarks/load.py $(LOAD)

$(AUDIT)/installed: audit/requirements.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --requirement $<
	@touch $@

# Versions that still fit the ranges stay as they are; remove the two files first to take the newest.
lock: $(AUDIT)/installed
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --excludes audit/excluded.txt --output-file requirements-cpu.lock

install-locked:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/installed

audit: $(AUDIT)/installed $(VENV)/installed-dev
	@mkdir -p build
	@rm -f build/vulnerabilities.json
	-$(AUDIT)/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip --progress-spinner off \
		--format json --output build/vulnerabilities.json 2>/dev/null
	$(AUDIT)/bin/pip-licenses --python $(BIN)/python --format json --output-file build/licences.json
	$(AUDIT)/bin/python audit/check.py build/vulnerabilities.json build/licences.json

clean:
	rm -rf build/speed build/speed-quick $(VENV) $(AUDIT) $(PEERS) $(READING_PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis
