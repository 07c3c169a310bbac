"""Adding files to a corpus and removing them: nothing outside is touched, nothing is ever half there."""

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa import CorpusNotFoundError, DocumentEditError, corpus
from docqa.corpus import add_document, last_changes, list_corpus, remove_document

SUFFIXES = frozenset({".md", ".txt"})
NAMES = st.text(st.characters(), max_size=80).flatmap(
    lambda stem: st.sampled_from([stem, f"{stem}.md", f"../{stem}.md"])
)
PATHS = st.lists(st.sampled_from(["..", ".", "", "out", "notes", "a.md", "secret.md", "/", "A.MD", "link"]), max_size=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a corpus beside a file that is none of its business, with a link that leads to it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.md").write_text("outside")
    (tmp_path / "corpus" / "notes").mkdir(parents=True)
    for name in ("a.md", "notes/a.md", "notes/.hidden.md"):
        (tmp_path / "corpus" / name).write_text(name)
    (tmp_path / "corpus" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "corpus" / "link.md").symlink_to(tmp_path / "out" / "secret.md")
    return tmp_path / "corpus"


def add(folder: Path, name: str, text: str = "words") -> str:
    return add_document(folder, name, text.encode(), suffixes=SUFFIXES)


def files(folder: Path) -> dict[str, str]:
    """Read everything in and beside a folder, hidden files and those behind links too."""
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_a_document_is_added_under_its_name(tmp_path: Path) -> None:
    assert add(tmp_path / "corpus", "report.md") == "report.md"
    assert files(tmp_path) == {"corpus/report.md": "words"}
    assert (tmp_path / "corpus" / "report.md").stat().st_nlink == 1


def test_a_name_that_is_taken_gets_a_number_in_whatever_case(tmp_path: Path) -> None:
    added = [add(tmp_path, name, name + text) for text in "xy" for name in ("a.md", "A.MD", "e\u0301.md", "É.md")]
    assert added == ["a.md", "A (2).MD", "é.md", "É (2).md", "a (3).md", "A (4).MD", "é (3).md", "É (4).md"]
    assert sorted(files(tmp_path)) == sorted(added)


def test_a_folders_name_and_a_links_are_taken_too(folder: Path) -> None:
    before = files(folder.parent)
    assert [add(folder, "notes" + ".md"), add(folder, "link.md")] == ["notes.md", "link (2).md"]
    (folder / "x.md").mkdir()
    assert add(folder, "x.md", "more") == "x (2).md"
    assert before.items() <= files(folder.parent).items()


@pytest.mark.parametrize("again", ["a.md", "A.md"])
def test_the_same_file_is_not_added_twice(tmp_path: Path, again: str) -> None:
    add(tmp_path, "a.md", "other")
    add(tmp_path, "a.md")
    with pytest.raises(DocumentEditError, match=r"cannot add '[aA]\.md': it is there already, as 'a \(2\)\.md'"):
        add(tmp_path, again)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("run.exe", "x", r"docqa does not read \.exe; save it in a format"),
        ("Makefile", "x", "docqa does not read files without a suffix"),
        ("..", "x", "without a suffix"),
        ("", "x", "without a suffix"),
        (".md", "x", "without a suffix"),
        ("a.md", "", "the file is empty"),
        ("a.md", "x" * 1001, "1 MB is more than the 0 MB docqa reads; divide it"),
    ],
)
def test_what_cannot_be_read_is_not_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, reason: str
) -> None:
    monkeypatch.setattr(corpus, "MAX_BYTES", 1000)
    with pytest.raises(DocumentEditError, match=reason) as caught:
        add(tmp_path / "corpus", name, text)
    assert caught.value.path == name
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=200)
@given(NAMES)
def test_whatever_its_name_a_document_lands_in_the_corpus_or_nowhere(name: str) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place) / "deep" / "corpus"
        folder.mkdir(parents=True)
        try:
            path = add(folder, name)
        except DocumentEditError:
            assert files(Path(place)) == {}
        else:
            assert files(Path(place)) == {f"deep/corpus/{path}": "words"}
            assert list(list_corpus(folder, SUFFIXES, {}).files) == [path]
            remove_document(folder, path)
            assert files(Path(place)) == {}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("CON.md", "_CON.md"),
        ("aux.tar.md", "_aux.tar.md"),
        ("LPT1 .txt", "_LPT1.txt"),
        ("C:\\Windows\\notes.md", "notes.md"),
        ("..\\..\\out\\notes.md", "notes.md"),
        ("a:stream.md", "a_stream.md"),
        ("invoice\u202efdp.md", "invoicefdp.md"),
        ("a\nb\rc.md", "a b c.md"),
        ("\u2066.md\u2069/..\u200b/x.md", "x.md"),
        ("\uff0e\uff0e\u2215x.md", "\uff0e\uff0e\u2215x.md"),
        ("fil\u3164ler.md", "filler.md"),
    ],
)
def test_an_odd_name_is_made_one_that_every_system_takes_and_everyone_can_read(
    folder: Path, name: str, path: str
) -> None:
    before = files(folder.parent)
    assert add(folder, name) == path
    assert files(folder.parent) == before | {f"corpus/{path}": "words"}


