"""Confidence: signals of the evidence, and the probability they come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.confidence import MOST_UNNAMED, Signals, estimate_confidence, extract_names, is_denied

UNIT = st.floats(0, 1)
COSINE = st.floats(-1, 1)
SIGNALS = st.builds(Signals, COSINE, UNIT, COSINE, COSINE, UNIT, st.integers(0, 9), st.booleans())


@given(SIGNALS)
def test_confidence_is_a_probability(signals: Signals) -> None:
    assert 0 <= estimate_confidence(signals) <= 1
    assert math.isfinite(estimate_confidence(signals))


@given(SIGNALS, SIGNALS)
def test_better_evidence_is_more_confident(one: Signals, other: Signals) -> None:
    pairs = [(getattr(one, name), getattr(other, name)) for name in Signals.__slots__]
    good, bad = ([choose(pair) for pair in pairs] for choose in (max, min))
    low = Signals(*bad[:4], *good[4:])
    high = Signals(*good[:4], *bad[4:])
    assert estimate_confidence(low) <= estimate_confidence(high)


def test_certain_evidence_is_confident_and_none_is_not() -> None:
    assert estimate_confidence(Signals(1, 1, 1, 1, 0, 0, False)) > 0.95
    assert estimate_confidence(Signals(0, 0, 0, 0, 0, 0, False)) < 0.01


def test_what_is_missing_lowers_the_confidence_to_a_limit() -> None:
    found = [estimate_confidence(Signals(0.8, 1, 0.9, 0.8, 0, missing, False)) for missing in range(5)]
    assert found[0] > found[1] > found[2] == found[3] == found[4]
    assert MOST_UNNAMED == 2


@pytest.mark.parametrize(
    ("question", "sentence", "denied"),
    [
        ("Which bees do not sting?", "Drones have a sting.", True),
        ("Which bees do not sting?", "Drones cannot sting.", False),
        ("Which bees don't sting?", "Drones sting.", True),
        ("Which bees don’t sting?", "Drones never sting.", False),
        ("Which bees sting?", "Drones cannot sting.", False),
        ("Which bees sting?", "Workers sting.", False),
        ("What did the refusal cost?", "It cost little.", True),
        ("What is a nothingness?", "It is a word.", False),
    ],
)
def test_a_denial_is_to_be_met_by_one(question: str, sentence: str, denied: bool) -> None:
    assert is_denied(question, sentence) is denied


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("When did William Arrol build the bridge?", {"william", "arrol"}),
        ("William Arrol built what in 1887?", {"arrol", "1887"}),
        ("who built it", set()),
        ("WHO BUILT THE OLD BRIDGE IN 1887", {"1887"}),
        ("Is The bridge old?", set()),
        ("What is the 3rd of May?", {"3rd", "may"}),
        ("", set()),
        ("?", set()),
        ("Wer war Ödön von Horváth?", {"odon", "horvath"}),
    ],
)
def test_names_have_capitals_or_digits(question: str, names: set[str]) -> None:
    assert extract_names(question) == names
