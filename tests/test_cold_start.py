"""What a command loads before it answers: only what it needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import docqa
from conftest import write_corpus

COMMAND = """
import atexit, json, sys
from docqa.cli import main

atexit.register(lambda: print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
sys.exit(main(sys.argv[1:]))
"""

MODELS = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx"}
PARSERS = {"charset_normalizer", "lxml", "mammoth", "markdown_it", "openpyxl", "pypdfium2", "striprtf", "yaml"}
OTHERS = {"gradio", "nupunkt", "tqdm", "ir_measures"}
ENGINE = {"onnxruntime", "tokenizers"}


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus and its store, made with the default model, whose fast form is then in the cache."""
    folder = tmp_path_factory.mktemp("cold")
    corpus = write_corpus(folder / "corpus", {"bridge.md": "The bridge was built in 1887."})
    docqa.sync(corpus, folder / "embeddings")
    return corpus, folder / "embeddings"


def loaded_by(*arguments: str | Path) -> tuple[list[str], set[str]]:
    """Run a command in a process of its own; return the lines it printed, and the names of what it had loaded."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *lines, modules = done.stdout.splitlines()
    return lines, set(json.loads(modules))


def test_a_question_loads_the_fast_form_of_the_model_and_no_parser(synced: tuple[Path, Path]) -> None:
    lines, loaded = loaded_by("ask", "--embeddings", synced[1], "When was the bridge built?")
    assert "The bridge was built in 1887." in lines[0]
    assert loaded & (MODELS | PARSERS | OTHERS) == set()
    assert loaded >= ENGINE


def test_a_status_loads_no_model_at_all(synced: tuple[Path, Path]) -> None:
    lines, loaded = loaded_by("status", "--corpus", synced[0], "--embeddings", synced[1])
    assert lines[0].split() == ["documents", "1"]
    assert loaded & (MODELS | PARSERS | OTHERS | ENGINE | {"faiss"}) == set()


def test_help_loads_no_model_at_all() -> None:
    lines, loaded = loaded_by("--help")
    assert lines[0].startswith("usage: docqa")
    assert loaded & (MODELS | PARSERS | OTHERS | ENGINE | {"faiss"}) == set()
