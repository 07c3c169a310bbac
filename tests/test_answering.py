from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa import Answer, Hit, Passage, Span
from docqa.answering import (
    ANSWERED_FROM,
    CONFIDENCE_HITS,
    COVERAGE_WEIGHT,
    EVIDENCE_GAIN,
    EVIDENCE_MARGIN,
    MAX_QUOTES,
    UNCERTAIN_FROM,
    VERDICTS,
    Evidence,
    Information,
    SentenceScores,
    answer,
    select_evidence,
)
from docqa.confidence import Signals, estimate_confidence
from docqa.types import Verdict

UNIT = st.floats(0, 1)
SPANS = [Span(10, 14), Span(15, 19), Span(20, 26)]
RARITY = {"bee": 1.0, "honey": 3.0, "tay": 4.0}.__getitem__


def hit(rank: int, evidence: tuple[Span, ...] = (), *, score: float | None = None) -> Hit:
    passage = Passage(f"{rank}.md", "T", (), Span(10, 26), "line 1", "One. Two. Three.", tuple(SPANS))
    return Hit(passage, 1 / rank if score is None else score, rank, evidence)


def found(
    *spans: Span, best: Span | None = None, strength: float = 1.0, similarity: float = 1.0, match: float = 1.0
) -> Evidence:
    signals = Signals(similarity, 1.0, match, similarity, 0.0, 0, False)
    return Evidence(spans, best or (spans or SPANS)[0], strength, signals)


def confident(confidence: float) -> Evidence:
    """Make evidence of (nearly) a given confidence."""
    low, high = -9.0, 9.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if estimate_confidence(found(match=middle).signals) < confidence else (low, middle)
    return found(SPANS[0], match=high)


def array(values: object) -> np.ndarray:
    return np.array(values, np.float32)


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
    assert Information({1.0: query}, RARITY).coverage(terms) == pytest.approx(share)


def test_terms_that_are_carried_along_weigh_less() -> None:
    information = Information({0.5: ["bee", "tay"], 1.0: ["bee", "honey"]}, RARITY)
    assert information.coverage({"bee"}) == pytest.approx(1 / 6)
    assert information.coverage({"tay"}) == pytest.approx(2 / 6)
    assert information.coverage({"honey", "bee"}) == pytest.approx(4 / 6)


HALVES = array([0.5, 0.5])


