"""Framing: runs of sentences found by hand, and the rules that every frame of any passages obeys."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from docqa.framing import (
    BRIDGED,
    FEWEST_WORDS,
    NEIGHBOUR_WEIGHT,
    REACH,
    REMAINDER,
    Comparison,
    Run,
    drop_repeated,
    frame,
    keep_whole,
    value_sentences,
)
from docqa.types import Passage, Span

WEIGHTS = np.ones(1, np.float32)
MOST = 1_000
OWN = 10 - (REACH + REMAINDER) / 2
"""Beside a sentence worth 10, too weak to join its run and good enough to start another."""
SEEDS = st.integers(0, 2**32 - 1)

Found = list[tuple[str, list[int]]]


def passage(first: int, size: int, *, document: str = "a.md", headings: tuple[str, ...] = ()) -> Passage:
    """Make a passage of the sentences from one number on; sentence 7 stands at [70, 79) and says "number 7."."""
    spans = tuple(Span(10 * number, 10 * number + 9) for number in range(first, first + size))
    text = " ".join(f"number{number:2}."[-9:] for number in range(first, first + size))
    return Passage(document, "Title", headings, Span(spans[0].start, spans[-1].end), "line 1", text, spans)


def compare(
    row: int,
    first: int,
    values: Sequence[float],
    *,
    document: str = "a.md",
    headings: tuple[str, ...] = (),
    sizes: Sequence[int] = (),
) -> Comparison:
    """Make a passage whose sentences, from one number on, are worth the values given."""
    m = len(values)
    smoothing = (1 - 2 * NEIGHBOUR_WEIGHT) * np.eye(m)
    for i in range(m):
        smoothing[i, max(i - 1, 0)] += NEIGHBOUR_WEIGHT
        smoothing[i, min(i + 1, m - 1)] += NEIGHBOUR_WEIGHT
    alone = np.linalg.solve(smoothing, np.array(values) - max(values))
    whole = passage(first, m, document=document, headings=headings)
    return Comparison(
        lambda _: whole,
        row,
        max(values),
        0.5,
        np.array(sizes or [1] * m),
        np.zeros(m, np.float32),
        np.asarray(10 * alone, np.float32),
        np.zeros((m, 1), np.float32),
    )


def values_of(comparison: Comparison) -> np.ndarray:
    return value_sentences([comparison], WEIGHTS)


def found(runs: Iterable[Run]) -> Found:
    return [(of(run).document, numbers(run)) for run in runs]


def of(run: Run) -> Passage:
    return run.best.comparison.passage


def numbers(run: Run) -> list[int]:
    return [one.span.start // 10 for one in run.sentences]


def framed(*comparisons: Comparison, most: int = MOST) -> list[list[int]]:
    return [numbers(run) for run in frame(comparisons, WEIGHTS, most, overlap=2)]


# the value of a sentence


def test_a_sentence_is_worth_its_cosine_its_terms_its_matches_and_a_little_of_its_neighbours() -> None:
    comparison = Comparison(
        lambda _: passage(0, 3),
        0,
        10.0,
        0.5,
        np.ones(3, np.int64),
        np.array([1, 0, 0], np.float32),
        np.array([0, 10, 0], np.float32),
        np.array([[0, 0], [0, 0], [1, 1 / 3]], np.float32),
    )
    # alone 6, 1 and 8 * (0.25 * 1 + 0.75 / 3) = 4; with their neighbours 5.25, 2.2 and 3.55
    assert_allclose(value_sentences([comparison], np.array([0.25, 0.75], np.float32)), [10, 6.95, 8.3], rtol=1e-6)


@pytest.mark.parametrize("values", [[3.0], [-2.5, 4.0], [10.0, 9.0, 3.0, 8.0, 1.0]])
def test_the_values_that_the_tests_ask_for(values: list[float]) -> None:
    assert_allclose(values_of(compare(0, 0, values)), values, atol=1e-5)


@given(SEEDS, st.integers(1, 9), st.floats(-30, 30))
def test_the_best_sentence_is_worth_exactly_its_passage(seed: int, m: int, score: float) -> None:
    assert values_of(made(seed, 0, passage(0, m), score)).max() == score


# one passage


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([10], [[0]], id="one sentence"),
        pytest.param([10, 9, 8], [[0, 1, 2]], id="all good"),
        pytest.param([1, 7, 10, 8, 2], [[1, 2, 3]], id="grows to both sides"),
        pytest.param([10, 10.1 - REACH], [[0, 1]], id="within reach"),
        pytest.param([10, 9.9 - REACH], [[0], [1]], id="not within reach, but good enough for its own"),
        pytest.param([10, 10.1 - REMAINDER], [[0], [1]], id="just good enough for its own"),
        pytest.param([10, 9.9 - REMAINDER], [[0]], id="not good enough"),
        pytest.param([10, 1, 9], [[0, 1, 2]], id="over one weaker sentence"),
        pytest.param([9, 1, 1, 10], [[0, 1, 2, 3]], id="over two"),
        pytest.param([10, 1, 1, 1, 9], [[0], [4]], id="not over three"),
        pytest.param([10, 1, 1, 7, 1, 7], [[0, 1, 2, 3, 4, 5]], id="again and again"),
        pytest.param([10, 1, 1, 1], [[0]], id="no weak ends"),
        pytest.param([OWN, 1, 1, 1, OWN, 1, 10], [[6], [0], [4]], id="equal remainders in the order of the text"),
        pytest.param([-20, -21, -30], [[0, 1]], id="below zero"),
        pytest.param([5, 5, 5], [[0, 1, 2]], id="all equal"),
    ],
)
def test_a_run_starts_from_the_best_and_grows_over_what_is_nearly_as_good(
    values: list[float], expected: list[list[int]]
) -> None:
    assert 3 < REACH < REMAINDER < 9
    assert BRIDGED == 2
    assert framed(compare(0, 0, values)) == expected


def test_a_run_knows_its_best_sentence_and_what_it_is_worth() -> None:
    best, rest = frame([compare(4, 30, [7, 10, 1, 1, 1, OWN], sizes=[3, 4, 5, 6, 7, 8])], WEIGHTS, MOST, overlap=2)
    assert (best.best.number, best.best.span, best.best.value) == (1, Span(310, 319), pytest.approx(10))
    assert [(one.number, one.size) for one in best.sentences] == [(0, 3), (1, 4)]
    assert [one.value for one in best.sentences] == pytest.approx([7, 10], abs=1e-5)
    assert (rest.best.number, rest.best.value, rest.sentences) == (5, pytest.approx(OWN, abs=1e-5), (rest.best,))


# the most tokens


@pytest.mark.parametrize(
    ("values", "sizes", "most", "expected"),
    [
        pytest.param([9, 10, 9.5, 8], [10] * 4, 20, [[1, 2], [0], [3]], id="the better side first"),
        pytest.param([9, 10, 9, 8], [10] * 4, 20, [[0, 1], [2, 3]], id="of equal sides the earlier first"),
        pytest.param([9, 10, 9.5, 8], [10] * 4, 30, [[0, 1, 2], [3]], id="then the other"),
        pytest.param([7, 10, 9], [5, 10, 100], 20, [[0, 1], [2]], id="the other side, where the better is too long"),
        pytest.param([10, 1, 9], [10] * 3, 29, [[0], [2]], id="what is bridged counts too"),
        pytest.param([10, 1, 9], [10] * 3, 30, [[0, 1, 2]], id="and may fill it"),
        pytest.param([9, 10], [1, 50], 20, [[1], [0]], id="one sentence may be longer"),
        pytest.param([9, 10], [1, 50], 1, [[1], [0]], id="whatever the most"),
    ],
)
def test_a_run_of_several_sentences_has_at_most_so_many_tokens(
    values: list[float], sizes: list[int], most: int, expected: list[list[int]]
) -> None:
    assert framed(compare(0, 0, values, sizes=sizes), most=most) == expected


# several passages


def test_a_run_reaches_over_neighbouring_passages() -> None:
    comparisons = [compare(6, 0, [1, 9]), compare(7, 2, [10, 2])]
    assert framed(*comparisons) == framed(*reversed(comparisons)) == [[1, 2]]
    assert framed(*comparisons, compare(8, 4, [9, 8])) == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("row", "document", "headings"),
    [(8, "a.md", ("A",)), (7, "b.md", ("A",)), (7, "a.md", ("A", "B")), (7, "a.md", ())],
)
def test_a_run_stays_within_its_document_and_section(row: int, document: str, headings: tuple[str, ...]) -> None:
    one = compare(6, 0, [1, 9], headings=("A",))
    runs = frame([one, compare(row, 2, [10, 2], document=document, headings=headings)], WEIGHTS, MOST, overlap=2)
    assert found(runs) == [(document, [2]), ("a.md", [1])]


def test_what_is_weak_ends_up_as_one_sentence() -> None:
    strong, weak = compare(0, 0, [10, 9, 1]), compare(5, 20, [-8, -7, -7.5])
    assert framed(weak, strong) == [[0, 1], [21]]


def test_every_passage_has_a_run_but_one_that_others_have_reached_over() -> None:
    comparisons = [compare(0, 0, [7]), compare(1, 1, [3, 9]), compare(3, 9, [10]), compare(9, 40, [-1])]
    assert framed(*comparisons) == [[9], [0, 1, 2], [40]]


def test_a_sentence_that_passages_share_is_in_one_run_where_it_is_worth_most() -> None:
    earlier, later = compare(0, 0, [8, 9, 4]), compare(1, 2, [10, 7, 2])
    (run,) = frame([later, earlier], WEIGHTS, MOST, overlap=2)
    assert numbers(run) == [0, 1, 2, 3]
    assert [one.comparison.row for one in run.sentences] == [0, 0, 1, 1]
    assert [one.value for one in run.sentences] == pytest.approx([8, 9, 10, 7], abs=1e-5)
    (run,) = frame([later, compare(0, 0, [8, 9, 11])], WEIGHTS, MOST, overlap=2)
    assert [(one.comparison.row, one.span.start // 10) for one in run.sentences] == [(0, 0), (0, 1), (0, 2), (1, 3)]


def test_equals_are_in_the_order_of_the_index() -> None:
    comparisons = [compare(row, 10 * row, [5], document=f"{row}.md") for row in (4, 2, 0, 8, 6)]
    assert [document for document, _ in found(frame(comparisons, WEIGHTS, MOST, overlap=2))] == [
        f"{row}.md" for row in (0, 2, 4, 6, 8)
    ]


# any passages


def made(seed: int, row: int, passage: Passage, score: float) -> Comparison:
    random, m = np.random.default_rng(seed), len(passage.sentences)
    return Comparison(
        lambda _: passage,
        row,
        score,
        0.5,
        random.integers(0, 9, m),
        random.uniform(-0.2, 1, m).astype(np.float32),
        random.integers(0, 40, m).astype(np.float32),
        random.uniform(0, 1, (m, 1)).astype(np.float32),
    )


@st.composite
def comparisons(draw: st.DrawFn, *, overlap: int = 0) -> list[Comparison]:
    """Draw passages of documents with sections, compared with a query but for those that were not proposed."""
    made_so_far: list[Comparison] = []
    row = 0
    scores = st.one_of(st.sampled_from([0.0, 5.0]), st.floats(-10, 10))
    for document in range(draw(st.integers(1, 3))):
        first = 0
        for section in range(draw(st.integers(1, 2))):
            size = 0
            for _ in range(draw(st.integers(1, 4))):
                shared = min(overlap, size)
                size = draw(st.integers(shared + 1, shared + 4))
                headings = (f"Section {section}",)
                one = passage(first - shared, size, document=f"{document}.md", headings=headings)
                first += size - shared
                made_so_far.append(made(draw(SEEDS), row, one, draw(scores)))
                row += 1
            first += 1  # a heading
    chosen = draw(st.sets(st.integers(0, row - 1), min_size=1))
    return [made_so_far[row] for row in sorted(chosen)]


ANY = st.one_of(comparisons(), comparisons(overlap=1), comparisons(overlap=2))
MOSTS = st.sampled_from([1, 8, 20, MOST])


@settings(deadline=None, max_examples=300)
@given(ANY, MOSTS)
def test_runs_are_apart_whole_and_small_enough(comparisons: list[Comparison], most: int) -> None:
    runs = list(frame(comparisons, WEIGHTS, most, overlap=2))
    everywhere = [(of(run).document, number) for run in runs for number in numbers(run)]
    assert len(everywhere) == len(set(everywhere))
    for run in runs:
        assert numbers(run) == list(range(numbers(run)[0], numbers(run)[-1] + 1))
        passages = [one.comparison.passage for one in run.sentences]
        assert len({(one.document, one.headings) for one in passages}) == 1
        assert len(run.sentences) == 1 or sum(one.size for one in run.sentences) <= most


@settings(deadline=None, max_examples=300)
@given(ANY, MOSTS)
def test_runs_hold_what_is_good_best_first(comparisons: list[Comparison], most: int) -> None:
    runs = list(frame(comparisons, WEIGHTS, most, overlap=2))
    values = [run.best.value for run in runs]
    assert values == sorted(values, reverse=True)
    assert values[0] == max(values_of(comparison).max() for comparison in comparisons)
    for run in runs:
        assert run.best in run.sentences
        assert run.best.value == max(one.value for one in run.sentences)
        good = [one is run.best or one.value >= values[0] - REACH for one in run.sentences]
        assert good[0] and good[-1]
        assert all(len(list(weak)) <= BRIDGED for is_good, weak in groupby(good) if not is_good)
        own = values_of(run.best.comparison)
        assert run.best.value >= values[0] - REMAINDER or run.best.value == own.max()


@settings(deadline=None, max_examples=300)
@given(comparisons(), MOSTS)
def test_the_best_sentence_of_every_passage_is_in_a_run(comparisons: list[Comparison], most: int) -> None:
    runs = list(frame(comparisons, WEIGHTS, most, overlap=2))
    everywhere = {(one.comparison.row, one.number) for run in runs for one in run.sentences}
    for comparison in comparisons:
        assert (comparison.row, int(values_of(comparison).argmax())) in everywhere


@settings(deadline=None, max_examples=100)
@given(ANY, MOSTS, st.randoms())
def test_the_order_of_the_passages_given_does_not_matter(
    comparisons: list[Comparison], most: int, random: object
) -> None:
    shuffled = list(comparisons)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    runs, same = (list(frame(some, WEIGHTS, most, overlap=2)) for some in (comparisons, shuffled))
    assert same == runs


@settings(deadline=None, max_examples=100)
@given(ANY)
def test_what_is_shared_is_worth_the_most_it_is_worth_anywhere(comparisons: list[Comparison]) -> None:
    worth: dict[tuple[str, Span], float] = {}
    for comparison in comparisons:
        for span, value in zip(comparison.passage.sentences, values_of(comparison), strict=True):
            key = (comparison.passage.document, span)
            worth[key] = max(worth.get(key, -np.inf), float(value))
    for run in frame(comparisons, WEIGHTS, MOST, overlap=2):
        assert all(one.value == worth[of(run).document, one.span] for one in run.sentences)


@settings(deadline=None, max_examples=100)
@given(comparisons(), MOSTS)
def test_passages_that_share_nothing_need_not_be_compared(comparisons: list[Comparison], most: int) -> None:
    apart, compared = (list(frame(comparisons, WEIGHTS, most, overlap=overlap)) for overlap in (0, 2))
    assert apart == compared


def test_only_passages_that_a_run_may_reach_are_looked_at() -> None:
    looked_at = []

    def watched(comparison: Comparison) -> Comparison:
        def look(row: int) -> Passage:
            looked_at.append(row)
            return comparison.passage

        return replace(comparison, passage_at=look)

    far, near = compare(9, 90, [8, 9]), [compare(3, 30, [1, 9]), compare(4, 32, [10, 9])]
    run = next(frame([watched(one) for one in (far, *near)], WEIGHTS, MOST, overlap=0))
    assert [one.comparison.row for one in run.sentences] == [3, 4, 4]
    assert set(looked_at) == {3, 4}


# whole passages


@settings(deadline=None)
@given(SEEDS, st.integers(1, 9), st.floats(-30, 30))
def test_a_passage_is_kept_whole(seed: int, m: int, score: float) -> None:
    comparison = made(seed, 3, passage(5, m), score)
    run = keep_whole(comparison, WEIGHTS)
    assert [one.span for one in run.sentences] == list(comparison.passage.sentences)
    assert run.best.number == values_of(comparison).argmax()
    assert run.best.value == score


def test_of_equal_sentences_the_first_is_the_best() -> None:
    assert keep_whole(compare(0, 3, [5, 5, 5]), WEIGHTS).best.number == 0


# repetitions


def told(*texts: str, row: int = 0, title: str = "Title", headings: tuple[str, ...] = ()) -> Run:
    """Make the run of a passage that says the texts, a sentence each."""
    ends = np.cumsum([len(text) + 1 for text in texts])
    spans = tuple(Span(int(end) - len(text) - 1, int(end) - 1) for end, text in zip(ends, texts, strict=True))
    one = Passage(f"{row}.md", title, headings, Span(0, spans[-1].end), "line 1", " ".join(texts), spans)
    return keep_whole(made(row, row, one, 0.0), WEIGHTS)


def kept(*runs: Run) -> list[str]:
    return [of(run).text for run in drop_repeated(runs)]


SAID = "The new drug is approved for young children with severe asthma."


@pytest.mark.parametrize("copy", [SAID, SAID.upper(), SAID.replace(" ", "  \n"), SAID.removeprefix("The new ")])
def test_a_copy_under_the_same_headings_is_dropped(copy: str) -> None:
    assert kept(told(SAID), told(copy, row=1)) == [SAID]
    assert kept(told(SAID, headings=("A",)), told(copy, row=1, headings=("A",))) == [SAID]


@pytest.mark.parametrize(
    "other",
    [
        SAID.replace("is approved", "is not approved"),
        SAID.replace("with", "without"),
        SAID.replace("drug", "drugs"),
        SAID.replace("new", "new,"),
        SAID.replace("The new", "A new"),
        "A " + SAID,
        SAID.removesuffix("a."),
    ],
)
def test_any_other_word_is_another_fact(other: str) -> None:
    assert kept(told(SAID), told(other, row=1)) == [SAID, other]


def test_the_same_words_elsewhere_are_another_fact() -> None:
    assert kept(told(SAID, title="France"), told(SAID, row=1, title="Spain")) == [SAID, SAID]
    assert kept(told(SAID, headings=("Doses",)), told(SAID, row=1, headings=("Risks",))) == [SAID, SAID]


def test_prices_in_the_same_words_are_two_facts() -> None:
    cheap, dear = (
        f"The garden chair with amber cushions for the forest costs {price} EUR." for price in ("$49", "€49")
    )
    assert kept(told(cheap), told(dear, row=1), told(cheap, row=2)) == [cheap, dear]


def test_what_is_short_is_kept_however_often_it_stands() -> None:
    assert kept(*[told("Price: 49 EUR", row=row) for row in range(3)]) == ["Price: 49 EUR"] * 3
    assert FEWEST_WORDS == 8


def test_a_copy_is_one_however_it_is_divided_into_sentences() -> None:
    first, second = SAID[:24], SAID[25:]
    assert kept(told(SAID), told(first, second, row=1)) == [SAID]


def test_only_as_many_runs_are_looked_at_as_are_wanted() -> None:
    asked = count()

    def endless() -> Iterator[Run]:
        for number in asked:
            yield told(f"{SAID} {number}", row=number)

    runs = drop_repeated(endless())
    next(runs)
    assert next(asked) == 1


# tables


def table(row: int, first: int, values: Sequence[float]) -> Comparison:
    """Make a passage of which every sentence is a row of a table."""
    one = compare(row, first, values)
    whole = replace(one.passage, text=one.passage.text.replace("number", "| row "))
    return replace(one, passage_at=lambda _: whole)


def test_a_table_is_shown_whole_with_its_head() -> None:
    assert framed(table(0, 0, [0, 0, 10, 0])) == [[0, 1, 2, 3]]


def test_of_prose_only_what_is_good_is_shown_beside_a_table() -> None:
    assert framed(compare(0, 0, [0, 0, 9]), table(1, 3, [0, 10, 0]), compare(2, 6, [9, 0])) == [[2, 3, 4, 5, 6]]


def test_a_table_of_the_next_passage_is_not_dragged_along() -> None:
    assert framed(table(0, 0, [0, 10]), table(1, 2, [1, 0]))[0] == [0, 1]


@pytest.mark.parametrize(
    ("text", "is_row"), [("| a | b |", True), ("a | b", True), ("  |a|", True), ("a||b", False), ("either|or", False)]
)
def test_a_row_of_a_table_has_bars_between_its_cells(text: str, is_row: bool) -> None:
    assert told(text).best.is_row is is_row
