# Everything a person or CI runs. `make chat` and `make test` are enough on a machine with Python 3.11, pip, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install chat sync test lint types unit browser quality clean

help:
	@echo "make chat     install what is missing, sync the corpus, open the web chat on http://127.0.0.1:7860"
	@echo "make sync     install what is missing, make embeddings/ agree with corpus/"
	@echo "make test     install what is missing, lint, check types, run all tests (with a real browser)"
	@echo "make install  only make the environment in $(VENV)"
	@echo "make quality  measure retrieval on the evaluation sets, if they are beside the project"
	@echo "make clean    remove the environment and the caches; corpus/ and embeddings/ stay"

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

unit: $(VENV)/installed-dev browser
	$(BIN)/pytest

# The page is tested in a real Chromium, taken from Debian's packages where there is none.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| ($(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq chromium >/dev/null)

quality: install
	$(BIN)/python benchmarks/quality.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
