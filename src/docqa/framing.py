"""Framing: passages compared with a query → hits, each the run of sentences that speaks to it. Pure functions.

A passage is cut where its text was divided, not where an answer begins and ends. So a hit starts from the best sentence
and grows over its neighbours, in the same passage and in those beside it, while they are nearly as good as the best of
all; the next hit starts from the best sentence that is in none yet. What is weak ends up as one sentence.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docqa.types import Passage, Span

SENTENCE_WEIGHTS = (6, 0.1, 8)
"""Of a sentence's cosine with the query, of its BM25 and of its token matches, in the measure of a passage's score."""
NEIGHBOUR_WEIGHT = 0.15
"""What each neighbour counts in a sentence's value: what stands between two good sentences belongs to them."""
REACH = 4.2
"""How far a sentence may stand behind the best of all and still join a hit."""
REMAINDER = 5.5
"""How far one may stand behind and start a hit of its own, though its passage has one already."""
BRIDGED = 2
"""How many weaker sentences in a row a hit may span to reach a good one."""
MOST_PASSAGES = 2
"""How many times the tokens of a passage a hit may have."""
FEWEST_WORDS = 8
"""A hit of fewer words is no repetition: "Price: 49 EUR" stands in many places and means another thing in each."""
TABLE_ROW = re.compile(r"\s*\||.*\s\|\s")
"""A row of a table, whose cells mean little without the head and the other rows."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A passage of the index compared with a query.

    ``passage_at`` reads it by its ``row``, for most are never looked at. ``score`` is what it is ranked by and
    ``similarity`` its cosine. Of its m sentences it has the numbers of tokens, ``sizes`` ``(m,)``; the cosines,
    ``similarities`` ``(m,)``; BM25, ``terms`` ``(m,)``; and the best cosine of each of the query's q tokens,
    ``matches`` ``(m, q)``.
    """

    passage_at: Callable[[int], Passage]
    row: int
    score: float
    similarity: float
    sizes: NDArray[np.int64]
    similarities: Scores
    terms: Scores
    matches: Scores

    @property
    def passage(self) -> Passage:
        """Return the passage."""
        return self.passage_at(self.row)


class ValuedSentence(NamedTuple):
    """The sentence of some number in a passage, what it is worth to the query, and how many tokens it has, at least 1.

    A tuple, for of the sentences of all candidates it is made in a quarter of the time.
    """

    comparison: Comparison
    number: int
    value: float
    size: int

    @property
    def is_best(self) -> bool:
        """Tell whether it is what its passage is worth."""
        return self.value >= self.comparison.score

    @property
    def span(self) -> Span:
        """Return where it stands in its document."""
        return self.comparison.passage.sentences[self.number]

    @property
    def text(self) -> str:
        """Return its words."""
        return self.comparison.passage.quote(self.span)

    @property
    def similarity(self) -> float:
        """Return its cosine with the query."""
        return float(self.comparison.similarities[self.number])

    @property
    def matches(self) -> Scores:
        """Return the best cosine of each of the query's tokens, ``(q,)``."""
        return np.asarray(self.comparison.matches[self.number], np.float32)

    @property
    def is_row(self) -> bool:
        """Tell whether it is a row of a table."""
        return bool(TABLE_ROW.match(self.text))

    def follows(self, other: "ValuedSentence") -> bool:
        """Tell whether no other sentence of the section stands between the two, this one being the later."""
        if self.comparison is other.comparison:
            return True
        if self.comparison.row - other.comparison.row > 1:
            return False
        passage, before = self.comparison.passage, other.comparison.passage
        return (passage.document, passage.headings) == (before.document, before.headings)


@dataclass(frozen=True, slots=True)
class Run:
    """Sentences of a document that follow one another, and the best of them, from which they were found."""

    best: ValuedSentence
    sentences: tuple[ValuedSentence, ...]


def value_sentences(comparisons: Sequence[Comparison], weights: Scores) -> NDArray[np.float64]:
    """Value the sentences of passages, in order, so that the best of each passage is worth the passage's score.

    Args:
        comparisons: the passages.
        weights: ``(q,)``, of the query's tokens.
    """
    cosine, terms, match = SENTENCE_WEIGHTS
    counts = np.array([len(one.sizes) for one in comparisons])
    ends = np.cumsum(counts)
    alone = cosine * np.concatenate([one.similarities for one in comparisons])
    alone += terms * np.concatenate([one.terms for one in comparisons])
    # row by row, for what BLAS rounds depends on the place in a product of matrices, and copies must stay equal
    alone += match * np.vecdot(np.concatenate([one.matches for one in comparisons]), weights)
    before, after = np.concatenate([alone[-1:], alone[:-1]]), np.concatenate([alone[1:], alone[:1]])
    before[ends - counts], after[ends - 1] = alone[ends - counts], alone[ends - 1]
    smooth = (1 - 2 * NEIGHBOUR_WEIGHT) * alone + NEIGHBOUR_WEIGHT * (before + after)
    behind = smooth - np.repeat(np.maximum.reduceat(smooth, ends - counts), counts)
    return np.asarray(np.repeat([one.score for one in comparisons], counts) + behind, np.float64)


