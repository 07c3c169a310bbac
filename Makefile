# Everything a person or CI runs. `make chat` and `make test` are enough on a machine with Python 3.11, pip, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
READING_PEERS := .venv-reading-peers
FIGURES := build/benchmarks.json
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install chat sync test lint types unit test-reliability soak browser tesseract bench-quality bench-peers bench-reading clean

help:
	@echo "make chat               install what is missing, sync the corpus, open the web chat on http://127.0.0.1:7860"
	@echo "make sync               install what is missing, make embeddings/ agree with corpus/"
	@echo "make test               install what is missing, lint, check types, run all tests (with a real browser)"
	@echo "make test-reliability   the tests of crashes, damage and readers, in short (minutes; part of make test)"
	@echo "make soak               the same in full (half an hour)"
	@echo "make install            only make the environment in $(VENV)"
	@echo "make bench-quality      measure docqa on the four question sets, if they are beside the project (minutes)"
	@echo "make bench-peers        the same beside other libraries, which get an environment of their own (an hour, 2 GB)"
	@echo "make bench-reading      measure how files are read, beside three other libraries, if the files are beside the project (minutes, 2 GB)"
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

clean:
	rm -rf $(VENV) $(PEERS) $(READING_PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis
