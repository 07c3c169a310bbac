import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa import Hit, Passage, Span
from docqa.answering import (
    ANSWERED_FROM,
    COVERAGE_WEIGHT,
    MAX_QUOTES,
    Evidence,
    Information,
    answer,
    estimate_confidence,
    select_evidence,
)

UNIT = st.floats(0, 1)
SPANS = [Span(10, 14), Span(15, 19), Span(20, 26)]
RARITY = {"bee": 1.0, "honey": 3.0, "tay": 4.0}.__getitem__


def hit(rank: int, evidence: tuple[Span, ...] = ()) -> Hit:
    passage = Passage(f"{rank}.md", "T", (), Span(10, 26), "line 1", "One. Two. Three.", tuple(SPANS))
    return Hit(passage, 1 / rank, rank, evidence)


def found(*spans: Span, strength: float = 1.0, similarity: float = 1.0) -> Evidence:
    return Evidence(spans, strength, similarity, 1.0)


def cite(path: str, span: Span) -> str:
    return f"{path} at {span.start}"


@pytest.mark.parametrize(
    ("query", "terms", "share"),
    [
        (["bee", "honey", "tay"], {"bee"}, 1 / 8),
        (["bee", "honey", "tay"], {"tay", "honey", "x"}, 7 / 8),
        (["bee", "honey"], {"honey", "bee"}, 1),
        (["bee", "bee", "honey"], {"bee"}, 1 / 4),
        (["bee"], set(), 0),
        ([], {"bee"}, 0),
    ],
)
def test_coverage_is_the_share_of_the_querys_rarity(query: list[str], terms: set[str], share: float) -> None:
    assert Information(query, RARITY).coverage(terms) == pytest.approx(share)


NONE: set[str] = set()


@pytest.mark.parametrize(
    ("similarities", "terms", "chosen"),
    [
        ([0.9, 0.2, 0.1], [NONE, NONE, NONE], [0]),
        ([0.2, 0.9, 0.85], [NONE, NONE, NONE], [1, 2]),
        ([0.85, 0.1, 0.9], [NONE, NONE, NONE], [0, 2]),
        ([0.9, 0.87, 0.88], [NONE, NONE, NONE], [0, 2]),
        ([0.5, 0.5, 0.5], [NONE, NONE, NONE], [0, 1]),
        ([0.7, 0.4, 0.1], [NONE, {"tay", "honey", "bee"}, NONE], [1]),
        ([0.9, 0.1, 0.1], [{"tay"}, NONE, {"honey"}], [0, 2]),
        ([0.9, 0.1, 0.1], [{"tay"}, NONE, {"bee"}], [0]),
        ([0.9, 0.1, 0.1], [{"tay"}, NONE, {"tay"}], [0]),
    ],
)
def test_evidence_is_the_best_sentence_and_one_nearly_as_good_or_that_adds_to_it(
    similarities: list[float], terms: list[set[str]], chosen: list[int]
) -> None:
    information = Information(["bee", "honey", "tay"], RARITY)
    evidence = select_evidence(SPANS, similarities, terms, context=set(), information=information)
    assert evidence.spans == tuple(SPANS[i] for i in chosen)
    best = max(range(3), key=lambda i: similarities[i] + COVERAGE_WEIGHT * information.coverage(terms[i]))
    assert evidence.similarity == similarities[best]
    assert evidence.coverage == information.coverage(terms[best])
    assert evidence.strength == similarities[best] + COVERAGE_WEIGHT * evidence.coverage


def test_every_sentence_covers_the_terms_of_its_title_and_headings() -> None:
    information = Information(["bee", "honey"], RARITY)
    evidence = select_evidence(SPANS, [0.5, 0.1, 0.1], [NONE] * 3, context={"honey"}, information=information)
    assert (evidence.spans, evidence.coverage) == ((SPANS[0],), 0.75)


@given(st.lists(st.tuples(st.floats(-1, 1), st.sets(st.sampled_from(["bee", "honey", "tay"]))), min_size=1, max_size=9))
def test_evidence_is_one_sentence_or_two_in_the_order_of_the_text(sentences: list[tuple[float, set[str]]]) -> None:
    spans = [Span(10 * i, 10 * i + 9) for i in range(len(sentences))]
    similarities, terms = [s for s, _ in sentences], [found for _, found in sentences]
    information = Information(["bee", "honey", "tay"], RARITY)
    evidence = select_evidence(spans, similarities, terms, context=set(), information=information)
    assert evidence.spans in [(one,) for one in spans] + [(a, b) for a in spans for b in spans if a < b]


@given(st.floats(-1, 1), UNIT, st.floats(-1, 1), UNIT)
def test_confidence_is_a_probability_that_grows_with_similarity_and_coverage(
    similarity: float, share: float, other_similarity: float, other_share: float
) -> None:
    one = estimate_confidence(min(similarity, other_similarity), min(share, other_share))
    other = estimate_confidence(max(similarity, other_similarity), max(share, other_share))
    assert 0 <= one <= other <= 1
    assert math.isfinite(one)


def test_certain_evidence_is_confident_and_none_is_not() -> None:
    assert estimate_confidence(1.0, 1.0) > 0.99
    assert estimate_confidence(0.0, 0.0) < 0.01


def test_nothing_found_is_not_answered() -> None:
    result = answer("why?", [], 5, cite)
    assert (result.query, result.quotes, result.hits, result.confidence, result.answered) == (
        "why?",
        (),
        (),
        0.0,
        False,
    )


def test_weak_evidence_is_not_answered_but_its_hits_are_given() -> None:
    hits = [hit(1), hit(2)]
    weak = [found(SPANS[0], similarity=-1.0), found(SPANS[1], similarity=-0.5)]
    result = answer("why?", list(zip(hits, weak, strict=True)), 5, cite)
    assert not result.answered
    assert result.quotes == ()
    assert result.hits == tuple(hits)
    assert result.confidence == estimate_confidence(-0.5, 1.0) < ANSWERED_FROM


def test_strong_evidence_is_quoted_with_its_citation() -> None:
    result = answer("why?", [(hit(1), found(SPANS[1]))], 5, cite)
    quote = result.quotes[0]
    assert (quote.document, quote.span, quote.text, quote.citation) == ("1.md", SPANS[1], "Two.", "1.md at 15")
    assert result.answered


@pytest.mark.parametrize(
    ("spans", "quotes"),
    [
        ((SPANS[0], SPANS[1]), ["One. Two."]),
        ((SPANS[1], SPANS[2]), ["Two. Three."]),
        ((SPANS[0], SPANS[2]), ["One.", "Three."]),
        (tuple(SPANS), ["One. Two. Three."]),
        ((SPANS[2],), ["Three."]),
    ],
)
def test_sentences_that_follow_one_another_are_one_quote(spans: tuple[Span, ...], quotes: list[str]) -> None:
    result = answer("why?", [(hit(1), found(*spans))], 5, cite)
    assert [quote.text for quote in result.quotes] == quotes


def test_the_strongest_evidence_is_quoted_first_and_the_weak_not_at_all() -> None:
    strengths = ((SPANS[0], 0.9), (SPANS[1], 1.0), (SPANS[2], 0.84))
    pairs = [(hit(i), found(span, strength=s)) for i, (span, s) in enumerate(strengths, start=1)]
    result = answer("why?", pairs, 5, cite)
    assert [(quote.document, quote.text) for quote in result.quotes] == [("2.md", "Two."), ("1.md", "One.")]


def test_no_words_are_quoted_twice() -> None:
    pairs = [(hit(1), found(SPANS[0], SPANS[2])), (hit(2), found(SPANS[0])), (hit(1), found(SPANS[0], SPANS[1]))]
    result = answer("why?", pairs, 5, cite)
    assert [(quote.document, quote.text) for quote in result.quotes] == [("1.md", "One."), ("1.md", "Three.")]


def test_there_are_at_most_three_quotes() -> None:
    pairs = [(hit(i), found(*spans)) for i, spans in enumerate(([SPANS[0], SPANS[2]], [SPANS[1]], SPANS), start=1)]
    result = answer("why?", pairs, 5, cite)
    assert [quote.text for quote in result.quotes] == ["One.", "Three.", "Two."]
    assert len(result.quotes) == MAX_QUOTES


def test_confidence_does_not_depend_on_how_many_hits_are_wanted() -> None:
    pairs = [(hit(1), found(SPANS[0], similarity=-1.0)), (hit(2), found(SPANS[1]))]
    one, two = (answer("why?", pairs, k, cite) for k in (1, 2))
    assert one.confidence == two.confidence
    assert [len(one.hits), len(two.hits)] == [1, 2]
