"""Framing: passages compared with a query → hits, each the run of sentences that speaks to it. Pure functions.

A passage is cut where its text was divided, not where an answer begins and ends. So a hit starts from the best sentence
and grows over its neighbours, in the same passage and in those beside it, while they are nearly as good as the best of
all; the next hit starts from the best sentence that is in none yet. What is weak ends up as one sentence.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

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

    ``score`` is what it is ranked by and ``similarity`` its cosine. Of its m sentences it has the numbers of tokens,
    ``sizes`` ``(m,)``; the cosines, ``similarities`` ``(m,)``; BM25, ``terms`` ``(m,)``; and the best cosine of each of
    the query's q tokens, ``matches`` ``(m, q)``.
    """

    row: int
    passage: Passage
    score: float
    similarity: float
    sizes: NDArray[np.int64]
    similarities: Scores
    terms: Scores
    matches: Scores

    def values(self, weights: Scores) -> NDArray[np.float64]:
        """Value the sentences so that the best is worth the passage's score; ``weights`` are of the query's tokens."""
        cosine, terms, match = SENTENCE_WEIGHTS
        alone = cosine * self.similarities + terms * self.terms + match * (self.matches @ weights)
        edged = np.concatenate([alone[:1], alone, alone[-1:]])
        smooth = (1 - 2 * NEIGHBOUR_WEIGHT) * alone + NEIGHBOUR_WEIGHT * (edged[:-2] + edged[2:])
        return self.score + np.asarray(smooth - smooth.max(), np.float64)


@dataclass(frozen=True, slots=True)
class ValuedSentence:
    """The sentence of some number in a passage, and what it is worth to the query."""

    comparison: Comparison
    number: int
    value: float

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
    def size(self) -> int:
        """Return how many tokens it has, 1 if its model saw none of it."""
        return max(int(self.comparison.sizes[self.number]), 1)

    @property
    def is_row(self) -> bool:
        """Tell whether it is a row of a table."""
        return bool(TABLE_ROW.match(self.text))

    def follows(self, other: "ValuedSentence") -> bool:
        """Tell whether no other sentence of the section stands between the two, this one being the later."""
        passage, before = self.comparison.passage, other.comparison.passage
        near = self.comparison.row - other.comparison.row <= 1
        return near and (passage.document, passage.headings) == (before.document, before.headings)


@dataclass(frozen=True, slots=True)
class Run:
    """Sentences of a document that follow one another, and the best of them, from which they were found."""

    best: ValuedSentence
    sentences: tuple[ValuedSentence, ...]


def frame(comparisons: Sequence[Comparison], weights: Scores, most: int) -> Iterator[Run]:
    """Yield runs of at most so many tokens, best first, no sentence in two.

    A run stays within its document, under one heading path. What it leaves of a passage makes another run only where
    that is good.

    A table is not divided, as far as its passage holds it.

    Args:
        comparisons: the passages, in any order.
        weights: ``(q,)``, of the query's tokens.
        most: how many tokens a run of more than one sentence has at most.
    """
    sentences = _order(comparisons, weights)
    growing = _Growing(sentences, most)
    least = max(one.value for one in sentences) - REMAINDER
    for seed in sorted(range(len(sentences)), key=lambda i: -sentences[i].value):
        best = sentences[seed]
        if growing.free[seed] and (best.value >= least or best.is_best):
            yield Run(best, tuple(sentences[growing.grow(seed)]))


def keep_whole(comparison: Comparison, weights: Scores) -> Run:
    """Make the run of a whole passage; its best sentence is worth its score."""
    sentences = _order([comparison], weights)
    return Run(max(sentences, key=lambda one: one.value), tuple(sentences))


def drop_repeated(runs: Iterable[Run]) -> Iterator[Run]:
    """Drop runs that stand in a run before, under the same title and headings, as in copies of one document.

    Only white space and case do not count: a "not", a price or the section it stands in make it another fact.
    """
    seen: list[tuple[str, tuple[str, ...], str]] = []
    for run in runs:
        passage = run.best.comparison.passage
        words = f" {' '.join(' '.join(one.text for one in run.sentences).casefold().split())} "
        copied = (
            title == passage.title and headings == passage.headings and words in text for title, headings, text in seen
        )
        if len(words.split()) < FEWEST_WORDS or not any(copied):
            seen.append((passage.title, passage.headings, words))
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
        return one.is_row and neighbour.is_row and one.comparison is neighbour.comparison

    def _size(self, first: int, last: int) -> int:
        return self._before[last + 1] - self._before[first]

    def _ends(self, first: int, last: int) -> list[int]:
        return [end for end in (self._reach(first, -1), self._reach(last, 1)) if end is not None]

    def _reach(self, place: int, step: int) -> int | None:
        """Find the next good sentence on one side, over a few weaker ones."""
        for end in range(place + step, place + step * (BRIDGED + 2), step):
            if not 0 <= end < len(self._sentences) or not self.free[end]:
                return None
            earlier, later = sorted((end, end - step))
            if not self._sentences[later].follows(self._sentences[earlier]):
                return None
            if self._sentences[end].value >= self._least:
                return end
        return None


def _order(comparisons: Sequence[Comparison], weights: Scores) -> list[ValuedSentence]:
    """List the sentences as the corpus has them; one that passages share once, where it is worth most."""
    found: dict[tuple[str, int, int], ValuedSentence] = {}
    for comparison in sorted(comparisons, key=lambda comparison: comparison.row):
        values = comparison.values(weights).tolist()
        for number, (span, value) in enumerate(zip(comparison.passage.sentences, values, strict=True)):
            key = (comparison.passage.document, span.start, span.end)
            if key not in found or value > found[key].value:
                found[key] = ValuedSentence(comparison, number, value)
    return list(found.values())
