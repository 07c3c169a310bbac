import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa import Block, Chunking, Document, Passage, Span
from docqa.chunking import DEFAULT_CHUNKING, MAX_SENTENCE, chunk, split_sentences
from docqa.errors import DocumentReadError
from docqa.reading import read_document

Count = Callable[[Sequence[str]], list[int]]

WORD = re.compile(r"\w")
PIECES = [
    "One two three.",
    "Does it?",
    "Dr. Smith went.",
    "a",
    "word " * 12,
    "x" * 130,
    "日本です。",
    "...",
    "***",
    "«Oui».",
    "3.14",
]
JOINTS = [
    " ",
    "\n",
    "\n\n",
    "\r\n\r\n",
    "\n\n# Head\n\n",
    "\n\n## Deep\n\n",
    "\n- ",
    "\n\n> ",
    "\n\n```\n",
    "\n| a | b |\n|--|--|\n| c | d |\n\n",
]
DOCUMENTS = st.lists(st.tuples(st.sampled_from(JOINTS), st.sampled_from(PIECES)), min_size=1, max_size=25).map(
    lambda pairs: "".join(joint + piece for joint, piece in pairs)
)
CHUNKINGS = st.builds(Chunking, st.integers(8, 60), st.integers(0, 3))


def count(texts: Sequence[str]) -> list[int]:
    """Count words, those without spaces between them as one for ten characters."""
    return [sum(1 + len(word) // 10 for word in re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def read(text: str, path: str = "a.md") -> Document:
    return read_document(path, text.encode(), "")


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


def quotes(passages: Sequence[Passage]) -> list[list[str]]:
    return [[passage.quote(span) for span in passage.sentences] for passage in passages]


def assert_sound(document: Document, passages: Sequence[Passage], size: int, count: Count) -> None:
    for passage in passages:
        assert passage.text == document[passage.span]
        spans = passage.sentences
        assert (spans[0].start, spans[-1].end) == (passage.span.start, passage.span.end)
        assert all(one.end <= other.start for one, other in pairwise(spans))
        assert all(len(span) and document[span] == document[span].rstrip() for span in spans)
        assert sum(count([document[span] for span in spans])) <= size
        assert all(len(span) <= MAX_SENTENCE for span in spans)
        assert passage.locator == document.locate(passage.span)
    assert [passage.span for passage in passages] == sorted(passage.span for passage in passages)


@settings(deadline=None, max_examples=200)
@given(DOCUMENTS, st.sampled_from(["a.md", "a.txt"]), CHUNKINGS)
def test_passages_rebuild_the_document(text: str, path: str, chunking: Chunking) -> None:
    try:
        document = read(text, path)
    except DocumentReadError:
        return
    passages = chunk(document, count_tokens=count, chunking=chunking)
    assert_sound(document, passages, max(chunking.size, 11), count)
    bodies = [b.span for b in document.blocks if b.kind not in ("heading", "front_matter")]
    covered = {i for passage in passages for span in passage.sentences for i in range(span.start, span.end)}
    lost = {i for span in bodies for i in range(span.start, span.end) if WORD.match(document.text[i])} - covered
    assert not lost


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, CHUNKINGS)
def test_neighbours_share_at_most_the_wanted_whole_sentences(text: str, chunking: Chunking) -> None:
    try:
        document = read(text, "a.txt")
    except DocumentReadError:
        return
    passages = chunk(document, count_tokens=count, chunking=chunking)
    for one, other in pairwise(passages):
        shared = [span for span in one.sentences if span in other.sentences]
        assert shared == list(other.sentences[: len(shared)])
        assert shared == list(one.sentences[len(one.sentences) - len(shared) :])
        assert len(shared) <= chunking.overlap
        assert all(span in shared or span.start >= one.span.end for span in other.sentences)


@settings(deadline=None, max_examples=100)
@given(DOCUMENTS, CHUNKINGS)
def test_a_sentence_that_fits_is_never_cut(text: str, chunking: Chunking) -> None:
    try:
        document = read(text, "a.txt")
    except DocumentReadError:
        return
    found = {span for p in chunk(document, count_tokens=count, chunking=chunking) for span in p.sentences}
    wholes = {
        Span(block.span.start + span.start, block.span.start + span.end)
        for block in document.blocks
        if block.kind != "heading"
        for span in split_sentences(document[block.span])
    }
    fitting = {span for span in wholes if count([document[span]])[0] <= chunking.size and len(span) <= MAX_SENTENCE}
    assert fitting <= found


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), DOCUMENTS))
def test_sentences_are_in_order_apart_trimmed_and_lose_no_word(text: str) -> None:
    spans = split_sentences(text)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(text[span.start : span.end] == text[span.start : span.end].strip() != "" for span in spans)
    covered = {i for span in spans for i in range(span.start, span.end)}
    assert {i for i, character in enumerate(text) if WORD.match(character)} <= covered


