import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.terms import STOP_WORDS, extract_terms, index_terms
from docqa.types import Passage, Span


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("...", []),
        ("the of and", []),
        ("Bees make honey.", ["bee", "make", "honey"]),
        ("running RUNS run", ["run", "run", "run"]),
        ("The capital of France", ["capit", "franc"]),
        ("café CAFÉ cafe\u0301 cafe", ["cafe", "cafe", "cafe", "cafe"]),
        ("Straße STRASSE", ["strass", "strass"]),
        ("ﬁle file", ["file", "file"]),
        ("1887 version 2.0", ["1887", "version", "2", "0"]),
        ("Привет ПРИВЕТ", ["привет", "привет"]),
        ("snake_case", ["snake_cas"]),
        ("honey, honey", ["honey", "honey"]),
    ],
)
def test_terms_are_the_stems_of_words_in_order(text: str, terms: list[str]) -> None:
    assert extract_terms(text) == terms


@pytest.mark.parametrize("word", ["the", "The", "THE", "of", "is"])
def test_stop_words_are_left_out_in_any_case(word: str) -> None:
    assert word.lower() in STOP_WORDS
    assert extract_terms(f"{word} bridge") == ["bridg"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_terms_are_words_without_case_for_any_text(text: str) -> None:
    terms = extract_terms(text)
    assert all(term and term == term.casefold() and not any(map(str.isspace, term)) for term in terms)


@given(st.text("abcdefghij .,-\n", max_size=40), st.text("abcdefghij .,-\n", max_size=40))
def test_the_terms_of_two_texts_are_those_of_one_then_the_other(one: str, other: str) -> None:
    assert extract_terms(f"{one}\n{other}") == extract_terms(one) + extract_terms(other)


def test_a_passage_is_found_by_its_title_its_headings_and_its_text() -> None:
    passage = Passage("b.md", "Keeping bees", ("Honey", "Jars"), Span(0, 12), "", "Close it now", (Span(0, 12),))
    assert index_terms(passage) == ["keep", "bee", "honey", "jar"] * 2 + ["close"]
