import gc
import re
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa import (
    Block,
    CorruptIndexError,
    Document,
    IndexedDocument,
    PageStart,
    Passage,
    Span,
    StoreError,
)
from docqa.durable import DAMAGED_FILE
from docqa.texts import MAX_HEADINGS, Texts, embedded_text, passage_key

ODD = [
    "a.md",
    'it\'s "q".md',
    "a\nb.md",
    "Отчёт/日本.md",
    "'; DROP TABLE documents; --.md",
    "100%_?.md",
    "😀.md",
    "\\.md",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SPANS = st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda pair: Span(min(pair), max(pair)))
PATHS = st.tuples(TEXT, TEXT).map("/".join)


def document(path: str = "a.md", text: str = "One. Two.\n\nThree.") -> Document:
    blocks = (
        Block("paragraph", Span(0, 9)),
        Block("list_item", Span(11, 17), headings=("H", "“é”"), place="row 1"),
    )
    pages = (PageStart(0, 3), PageStart(11, 4, recognised=True))
    named = path, f"digest of {path}", f"Title of {path}"
    return Document(*named, text, blocks, pages, "page 5", author="Ann", date="2025-03")


def passages(of: Document) -> list[Passage]:
    first = Passage(of.path, of.title, (), Span(0, 9), "line 1", of[Span(0, 9)], (Span(0, 4), Span(5, 9)))
    second = Passage(of.path, of.title, ("H", "“é”"), Span(11, 17), "page 4", of[Span(11, 17)], (Span(11, 17),))
    return [first, second]


def moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def write(path: Path, documents: list[Document]) -> Texts:
    with Texts.create(path) as texts:
        for each in documents:
            texts.add(each, passages(each))
    return Texts.open(path)


@pytest.mark.parametrize("path", ODD)
def test_documents_and_passages_come_back_as_they_were_whatever_their_names(path: str, tmp_path: Path) -> None:
    others = [document("before.md"), document(path, f"{path[:4]:4}. Two.\n\nThree.")]
    texts = write(tmp_path / "texts.sqlite", others)
    assert [texts.document(each.path) for each in others] == others
    assert [texts.passage(row) for row in range(4)] == passages(others[0]) + passages(others[1])


@settings(deadline=None, max_examples=50)
@given(
    st.builds(Document, PATHS, TEXT, TEXT, TEXT, st.lists(st.builds(Block, st.just("code"), SPANS)).map(tuple)),
    st.lists(st.tuples(SPANS, TEXT, st.lists(TEXT).map(tuple), TEXT, st.lists(SPANS).map(tuple)), max_size=4),
)
def test_any_document_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, of: Document, rows: list) -> None:
    expected = [
        Passage(of.path, of.title, headings, span, locator, text, tuple(moved(each, span.start) for each in sentences))
        for span, locator, headings, text, sentences in rows
    ]
    path = tmp_path_factory.mktemp("texts") / "texts.sqlite"
    with Texts.create(path) as texts:
        texts.add(of, expected)
    texts = Texts.open(path)
    assert texts.document(of.path) == of
    assert [texts.passage(row) for row in range(len(texts))] == expected