@pytest.mark.parametrize(
    "expected",
    [
        ["One sentence without an end"],
        ["Dr. Smith arrived.", "He sat down."],
        ["Mr. and Mrs. Jones came.", "They ate."],
        ["Prof. Dr. Müller spoke.", "All listened."],
        ["The U.S. economy grew.", "It shrank later."],
        ["Washington, D.C. is a city.", "It is hot."],
        ["Use a tool, e.g. a hammer.", "Then stop."],
        ["Smith et al. showed it.", "We agree."],
        ["See Fig. 3 for details.", "It is clear."],
        ["J. R. R. Tolkien wrote it.", "It sold well."],
        ["I have a Ph.D. in physics.", "It helps."],
        ["At 5 p.m. they met.", "It rained."],
        ["The meeting is on Jan. 5.", "Be there."],
        ["Apple Inc. was founded in 1976.", "It sells phones."],
        ["St. Petersburg is big.", "Moscow is bigger."],
        ["Pi is 3.14 or so.", "It is irrational."],
        ["It cost $3.50.", "That is cheap."],
        ["Version 2.0.1 is out.", "Upgrade now."],
        ["File a.txt is here.", "File b.md is not."],
        ['He said, "Stop."', "Then he left."],
        ['She asked: "Why?"', "Nobody answered."],
        ["He left “early.”", "She stayed."],
        ["(It was late.)", "They slept."],
        ["See https://example.com/a.b?c=d.", "It helps."],
        ["Email me at a.b@c.org.", "Thanks."],
        ["Is it?", "Yes!", "It is."],
        ["The end…", "And more."],
        ["Привет, мир.", "Как дела?"],
        ["¿Qué?", "¡Sí!", "Vale."],
        ["Das ist gut.", "Es läuft."],
        ["This sentence is\nhard-wrapped over lines.", "And this\none too."],
        ["The page ended in the\n\nmiddle of a sentence.", "The next began."],
    ],
    ids=lambda expected: expected[0][:30],
)
@pytest.mark.parametrize("space", [" ", "\n", "\r\n", "  \n"], ids=repr)
def test_sentences_end_where_people_end_them(expected: list[str], space: str) -> None:
    assert sentences(space.join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [["今日は晴れです。", "明日は雨です。"], ["你好吗？", "我很好！"], ["「行く。」", "と言った。"], ["終わり"]],
    ids=lambda expected: expected[0],
)
def test_ideographic_sentences_end_without_spaces(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\n", "* * *", "—"])
def test_what_has_no_word_is_no_sentence(text: str) -> None:
    assert sentences(text) == []


def test_paragraphs_that_fit_stay_whole_and_share_a_passage_while_they_fit(words: Count) -> None:
    document = read("One two three. Four five.\n\nSix seven eight.\n\nNine ten go. They rest.", "a.txt")
    passages = chunk(document, count_tokens=words, chunking=Chunking(12))
    assert quotes(passages) == [["One two three.", "Four five.", "Six seven eight."], ["Nine ten go.", "They rest."]]


def test_a_paragraph_too_long_is_divided_between_sentences(words: Count) -> None:
    document = read("One two three. Four five six.\nSeven eight nine. Ten.", "a.txt")
    passages = chunk(document, count_tokens=words, chunking=Chunking(8))
    assert quotes(passages) == [["One two three.", "Four five six."], ["Seven eight nine.", "Ten."]]


def test_overlap_repeats_whole_sentences(words: Count) -> None:
    document = read("One two three. Four five six. Seven eight nine. Ten eleven twelve.", "a.txt")
    passages = chunk(document, count_tokens=words, chunking=Chunking(8, overlap=1))
    assert quotes(passages) == [
        ["One two three.", "Four five six."],
        ["Four five six.", "Seven eight nine."],
        ["Seven eight nine.", "Ten eleven twelve."],
    ]


def test_passages_stay_under_one_heading(words: Count) -> None:
    document = read("# T\n\nIntro.\n\n## A\n\nIn a.\n\n### B\n\nIn b.\n\n## C\n\nIn c.\n")
    passages = chunk(document, count_tokens=words)
    assert [(p.headings, p.text, p.locator) for p in passages] == [
        ((), "Intro.", "line 3"),
        (("A",), "In a.", "§ A, line 7"),
        (("A", "B"), "In b.", "§ A › B, line 11"),
        (("C",), "In c.", "§ C, line 15"),
    ]
    assert {(p.document, p.title) for p in passages} == {("a.md", "T")}


def test_sections_of_the_same_name_do_not_share_a_passage(words: Count) -> None:
    passages = chunk(read("# T\n\n## A\n\nOne.\n\n## A\n\nTwo.\n"), count_tokens=words)
    assert [p.text for p in passages] == ["One.", "Two."]


def test_a_document_of_headings_only_gives_a_passage_of_them(words: Count) -> None:
    passages = chunk(read("# Only\n\n## Heads\n"), count_tokens=words)
    assert quotes(passages) == [["Only", "Heads"]]


def test_front_matter_is_in_no_passage(words: Count) -> None:
    passages = chunk(read("---\ntitle: Secret\n---\n\nBody.\n"), count_tokens=words)
    assert [p.text for p in passages] == ["Body."]


def test_rows_are_the_sentences_of_a_table_without_its_rules(words: Count) -> None:
    text = "| Name | Age |\n|:-----|----:|\n| Ann. B | 30 |\n| Bob | 40 |\n"
    passages = chunk(read(text), count_tokens=words)
    assert quotes(passages) == [["| Name | Age |", "| Ann. B | 30 |", "| Bob | 40 |"]]
    assert passages[0].text == text.rstrip()


def test_code_is_one_sentence(words: Count) -> None:
    text = "```python\nx = 1. \n\ny = 2\n```\n"
    assert quotes(chunk(read(text), count_tokens=words)) == [["x = 1. \n\ny = 2"]]


def test_only_a_sentence_that_is_too_long_is_cut_and_where_words_end(words: Count) -> None:
    long = " ".join(f"word{i}" for i in range(20))
    document = read(f"Short one. {long}. Short two.", "a.txt")
    passages = chunk(document, count_tokens=words, chunking=Chunking(8))
    assert quotes(passages) == [
        ["Short one."],
        [" ".join(f"word{i}" for i in range(8))],
        [" ".join(f"word{i}" for i in range(8, 16))],
        ["word16 word17 word18 word19.", "Short two."],
    ]
    assert_sound(document, passages, 8, words)


@pytest.mark.parametrize("word", ["!" * 300, "a-" * 150, "x" * 5000], ids=["marks", "hyphens", "one word"])
def test_a_word_with_more_tokens_than_a_passage_holds_is_cut_too(word: str, words: Count) -> None:
    document = Document("a.txt", "", "a", f"Word {word} end", (Block("paragraph", Span(0, len(word) + 9)),))
    passages = chunk(document, count_tokens=words, chunking=Chunking(8))
    assert_sound(document, passages, 8, words)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("\n\n".join(f"Paragraph {i} says so.\n\n{'-' * 60}" for i in range(20)), "a.txt"),
        ("\n\n".join(f"Paragraph {i} says so.\n\n{'* ' * 60}" for i in range(20)), "a.md"),
        ("".join(f"| a{i} | b |\n|{'-' * 80}|---|\n| c | d |\n\n" for i in range(20)), "a.md"),
    ],
    ids=["rules in plain text", "rules in markdown", "rules of tables"],
)
def test_what_stands_between_sentences_counts_towards_the_size(text: str, path: str, words: Count) -> None:
    passages = chunk(read(text, path), count_tokens=words, chunking=DEFAULT_CHUNKING)
    assert max(words([p.text for p in passages])) <= DEFAULT_CHUNKING.size


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "word " * 200_000, "你好" * 500_000, "A. " * 100_000, "*a" * 500_000],
    ids=["one word", "words", "ideographs", "initials", "marks"],
)
def test_a_very_long_line_is_divided_in_seconds(text: str) -> None:
    document = read(text, "a.txt")
    started = time.process_time()
    passages = chunk(document, count_tokens=count)
    assert time.process_time() - started < 30
    assert_sound(document, passages[:50] + passages[-50:], DEFAULT_CHUNKING.size, count)
    assert "".join(passage.text for passage in passages).count(text[0]) == text.count(text[0])


