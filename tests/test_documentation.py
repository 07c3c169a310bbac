"""The documentation keeps its word: verbs and options are in the README, its code runs, the shipped corpus answers."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

import docqa
from docqa import Retriever, SentenceTransformerEmbedder
from docqa.cli import _parser, main
from docqa.reading import CODE, CONVERTERS, SUFFIXES, TEXT_READERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


def rows() -> dict[str, str]:
    """Map each verb to its row in the README's table of the command line."""
    return {match[1]: match[0] for match in re.finditer(r"^\| `docqa (\w+).*$", README, re.MULTILINE)}


def test_every_verb_is_in_the_readme() -> None:
    assert rows().keys() == verbs().keys()


@pytest.mark.parametrize("verb", verbs())
def test_every_option_is_in_the_readme(verb: str) -> None:
    options = {option for action in verbs()[verb]._actions for option in action.option_strings}
    documented = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rows()[verb]))
    assert documented == options - {"-h", "--help", "--embeddings"}


def test_every_public_name_of_the_readme_exists() -> None:
    names = set(re.findall(r"docqa\.([A-Za-z_]+)", README)) - {"git"}
    assert {name for name in names if not hasattr(docqa, name)} == set()


def test_every_suffix_is_in_the_list_of_formats() -> None:
    listed = set(re.findall(r"`(\.\w+)`", (ROOT / "docs/formats.md").read_text("utf-8")))
    assert listed <= SUFFIXES
    assert {".pdf"} | set(CONVERTERS) | set(TEXT_READERS) - set(CODE) <= listed


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, embedder: SentenceTransformerEmbedder) -> Retriever:
    store = tmp_path_factory.mktemp("shipped") / "embeddings"
    docqa.sync(ROOT / "corpus", store, embedder=embedder)
    return Retriever.open(store, embedder=embedder)


def test_the_first_answer_comes_by_line_30() -> None:
    lines = README.splitlines()[:30]
    assert "make chat" in lines
    assert any("docqa ask" in line for line in lines)
    assert any("in Korybko's view a vehicle of US proxy influence" in line for line in lines)


def test_the_readme_commands_parse() -> None:
    commands = re.findall(r"^(?:\$ )?\.venv/bin/docqa (.*)$", README, re.MULTILINE)
    assert commands
    for command in commands:
        _parser().parse_args(shlex.split(command))


def test_the_readme_python_runs(
    shipped: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus").symlink_to(ROOT / "corpus")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(import docqa\n.*?)```", README, re.DOTALL)
    assert code
    exec(compile(code[1], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "1 Belarus between Russia and the United States" in out
    assert "offers to re-embed it" in " ".join(out.split())
    assert main(["status"]) == 0


@pytest.mark.parametrize(
    ("query", "words", "document"),
    [
        ("How do I add my own documents?", "Copy your files into the folder `corpus/`", "docqa-guide.md"),
        ("Does docqa need the internet?", "docqa needs no internet once it is installed", "docqa-guide.md"),
        (
            "Where can I see where a quote comes from?",
            "the source panel opens the document at that passage",
            "docqa-guide.md",
        ),
        ("Which file formats can docqa read?", "plain text (`.txt`) and Markdown", "docqa-guide.md"),
        ("Can docqa read PDF files?", "docqa reads plain text (`.txt`) and Markdown (`.md`), PDF", "docqa-guide.md"),
        ("Does docqa read scanned pages?", "docqa reads the scanned pages of a PDF where Tesseract", "docqa-guide.md"),
        ("How do I undo a sync?", "run `docqa rollback`", "docqa-guide.md"),
        ("Can other people use the chat?", "Other people can use the chat with a login", "docqa-guide.md"),
        (
            "Why can't Russia subsidise oil for Belarus any more?",
            "Russia cannot afford to go on subsidising oil",
            "belarus-between-russia-and-the-us.md",
        ),
        (
            "Who leads the Three Seas Initiative?",
            'Poland also leads the "Three Seas Initiative"',
            "belarus-between-russia-and-the-us.md",
        ),
        (
            "Who wrote the article about Belarus?",
            "an article by Andrew Korybko",
            "belarus-between-russia-and-the-us.md",
        ),
    ],
)
def test_the_shipped_corpus_answers(shipped: Retriever, query: str, words: str, document: str) -> None:
    answer = shipped.ask(query)
    assert answer.answered
    assert document == answer.quotes[0].document
    assert any(words in " ".join(quote.text.split()) for quote in answer.quotes)


@pytest.mark.parametrize("query", ["What is the capital of Peru?", "How many moons does Jupiter have?"])
def test_the_shipped_corpus_does_not_answer(shipped: Retriever, query: str) -> None:
    assert not shipped.ask(query).answered


def test_the_version_is_in_the_changelog() -> None:
    assert re.search(
        r"^## \[(Unreleased|" + re.escape(docqa.__version__) + r")\]", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
