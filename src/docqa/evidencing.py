"""Evidencing: runs of sentences → hits, each with the sentences of it that speak to the query and what these tell."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from docqa.answering import Evidence, Information, SentenceScores, select_evidence
from docqa.confidence import Signals, extract_names, is_denied
from docqa.framing import Run, ValuedSentence
from docqa.index import Index
from docqa.terms import extract_terms
from docqa.texts import Texts
from docqa.types import Excerpt, Hit, Passage, Span
from docqa.understanding import Understood


class HitMaker:
    """Make hits of the runs that were found for a query."""

    def __init__(self, query: Understood, index: Index, texts: Texts) -> None:
        self._query = query
        self._index = index
        self._texts = texts
        self._information = Information(query.information, index.rarity)
        self._names = extract_names(query.text)
        self._wanted = self._information.terms | self._names

    def make(self, run: Run, rank: int) -> "Found":
        """Make a hit of a run."""
        terms = self._find_terms(run)
        coverages = [self._information.coverage(found) for found in terms]
        scores = _score_sentences(run, coverages)
        best, second, strength = select_evidence(scores, self._query.weights)
        chosen = sorted({best} if second is None else {best, second})
        hit = Hit(self._passage(run), run.best.value, rank, tuple(run.sentences[i].span for i in chosen))
        coverage = self._information.coverage(set().union(*(terms[i] for i in chosen)))
        unnamed = len(self._names.difference(*terms[max(best - 1, 0) : best + 2]))
        return Found(hit, run, self._query, scores, best, strength, coverage, unnamed)

    def _find_terms(self, run: Run) -> list[Set[str]]:
        """Find of each sentence what it, the headings above it and its document's title have of the query's terms."""
        rows = {one.comparison.row for one in run.sentences}
        within = {row: self._index.find_terms(self._wanted, row) for row in rows}
        passage = run.best.comparison.passage
        above = self._wanted & _terms_above(passage.title, *passage.headings)
        return [above | within[one.comparison.row][one.number] for one in run.sentences]

    def _passage(self, run: Run) -> Passage:
        """Return the passage that a run is: an indexed one, a part of one, or one that reaches over several."""
        passage, spans = run.best.comparison.passage, tuple(one.span for one in run.sentences)
        if spans == passage.sentences:
            return passage
        excerpt, span = excerpt_of(run, self._texts), Span(spans[0].start, spans[-1].end)
        return replace(passage, span=span, locator=excerpt.locate(span), text=excerpt[span], sentences=spans)


@dataclass(frozen=True, slots=True)
class Found:
    """A hit, the run that it is, and what was seen of its sentences, of which one is the ``best``.

    ``strength`` is how well that one speaks to the query, ``coverage`` the share of the query's information in the
    evidence, and ``unnamed`` how many of its names stand nowhere near.
    """

    hit: Hit
    run: Run
    query: Understood
    scores: SentenceScores
    best: int
    strength: float
    coverage: float
    unnamed: int

    def evidence(self) -> Evidence:
        """Return the evidence, with what it tells about the confidence, which only an answer needs."""
        return Evidence(self.hit.evidence, self.run.sentences[self.best].span, self.strength, self._signals())

    def _signals(self) -> Signals:
        matches = self.scores.matches @ self.query.weights
        everywhere = float(self.scores.matches.max(axis=0) @ self.query.weights)
        similarity = float(self.scores.similarities[self.best])
        return Signals(
            # the passage has seen its headings, which may hold most of the question
            similarity=max(similarity, self.run.best.comparison.similarity),
            coverage=self.coverage,
            match=everywhere,
            sentence_similarity=similarity,
            scattered=everywhere - float(matches[self.best]),
            unnamed=self.unnamed,
            denied=is_denied(self.query.text, _in_context(self.run.sentences[self.best])),
        )


def excerpt_of(run: Run, texts: Texts) -> Excerpt:
    """Return the part of a document that the passages of a run make up."""
    rows = [one.comparison.row for one in run.sentences]
    return texts.excerpt(min(rows), max(rows))


def cite(found: Sequence[Found], texts: Texts, path: str, span: Span) -> str:
    """Cite the hit that holds a span of a document."""
    cited = next(one for one in found if one.hit.passage.document == path and one.hit.passage.span.covers(span))
    return f"{cited.hit.passage.title}, {excerpt_of(cited.run, texts).locate(span)}"


def _score_sentences(run: Run, coverages: Sequence[float]) -> SentenceScores:
    return SentenceScores(
        np.array([one.similarity for one in run.sentences], np.float32),
        np.array(coverages, np.float32),
        np.array([one.matches for one in run.sentences], np.float32),
    )


@lru_cache(1 << 12)
def _terms_above(*titles: str) -> frozenset[str]:
    return frozenset(extract_terms("\n".join(titles)))


def _in_context(sentence: ValuedSentence) -> str:
    passage = sentence.comparison.passage
    return "\n".join([passage.title, *passage.headings, sentence.text])
