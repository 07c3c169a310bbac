from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from docqa.types import Block, Chunking, CorpusDiff, Document, PageStart, Passage, Span

TEXT = "Intro line.\n\nFirst body line,\nsecond line.\n\nPage text."
DOCUMENT = Document(
    "a/b.md",
    "0" * 64,
    "Title",
    TEXT,
    (
        Block("paragraph", Span(0, 11)),
        Block("paragraph", Span(13, 42), headings=("Pricing", "Refunds")),
        Block("paragraph", Span(44, 54), headings=("End",)),
    ),
)

spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: Span(min(pair), max(pair)))


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (4, 3), (-5, -2)])
def test_a_span_within_no_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=rf"\[{start}, {end}\)"):
        Span(start, end)


@pytest.mark.parametrize(("span", "length"), [(Span(0, 0), 0), (Span(3, 3), 0), (Span(3, 10), 7)])
def test_the_length_of_a_span_is_its_number_of_characters(span: Span, length: int) -> None:
    assert len(span) == length


def test_spans_are_ordered_by_start_then_end() -> None:
    assert sorted([Span(3, 4), Span(0, 9), Span(0, 2)]) == [Span(0, 2), Span(0, 9), Span(3, 4)]


@given(spans, spans)
def test_spans_overlap_exactly_when_they_share_a_character(one: Span, other: Span) -> None:
    assume(len(one) and len(other))
    shared = set(range(one.start, one.end)) & set(range(other.start, other.end))
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)


def test_touching_spans_do_not_overlap() -> None:
    assert not Span(0, 3).overlaps(Span(3, 5))


def test_values_are_frozen_and_slotted() -> None:
    with pytest.raises(FrozenInstanceError):
        Span(0, 1).start = 2  # type: ignore[misc]
    assert not hasattr(DOCUMENT, "__dict__")


def test_a_document_gives_its_text_at_a_span() -> None:
    assert DOCUMENT[Span(13, 29)] == "First body line,"
    assert DOCUMENT[Span(0, len(TEXT))] == TEXT
    assert DOCUMENT[Span(5, 5)] == ""


@pytest.mark.parametrize(
    ("span", "locator"),
    [
        (Span(0, 5), "line 1"),
        (Span(13, 28), "§ Pricing › Refunds, line 3"),
        (Span(13, 42), "§ Pricing › Refunds, lines 3–4"),
        (Span(30, 36), "§ Pricing › Refunds, line 4"),
        (Span(44, 48), "§ End, line 6"),
        (Span(0, 42), "lines 1–4"),
    ],
)
def test_a_locator_names_the_section_and_the_lines(span: Span, locator: str) -> None:
    assert DOCUMENT.locate(span) == locator


PAGED = Document(
    "a.pdf", "0" * 64, "Title", TEXT, DOCUMENT.blocks, (PageStart(0, 2), PageStart(20, 3), PageStart(44, 2))
)


@pytest.mark.parametrize(
    ("span", "locator"),
    [
        (Span(0, 5), "page 2"),
        (Span(13, 20), "§ Pricing › Refunds, page 2"),
        (Span(13, 21), "§ Pricing › Refunds, pages 2–3"),
        (Span(20, 21), "§ Pricing › Refunds, page 3"),
        (Span(44, 48), "§ End, page 2"),
        (Span(20, 20), "§ Pricing › Refunds, page 3"),
        (Span(0, 54), "pages 2–3"),
        (Span(13, 54), "§ Pricing › Refunds, pages 2–3"),
    ],
)
def test_the_pages_of_a_span_are_those_its_characters_stand_on(span: Span, locator: str) -> None:
    assert PAGED.locate(span) == locator


def test_a_locator_says_which_words_are_recognised() -> None:
    scanned = replace(PAGED, pages=(PageStart(0, 2), PageStart(20, 3, recognised=True), PageStart(44, 4)))
    located = [scanned.locate(span) for span in (Span(0, 20), Span(13, 21), Span(20, 44), Span(44, 48), Span(0, 54))]
    assert located == [
        "page 2",
        "§ Pricing › Refunds, pages 2–3, recognised text",
        "§ Pricing › Refunds, page 3, recognised text",
        "§ End, page 4",
        "pages 2–4, recognised text",
    ]


def test_lines_are_counted_in_a_file_with_windows_newlines() -> None:
    text = "one\r\ntwo\r\nthree\r\nfour"
    document = Document("a.txt", "", "a", text, (Block("paragraph", Span(0, len(text))),))
    assert document.locate(Span(5, 15)) == "lines 2–3"


def test_a_passage_quotes_by_spans_of_the_document() -> None:
    span = Span(13, 42)
    passage = Passage("a/b.md", "Title", (), span, "", DOCUMENT[span], (Span(13, 29), Span(30, 42)))
    assert [passage.quote(sentence) for sentence in passage.sentences] == ["First body line,", "second line."]
    assert passage.quote(span) == passage.text


@pytest.mark.parametrize("size", [7, 0, -3])
def test_a_passage_size_below_eight_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"at least 8 tokens, not {size}"):
        Chunking(size)


def test_a_negative_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="0 sentences or more, not -1"):
        Chunking(200, overlap=-1)


def test_the_smallest_chunking_is_accepted() -> None:
    chunking = Chunking(8)
    assert (chunking.size, chunking.overlap) == (8, 0)


@pytest.mark.parametrize(
    ("diff", "differs"),
    [
        (CorpusDiff((), (), (), ()), False),
        (CorpusDiff((), (), (), ("a.md",)), False),
        (CorpusDiff(("a.md",), (), (), ()), True),
        (CorpusDiff((), ("a.md",), (), ()), True),
        (CorpusDiff((), (), ("a.md",), ()), True),
    ],
)
def test_a_diff_is_true_when_something_differs(diff: CorpusDiff, differs: bool) -> None:
    assert bool(diff) is differs


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        (0, 2, "sheet Q3, row 2"),
        (0, 5, "sheet Q3, rows 2–3"),
        (3, 8, "sheet Q3, row 3 – sheet Q4, row 1"),
        (9, 11, "§ A › 1"),
        (9, 14, "§ A › 1"),
        (12, 17, "§ A › 1 – § A › B"),
    ],
)
def test_places_of_converted_files_are_joined(start: int, end: int, place: str) -> None:
    places = ["sheet Q3, row 2", "sheet Q3, row 3", "sheet Q4, row 1", "§ A › 1", "§ A › 1", "§ A › B"]
    blocks = tuple(Block("table", Span(3 * i, 3 * i + 2), headings=("X",), place=at) for i, at in enumerate(places))
    assert Document("a.xlsx", "", "a", "x" * 17, blocks).locate(Span(start, end)) == place


@pytest.mark.parametrize("of", [DOCUMENT, PAGED])
@given(start=st.integers(0, 53), lengths=st.tuples(st.integers(1, 54), st.integers(0, 54), st.integers(0, 54)))
def test_an_excerpt_says_of_each_span_within_it_what_the_document_says(
    of: Document, start: int, lengths: tuple[int, int, int]
) -> None:
    whole = Span(start, min(start + lengths[0], len(TEXT)))
    first, last = (whole.start + length % (len(whole) + 1) for length in lengths[1:])
    within = Span(min(first, last), max(first, last))
    excerpt = of.excerpt(whole)
    assert (excerpt[within], excerpt.text) == (of[within], of[whole])
    assert len(within) == 0 or excerpt.locate(within) == of.locate(within)