@pytest.mark.parametrize(
    ("similarities", "coverages", "matches", "chosen"),
    [
        ([0.9, 0.2, 0.1], [0, 0, 0], [[0, 0], [0, 0], [0, 0]], [0]),
        ([0.9, 0.9, 0.9], [0, 0, 0], [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [0]),  # near, but nothing new
        ([0.5, 0.6, 0.5], [0, 0, 0], [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [1]),
        ([0.1, 0.5, 0.1], [1, 0, 0], [[0, 0], [0, 0], [0, 0]], [0]),  # coverage counts
        ([0.1, 0.2, 0.1], [0, 0, 0], [[0, 0], [0, 0], [0.9, 0.9]], [2]),  # so do matches
        ([0.5, 0.5, 0.5], [0, 0, 0], [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], [0, 1]),  # what is missing
        ([0.5, 0.5, 0.5], [0, 0, 0], [[0.1, 0.9], [0.1, 0.9], [0.9, 0.2]], [0, 2]),
        ([0.5, 0.5, 0.5], [0, 0, 0], [[0.9, 0.2], [0.5, 0.5], [0.1, 0.8]], [0, 2]),  # the most of it
        ([0.5, 0.5, 0.1], [0, 0, 0], [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], [0]),  # but too weak
        ([0.5, 0.5, 0.1], [0, 0, 0.4], [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], [0, 2]),
        ([0.5, 0.5, 0.5], [0, 0, 0], [[0.5, 0.5], [0.5, 0.6], [0.5, 0.5]], [1]),
        ([0.6, 0.5, 0.5], [0, 0, 0], [[0.5, 0.5], [0.5, 0.57], [0.5, 0.5]], [0]),  # too little of it
        ([0.6, 0.5, 0.5], [0, 0, 0], [[0.5, 0.5], [0.4, 0.63], [0.5, 0.5]], [0, 1]),
    ],
)
def test_evidence_is_the_best_sentence_and_one_nearly_as_good_that_meets_other_tokens(
    similarities: list[float], coverages: list[float], matches: list[list[float]], chosen: list[int]
) -> None:
    best, second, _ = select_evidence(SentenceScores(*map(array, (similarities, coverages, matches))), HALVES)
    assert sorted({best} if second is None else {best, second}) == chosen


def test_the_strength_is_that_of_the_best_sentence() -> None:
    scores = SentenceScores(array([0.1, 0.7, 0.3]), array([1, 0.5, 0.25]), array([[0.2, 0.8], [0.6, 0.4], [0.9, 0.0]]))
    best, _, strength = select_evidence(scores, array([0.75, 0.25]))
    assert best == 1
    assert strength == pytest.approx(0.7 + COVERAGE_WEIGHT * 0.5 + 0.75 * 0.6 + 0.25 * 0.4)


def test_a_query_without_tokens_has_evidence_by_its_embedding() -> None:
    nothing = np.zeros((3, 0), np.float32)
    found = select_evidence(SentenceScores(array([0.1, 0.7, 0.6]), array([0, 0, 0]), nothing), nothing[0])
    assert found == (1, None, pytest.approx(0.7))


COSINES = st.floats(-1, 1, width=32)


@given(
    st.lists(st.tuples(COSINES, UNIT, st.tuples(COSINES, COSINES, COSINES)), min_size=1, max_size=9),
    st.tuples(UNIT, UNIT, UNIT).filter(lambda weights: sum(weights) > 0.1),
)
def test_evidence_is_the_best_sentence_and_perhaps_another(
    sentences: list[tuple[float, float, tuple[float, ...]]], shares: tuple[float, ...]
) -> None:
    scores = SentenceScores(*(array(values) for values in zip(*sentences, strict=True)))
    weights = array(shares) / array(shares).sum()
    best, second, strength = select_evidence(scores, weights)
    strengths = scores.similarities + COVERAGE_WEIGHT * scores.coverages + scores.matches @ weights
    assert best == int(strengths.argmax())
    assert strength == pytest.approx(float(strengths.max()), abs=1e-5)
    if second is not None:
        assert second != best
        assert strengths[second] >= strengths[best] - EVIDENCE_MARGIN - 1e-5
        gain = np.maximum(scores.matches[second] - scores.matches[best], 0) @ weights
        assert gain >= EVIDENCE_GAIN - 1e-5


@pytest.mark.parametrize(
    ("confidence", "least", "verdict"),
    [
        (ANSWERED_FROM + 0.01, ANSWERED_FROM, "answered"),
        (ANSWERED_FROM - 0.01, ANSWERED_FROM, "uncertain"),
        (UNCERTAIN_FROM + 0.01, ANSWERED_FROM, "uncertain"),
        (UNCERTAIN_FROM - 0.01, ANSWERED_FROM, "unanswered"),
        (0.0, ANSWERED_FROM, "unanswered"),
        (0.89, 0.9, "uncertain"),
        (0.91, 0.9, "answered"),
        (0.9, 1.0, "uncertain"),
        (0.11, 0.1, "answered"),
        (0.09, 0.1, "unanswered"),
        (0.001, 0.0, "answered"),
    ],
)
def test_the_verdict_depends_on_the_confidence_and_the_least_one(confidence: float, least: float, verdict: str) -> None:
    result = answer("why?", [(hit(1), confident(confidence))], 5, cite, min_confidence=least)
    assert result.confidence == pytest.approx(confidence, abs=1e-3)
    assert (result.verdict, result.answered) == (verdict, verdict == "answered")
    assert bool(result.quotes) == (verdict == "answered")
    assert result.hits == (hit(1),)


@pytest.mark.parametrize("least", [0.0, 0.5, 1.0])
def test_nothing_found_is_unanswered_however_little_is_asked_for(least: float) -> None:
    assert answer("why?", [], 5, cite, min_confidence=least).verdict == "unanswered"


def test_every_verdict_has_a_name_for_people() -> None:
    assert set(VERDICTS) == {"answered", "uncertain", "unanswered"} == set(get_args(Verdict))
    assert all(VERDICTS.values())
    assert 0 < UNCERTAIN_FROM < ANSWERED_FROM < 1


def test_what_a_follow_up_was_understood_to_be_about_is_told() -> None:
    pairs = [(hit(1), found(SPANS[0]))]
    assert answer("why?", pairs, 5, cite, asking_about="What is it?").asking_about == "What is it?"
    assert answer("why?", pairs, 5, cite).asking_about == ""


def test_only_the_first_hits_decide_on_the_confidence() -> None:
    weak = [(hit(i), found(SPANS[0], similarity=-1.0, match=0.0)) for i in range(1, CONFIDENCE_HITS + 1)]
    strong = (hit(CONFIDENCE_HITS + 1), found(SPANS[1]))
    assert answer("why?", [*weak, strong], 9, cite).verdict == "unanswered"
    assert answer("why?", [*weak[1:], strong], 9, cite).verdict == "answered"


def test_nothing_found_is_not_answered() -> None:
    result = answer("why?", [], 5, cite)
    assert result == Answer("why?", (), (), 0.0, "unanswered")
    assert not result.answered


def test_weak_evidence_is_not_answered_but_its_hits_are_given() -> None:
    hits = [hit(1), hit(2)]
    weak = [found(SPANS[0], similarity=-1.0, match=0.0), found(SPANS[1], similarity=-0.5, match=0.0)]
    result = answer("why?", list(zip(hits, weak, strict=True)), 5, cite)
    assert not result.answered
    assert result.quotes == ()
    assert result.hits == tuple(hits)
    assert result.verdict == "unanswered"
    assert result.confidence == estimate_confidence(weak[1].signals) < UNCERTAIN_FROM


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
    strengths = ((SPANS[0], 0.8), (SPANS[1], 1.0), (SPANS[2], 0.74))
    pairs = [(hit(i), found(span, strength=s)) for i, (span, s) in enumerate(strengths, start=1)]
    result = answer("why?", pairs, 5, cite)
    assert [(quote.document, quote.text) for quote in result.quotes] == [("2.md", "Two."), ("1.md", "One.")]


@pytest.mark.parametrize(("scores", "first"), [((8.0, 7.4), "1.md"), ((8.0, 7.6), "2.md"), ((7.0, 8.0), "2.md")])
def test_of_evidence_about_as_strong_that_of_the_better_hit_is_quoted_first(
    scores: tuple[float, float], first: str
) -> None:
    strengths = (1.5, 1.55)
    pairs = [
        (hit(i, score=score), found(SPANS[i], strength=strength))
        for i, (score, strength) in enumerate(zip(scores, strengths, strict=True), start=1)
    ]
    assert answer("why?", pairs, 5, cite).quotes[0].document == first


@pytest.mark.parametrize("best", [0, 2])
def test_the_best_sentence_of_a_hit_is_quoted_first_wherever_it_stands(best: int) -> None:
    result = answer("why?", [(hit(1), found(SPANS[0], SPANS[2], best=SPANS[best]))], 5, cite)
    assert [quote.span for quote in result.quotes] == [SPANS[best], SPANS[2 - best]]


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