def test_a_corpus_that_is_a_link_is_added_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(folder)
    assert add(tmp_path / "linked", "b.md") == "b.md"
    assert (folder / "b.md").read_text() == "words"
    remove_document(tmp_path / "linked", "notes/a.md")
    assert not (folder / "notes" / "a.md").exists()


def test_a_corpus_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFoundError):
        add(tmp_path / "no" / "corpus", "a.md")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "the documents' folder is on a disk that is read-only"),
        (errno.EACCES, "the documents' folder cannot be written; change its permissions"),
        (errno.EIO, "the system refuses: Input/output error"),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "link"])
def test_when_the_system_refuses_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str, step: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, step, refuse)
    if step == "link":
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DocumentEditError, match=f"cannot add 'a.md': {reason}"):
        add(tmp_path, "a.md")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert [add(tmp_path, "a.md"), add(tmp_path, "a.md", "more")] == ["a.md", "a (2).md"]
    assert files(tmp_path) == {"a.md": "words", "a (2).md": "more"}


def test_a_name_taken_at_the_last_moment_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link, late = os.link, iter(["theirs"])

    def be_late(source: str, target: str, **options: bool) -> None:
        for text in late:
            Path(target).write_text(text)
        link(source, target, **options)

    monkeypatch.setattr(os, "link", be_late)
    assert add(tmp_path, "a.md") == "a (2).md"
    assert files(tmp_path) == {"a.md": "theirs", "a (2).md": "words"}


def test_a_corpus_that_is_read_only_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DocumentEditError, match="the documents' folder cannot be written; change its permissions"):
        add(tmp_path, "a.md")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["a.md", "notes/a.md"])
def test_a_document_is_removed_and_nothing_else(folder: Path, path: str) -> None:
    before = files(folder.parent)
    remove_document(folder, path)
    assert files(folder.parent) == {name: text for name, text in before.items() if name != f"corpus/{path}"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../out/secret.md", "no document's path"),
        ("notes/../../out/secret.md", "no document's path"),
        ("/etc/passwd", "no document's path"),
        ("notes//a.md", "no document's path"),
        ("./a.md", "no document's path"),
        ("notes/.hidden.md", "no document's path"),
        ("a.md\0", "no document's path"),
        ("", "no document's path"),
        ("link/secret.md", "behind a link"),
        ("link.md", "not a regular file"),
        ("notes", "not a regular file"),
        ("a.md/b.md", "behind a link|not there"),
        ("A.MD", "not there any more"),
        ("gone/a.md", "not there any more"),
        ("x" * 300 + ".md", "not there any more"),
    ],
)
def test_what_is_no_document_is_not_removed(folder: Path, path: str, reason: str) -> None:
    before = files(folder.parent)
    with pytest.raises(DocumentEditError, match=reason):
        remove_document(folder, path)
    assert files(folder.parent) == before


@settings(deadline=None, max_examples=100)
@given(PATHS)
def test_no_path_leads_out_of_the_corpus(parts: list[str]) -> None:
    with TemporaryDirectory() as place:
        outside, folder = Path(place) / "out", Path(place) / "corpus"
        (folder / "notes").mkdir(parents=True)
        outside.mkdir()
        (outside / "secret.md").write_text("outside")
        (folder / "a.md").write_text("inside")
        (folder / "link").symlink_to(outside)
        try:
            remove_document(folder, "/".join(parts))
        except DocumentEditError:
            assert (folder / "a.md").exists()
        else:
            assert parts == ["a.md"]
        assert (outside / "secret.md").exists()


def test_when_files_were_last_changed_is_told_of_those_that_are_there(folder: Path) -> None:
    os.utime(folder / "a.md", (1_000_000_000, 1_000_000_000))
    assert {path: f"{time:%Y-%m-%d}" for path, time in last_changes(folder, ["a.md", "gone.md"]).items()} == {
        "a.md": "2001-09-09"
    }
