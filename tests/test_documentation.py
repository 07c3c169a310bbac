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
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text("utf-8")
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
}
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


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


def anchors(page: str) -> set[str]:
    """List the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#{1,6} +(.*?) *$", FENCED.sub("", page), re.MULTILINE)
    shown = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).lower() for title in titles]
    slugs = [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in shown]
    before = [slugs[:i].count(slug) for i, slug in enumerate(slugs)]
    return {f"{slug}-{times}" if times else slug for slug, times in zip(slugs, before, strict=True)}


def test_anchors_are_those_of_github() -> None:
    page = "# The `k` – what [it](a.md) is?\n\n## One_two-3\n\n```\n# no heading\n```\n\n## One_two-3\n"
    assert anchors(page) == {"the-k--what-it-is", "one_two-3", "one_two-3-1"}


def links() -> list[tuple[str, str]]:
    """List the links to this project's own files, each with the page it stands on."""
    return [
        (name, link) for name, page in PAGES.items() for link in re.findall(r"\]\(([^):]+)\)", FENCED.sub("", page))
    ]


def leads_somewhere(page: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = ROOT / Path(page).parent / path if path else ROOT / page
    return target.exists() and (not anchor or anchor in anchors(target.read_text("utf-8")))


def test_every_link_leads_somewhere() -> None:
    assert {("README.md", "docs/formats.md#scans"), ("SECURITY.md", "docs/server.md")} <= set(links())
    assert [found for found in links() if not leads_somewhere(*found)] == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    assert [leads_somewhere("docs/store.md", link) for link in ("gone.md", "formats.md#gone", "#gone")] == [False] * 3


def fenced_lines(program: str) -> list[tuple[str, str]]:
    """List how a program is called in the blocks of code of all pages: each page with the words after its name."""
    call = re.compile(rf"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?{program} (.*?)(?: &)?$", re.MULTILINE)
    return [
        (name, words) for name, page in PAGES.items() for block in FENCED.findall(page) for words in call.findall(block)
    ]


def mentions(program: str) -> list[tuple[str, str]]:
    """List how a program is called within the sentences of all pages."""
    call = re.compile(rf"`{program} ([a-z][^`]*)`")
    return [(name, words) for name, page in PAGES.items() for words in call.findall(FENCED.sub("", page))]


def test_every_command_parses() -> None:
    commands = fenced_lines("docqa")
    assert {"README.md", "docs/server.md", "docs/store.md", "docs/watching.md"} <= {name for name, _ in commands}
    for name, words in commands:
        try:
            _parser().parse_args(shlex.split(words, comments=True))
        except SystemExit:
            pytest.fail(f"{name}: docqa {words}")


def test_every_command_that_is_mentioned_exists() -> None:
    assert {("docs/formats.md", "sync --force"), ("CHANGELOG.md", "status --verify")} <= set(mentions("docqa"))
    for name, words in mentions("docqa"):
        verb, *others = words.split()
        assert verb in verbs(), f"{name}: docqa {words}"
        options = {option for option in others if option.startswith("-")}
        assert options <= verbs()[verb]._option_string_actions.keys(), f"{name}: docqa {words}"


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    calls = [(name, words.split()[0]) for name, words in fenced_lines("make") + mentions("make")]
    assert {("README.md", "chat"), ("docs/reliability.md", "load"), ("SECURITY.md", "audit")} <= set(calls)
    assert [call for call in calls if call[1] not in targets] == []


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