def test_a_long_run_of_exclamation_marks_is_divided_in_seconds(words: Count) -> None:
    started = time.process_time()
    chunk(read("Help" + "!" * 60_000 + " Please.", "a.txt"), count_tokens=words)
    assert time.process_time() - started < 10


def test_the_time_to_divide_grows_with_the_document_and_not_with_its_square(words: Count) -> None:
    def seconds(paragraphs: int) -> float:
        document = read("Some words that say something.\n\n" * paragraphs, "a.txt")
        started = time.process_time()
        chunk(document, count_tokens=words, chunking=Chunking(8))
        return time.process_time() - started

    seconds(100)
    assert seconds(8_000) < 40 * max(seconds(1_000), 0.02)


def test_a_heading_without_text_can_be_found(words: Callable[[Sequence[str]], list[int]]) -> None:
    text = "# Shop\n\n## Opening hours: nine to five\n\n## Contact\n\nCall us.\n\n## Parts\n\n### Screws\n\nMany.\n"
    passages = chunk(read_document("shop.md", text.encode(), ""), count_tokens=words)
    assert [(passage.headings, passage.text) for passage in passages] == [
        ((), "Opening hours: nine to five"),
        (("Contact",), "Call us."),
        (("Parts", "Screws"), "Many."),
    ]