@pytest.mark.parametrize("folder", ["plain", "with space", "q?a=b#c", "100%", "é\n'"])
def test_a_file_in_an_oddly_named_folder_is_opened(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    assert write(tmp_path / folder / "texts.sqlite", [document()]).document("a.md") == document()


def test_a_copied_document_equals_an_added_one(tmp_path: Path) -> None:
    source = write(tmp_path / "source.sqlite", [document("x.md"), *map(document, ODD)])
    with Texts.create(tmp_path / "copied.sqlite") as copied:
        for path in ODD:
            rows = copied.copy(source, path)
            assert [source.passage(row).document for row in rows] == [path] * len(passages(document(path)))
    added = write(tmp_path / "added.sqlite", list(map(document, ODD)))
    texts = Texts.open(tmp_path / "copied.sqlite")
    assert texts.documents() == added.documents()
    assert texts.rows_by_key() == added.rows_by_key()
    assert [texts.document(path) for path in ODD] == [added.document(path) for path in ODD]
    assert [texts.passage(row) for row in range(len(texts))] == [added.passage(row) for row in range(len(added))]
    assert (tmp_path / "copied.sqlite").read_bytes() == (tmp_path / "added.sqlite").read_bytes()


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(tmp_path / name, list(map(document, ODD)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_documents_are_listed_by_path_with_their_headings_passages_and_pages(tmp_path: Path) -> None:
    with Texts.create(tmp_path / "texts") as texts:
        texts.add(document("b.md"), passages(document("b.md")))
        texts.add(document("a.md"), [])
    assert Texts.open(tmp_path / "texts").documents() == [
        IndexedDocument("a.md", "Title of a.md", (), 0, 4, "Ann", "2025-03"),
        IndexedDocument("b.md", "Title of b.md", ("“é”",), 2, 4, "Ann", "2025-03"),
    ]


def test_a_damaged_row_of_the_list_is_found(tmp_path: Path) -> None:
    path = tmp_path / "texts.sqlite"
    write(path, [document()])
    sound = path.read_bytes()
    for at in (found.start() for found in re.finditer(b"Title of a", sound)):
        path.write_bytes(sound[:at] + b"B" + sound[at + 1 :])
        texts = Texts.open(path)
        try:
            assert texts.documents()[0].title == "Title of a.md"
        except CorruptIndexError:
            break
    else:
        pytest.fail("no title of the list was changed")


def test_a_document_that_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    texts = write(tmp_path / "texts", [document()])
    with pytest.raises(KeyError, match=r"gone\.md"):
        texts.document("gone.md")


def test_the_key_of_a_passage_depends_on_its_headings_text_and_sentences_alone() -> None:
    one = Passage("a.md", "A", ("H",), Span(0, 4), "line 1", "a. b", (Span(0, 2), Span(3, 4)))
    same = Passage("b.md", "B", ("H",), Span(10, 14), "line 9", "a. b", (Span(10, 12), Span(13, 14)))
    assert passage_key(one) == passage_key(same)
    assert passage_key(one) != passage_key(replace(one, text="a. c"))
    assert passage_key(one) != passage_key(replace(one, sentences=(Span(0, 4),)))
    assert passage_key(one) != passage_key(replace(one, headings=("G",)))
    assert passage_key(one) != passage_key(replace(one, headings=()))


@pytest.mark.parametrize(
    ("headings", "before"),
    [
        ((), ""),
        (("Pricing",), "Pricing\n\n"),
        (("Pricing", "Refunds"), "Pricing › Refunds\n\n"),
        (("x" * MAX_HEADINGS, "Refunds"), "x" * (MAX_HEADINGS - 10) + " › Refunds\n\n"),
    ],
)
def test_a_passage_is_embedded_with_its_headings_before_it(headings: tuple[str, ...], before: str) -> None:
    sentences = (Span(10, 12), Span(13, 14))
    text, spans = embedded_text(Passage("a.md", "A", headings, Span(10, 14), "line 1", "a. b", sentences))
    assert text == before + "a. b"
    assert [text[span.start : span.end] for span in spans] == ["a.", "b"]


def test_equal_passages_have_the_first_row_by_key(tmp_path: Path) -> None:
    texts = write(tmp_path / "texts", [document("a.md"), document("b.md")])
    assert texts.rows_by_key() == {passage_key(passage): row for row, passage in enumerate(passages(document()))}


@pytest.mark.parametrize("data", [None, b"", b"no database at all" * 100])
def test_a_file_that_is_missing_or_no_database_is_a_value_error(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "texts.sqlite").write_bytes(data)
    with pytest.raises(ValueError, match=r"texts\.sqlite: "):
        Texts.open(tmp_path / "texts.sqlite")


def test_a_file_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unable to open"), Texts.create(tmp_path / "no folder" / "texts.sqlite"):
        pass


def test_threads_read_at_once_also_after_the_file_is_removed(tmp_path: Path) -> None:
    texts = write(tmp_path / "texts", [document(path) for path in ODD])
    (tmp_path / "texts").unlink()
    found: list[list[Document]] = []
    threads = [
        threading.Thread(target=lambda: found.append([texts.document(path) for path in ODD * 20])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[document(path) for path in ODD * 20]] * 8


def test_passages_are_fetched_together_in_the_order_asked_for(tmp_path: Path) -> None:
    one, other = document("a.md"), document("b.md")
    texts = write(tmp_path / "texts.sqlite", [one, other])
    assert texts.passages_at([3, 0, 2]) == [passages(other)[1], passages(one)[0], passages(other)[0]]
    assert texts.passages_at([]) == []


def test_an_excerpt_is_the_document_from_a_passage_to_another(tmp_path: Path) -> None:
    of = document("b.md")
    texts = write(tmp_path / "texts.sqlite", [document("a.md"), of])
    assert [texts.excerpt(row, row) for row in (2, 3)] == [of.excerpt(passage.span) for passage in passages(of)]
    joined = texts.excerpt(2, 3)
    assert (joined.start, joined.text, joined.line) == (0, of.text, 1)
    assert (joined.blocks, joined.pages) == (of.blocks, of.pages)


def test_passages_that_overlap_make_an_excerpt_without_repetition(tmp_path: Path) -> None:
    of = document()
    one, other = (
        Passage(of.path, of.title, (), span, "", of[span], (span,)) for span in (Span(0, 13), Span(5, len(of.text)))
    )
    with Texts.create(tmp_path / "texts.sqlite") as texts:
        texts.add(of, [one, other])
    assert Texts.open(tmp_path / "texts.sqlite").excerpt(0, 1) == of.excerpt(Span(0, len(of.text)))


def test_any_thread_may_be_the_last_that_holds_what_was_written(tmp_path: Path) -> None:
    with Texts.create(tmp_path / "texts.sqlite") as texts:
        held = [texts]
    del texts
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    gc.collect()


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    folder = tmp_path / "embeddings" / "generation-0123456789ab"
    folder.mkdir(parents=True)
    return folder


def test_a_path_that_is_no_text_is_a_key_error_and_no_damage(generation: Path) -> None:
    texts = write(generation / "texts.sqlite", [document()])
    with pytest.raises(KeyError):
        texts.document("\ud800")
    assert not (generation / DAMAGED_FILE).exists()


@pytest.mark.parametrize(
    ("code", "is_damage"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_NOMEM, False),
        (sqlite3.SQLITE_CANTOPEN, False),
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_ERROR, True),
    ],
)
def test_what_the_system_refuses_is_no_damage(
    code: int, is_damage: bool, generation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = write(generation / "texts.sqlite", [document()])

    def refuse(*arguments: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(texts, "_fetch", refuse)
    with pytest.raises(StoreError) as caught:
        texts.documents()
    assert isinstance(caught.value, CorruptIndexError) == is_damage
    assert (generation / DAMAGED_FILE).exists() == is_damage
    if not is_damage:
        start = f"cannot read the index in '{generation.parent}': texts.sqlite: disk I/O error; check its permissions"
        assert str(caught.value).startswith(start)