def frame(comparisons: Sequence[Comparison], weights: Scores, most: int, *, overlap: int) -> Iterator[Run]:
    """Yield runs of at most so many tokens, best first, no sentence in two.

    A run stays within its document, under one heading path. What it leaves of a passage makes another run only where
    that is good.

    A table is not divided, as far as its passage holds it.

    Args:
        comparisons: the passages, in any order.
        weights: ``(q,)``, of the query's tokens.
        most: how many tokens a run of more than one sentence has at most.
        overlap: how many sentences neighbouring passages share at most.
    """
    sentences = _list_sentences(comparisons, weights)
    if overlap:
        sentences = _drop_shared(sentences)
    growing = _Growing(sentences, most)
    values = [one.value for one in sentences]
    least = max(values) - REMAINDER
    for seed in sorted(range(len(values)), key=values.__getitem__, reverse=True):
        best = sentences[seed]
        if growing.free[seed] and (best.value >= least or best.is_best):
            yield Run(best, tuple(sentences[growing.grow(seed)]))


def keep_whole(comparison: Comparison, weights: Scores) -> Run:
    """Make the run of a whole passage; its best sentence is worth its score."""
    sentences = _list_sentences([comparison], weights)
    return Run(max(sentences, key=lambda one: one.value), tuple(sentences))


def drop_repeated(runs: Iterable[Run]) -> Iterator[Run]:
    """Drop runs that stand in a run before, under the same title and headings, as in copies of one document.

    Only white space and case do not count: a "not", a price or the section it stands in make it another fact.
    """
    seen: list[tuple[str, tuple[str, ...], str]] = []
    for run in runs:
        passage = run.best.comparison.passage
        words = " ".join(one.text for one in run.sentences).casefold().split()
        said = f" {' '.join(words)} "
        copied = (
            title == passage.title and headings == passage.headings and said in text for title, headings, text in seen
        )
        if len(words) < FEWEST_WORDS or not any(copied):
            seen.append((passage.title, passage.headings, said))
            yield run


class _Growing:
    """Runs that grow over sentences in order, none over another's."""

    def __init__(self, sentences: Sequence[ValuedSentence], most: int) -> None:
        self._sentences = sentences
        self._most = most
        self._least = max(one.value for one in sentences) - REACH
        self._before = list(accumulate((one.size for one in sentences), initial=0))
        self.free = [True] * len(sentences)

    def grow(self, seed: int) -> slice:
        """Grow a run from a sentence, towards the better side first, and take its sentences."""
        first = last = seed
        while ends := [
            end for end in self._ends(first, last) if self._size(min(first, end), max(last, end)) <= self._most
        ]:
            end = max(ends, key=lambda end: self._sentences[end].value)
            first, last = min(first, end), max(last, end)
        run = self._with_tables(first, last)
        self.free[run] = [False] * (run.stop - run.start)
        return run

    def _with_tables(self, first: int, last: int) -> slice:
        """Complete the tables at both ends, as far as their passages hold them."""
        while self._in_table(first, first - 1):
            first -= 1
        while self._in_table(last, last + 1):
            last += 1
        return slice(first, last + 1)

    def _in_table(self, place: int, other: int) -> bool:
        if not 0 <= other < len(self._sentences) or not self.free[other]:
            return False
        one, neighbour = self._sentences[place], self._sentences[other]
        return one.comparison is neighbour.comparison and one.is_row and neighbour.is_row

    def _size(self, first: int, last: int) -> int:
        return self._before[last + 1] - self._before[first]

    def _ends(self, first: int, last: int) -> list[int]:
        return [end for end in (self._reach(first, -1), self._reach(last, 1)) if end is not None]

    def _reach(self, place: int, step: int) -> int | None:
        """Find the next good sentence on one side, over a few weaker ones."""
        for end in range(place + step, place + step * (BRIDGED + 2), step):
            if not 0 <= end < len(self._sentences) or not self.free[end]:
                return None
            if self._sentences[end].value >= self._least:
                return end if self._is_whole(min(place, end), max(place, end)) else None
        return None

    def _is_whole(self, first: int, last: int) -> bool:
        return all(later.follows(earlier) for earlier, later in pairwise(self._sentences[first : last + 1]))


def _list_sentences(comparisons: Sequence[Comparison], weights: Scores) -> list[ValuedSentence]:
    """List the sentences as the corpus has them."""
    comparisons = sorted(comparisons, key=lambda comparison: comparison.row)
    values = iter(value_sentences(comparisons, weights).tolist())
    return [
        ValuedSentence(comparison, number, next(values), size)
        for comparison in comparisons
        for number, size in enumerate(np.maximum(comparison.sizes, 1).tolist())
    ]


def _drop_shared(sentences: Iterable[ValuedSentence]) -> list[ValuedSentence]:
    """Keep a sentence that passages share once, where it is worth most."""
    found: dict[tuple[str, Span], ValuedSentence] = {}
    for one in sentences:
        key = (one.comparison.passage.document, one.span)
        if key not in found or one.value > found[key].value:
            found[key] = one
    return list(found.values())
