"""Answering: hits → an Answer, that is evidence, quotes and confidence. Pure functions, no model and no index."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docqa.confidence import Signals, estimate_confidence
from docqa.types import Answer, Hit, Quote, Span, Verdict

Scores = NDArray[np.float32]

MAX_QUOTES = 3

COVERAGE_WEIGHT = 0.5
"""What finding all the query's terms in a sentence adds to its cosine, in [-1, 1], with the query."""
EVIDENCE_MARGIN = 0.3
"""How far a second sentence may stand behind the best of its passage and still be evidence."""
EVIDENCE_GAIN = 0.04
"""What a second sentence must add to the matches of the query's tokens to be evidence: "It bakes for an hour" says
nothing of the cake, the sentence before does."""
QUOTE_MARGIN = 0.25
"""How far evidence may stand behind the best of the answer and still be quoted."""
SCORE_WEIGHT = 0.1
"""What a hit's score counts beside the strength of its evidence in the order of the quotes: two sentences are often as
strong, and then the better passage decides, not the chance of where it begins."""

CONFIDENCE_HITS = 5
"""How many hits the confidence looks at, however many are asked for."""
ANSWERED_FROM, UNCERTAIN_FROM = 0.3, 0.1
"""The confidence from which a query counts as answered, and from which it may be. At 0.3, 95.3 % of the questions
without their document are refused, and 3.1 % of the others."""
VERDICTS: dict[Verdict, str] = {
    "answered": "Answered from your documents",
    "uncertain": "These are the closest passages, but they may not answer this.",
    "unanswered": "These documents do not answer this.",
}
"""What the verdicts are called for people."""
UNCALIBRATED = (
    "Whether this answers the question is a rough guess: the confidence was not calibrated for this model; "
    "'docqa evaluate' measures it on your own questions."
)
"""What people are told of answers that are not ``calibrated``."""


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """How well each of the m sentences of a hit meets a query of q tokens.

    ``similarities`` ``(m,)`` are the cosines with the query, ``coverages`` ``(m,)`` the shares of the query's
    information, ``matches`` ``(m, q)`` the best cosines of each of the query's tokens.
    """

    similarities: Scores
    coverages: Scores
    matches: Scores


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sentences of one hit that speak to the query, in order; the best, how well it does, and what that tells."""

    spans: tuple[Span, ...]
    best: Span
    strength: float
    signals: Signals


class Information:
    """What a query asks about: its terms, each weighing as much as it is rare in the corpus."""

    def __init__(self, terms: Mapping[float, Iterable[str]], rarity: Callable[[str], float]) -> None:
        """Weigh lists of terms, each list counting as much as its key says; a term counts where it does most."""
        self._weights: dict[str, float] = {}
        for weight, listed in sorted(terms.items()):
            self._weights |= {term: weight * rarity(term) for term in listed}
        self._total = sum(self._weights.values())

    @property
    def terms(self) -> Set[str]:
        """Return the terms that weigh."""
        return self._weights.keys()

    def coverage(self, found: Set[str]) -> float:
        """Compute the share of the information that some terms hold; 0 for a query without terms."""
        return sum(self._weights[term] for term in self._weights.keys() & found) / self._total if self._total else 0.0


def select_evidence(scores: SentenceScores, weights: Scores) -> tuple[int, int | None, float]:
    """Select the sentences of a hit that speak to the query: the best one, and perhaps a second.

    Args:
        scores: of the sentences.
        weights: ``(q,)``, of the query's tokens.

    Returns:
        The numbers of the best sentence and of the second, if there is one, and the strength of the best.
    """
    strengths = scores.similarities + COVERAGE_WEIGHT * scores.coverages + scores.matches @ weights
    best = int(strengths.argmax())
    gains = np.maximum(scores.matches - scores.matches[best], 0) @ weights
    near = (strengths >= strengths[best] - EVIDENCE_MARGIN) & (gains >= EVIDENCE_GAIN)
    if not near.any():
        return best, None, float(strengths[best])
    return best, int(np.where(near, strengths + 2 * gains, -np.inf).argmax()), float(strengths[best])


def answer(
    query: str,
    found: Sequence[tuple[Hit, Evidence]],
    k: int,
    cite: Callable[[str, Span], str],
    *,
    min_confidence: float = ANSWERED_FROM,
    asking_about: str = "",
) -> Answer:
    """Answer a query by quoting the best evidence of its hits, or say that it is not answered.

    Args:
        query: the question.
        found: the passages with their evidence, best first; of them ``CONFIDENCE_HITS`` decide on the confidence.
        k: how many of the passages are wanted.
        cite: gives the citation of a span of a document.
        min_confidence: from which the query counts as answered.
        asking_about: what a follow-up question was understood to be about.
    """
    confidence = max((estimate_confidence(evidence.signals) for _, evidence in found[:CONFIDENCE_HITS]), default=0.0)
    verdict: Verdict = "unanswered"
    if found and confidence >= min_confidence:
        verdict = "answered"
    elif found and confidence >= min(UNCERTAIN_FROM, min_confidence):
        verdict = "uncertain"
    quotes = _quote(found[:k], cite) if verdict == "answered" else ()
    return Answer(query, quotes, tuple(hit for hit, _ in found[:k]), confidence, verdict, asking_about)


def _quote(found: Sequence[tuple[Hit, Evidence]], cite: Callable[[str, Span], str]) -> tuple[Quote, ...]:
    """Quote the best evidence first, no words twice."""
    quotes: list[Quote] = []
    least = max(evidence.strength for _, evidence in found) - QUOTE_MARGIN
    strong = [(hit, evidence) for hit, evidence in found if evidence.strength >= least]
    for hit, evidence in sorted(strong, key=lambda pair: -(pair[1].strength + SCORE_WEIGHT * pair[0].score)):
        for span in _runs(hit, evidence):
            quote = Quote(hit.passage.document, span, hit.passage.quote(span), cite(hit.passage.document, span))
            if not any(_repeats(quote, other) for other in quotes):
                quotes.append(quote)
    return tuple(quotes[:MAX_QUOTES])


def _repeats(quote: Quote, other: Quote) -> bool:
    return quote.text == other.text or (quote.document == other.document and quote.span.overlaps(other.span))


def _runs(hit: Hit, evidence: Evidence) -> list[Span]:
    """Join sentences that follow one another into one quote; the best comes first."""
    order = {span: i for i, span in enumerate(hit.passage.sentences)}
    runs: list[Span] = []
    last = -2
    for span in evidence.spans:
        if order[span] == last + 1:
            runs[-1] = Span(runs[-1].start, span.end)
        else:
            runs.append(span)
        last = order[span]
    return sorted(runs, key=lambda run: not run.overlaps(evidence.best))
