"""Answering: hits → an Answer, that is evidence, quotes and confidence. Pure functions, no model and no index."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from docqa.types import Answer, Hit, Quote, Span

Rarity = Callable[[str], float]
"""A term's inverse document frequency."""

MAX_EVIDENCE = 2
"""Sentences marked in a hit."""
MAX_QUOTES = 3

COVERAGE_WEIGHT = 0.5
"""What finding all the query's terms in a sentence adds to its cosine, in [-1, 1], with the query."""
EVIDENCE_MARGIN = 0.1
"""How far a sentence may stand behind the best of its passage and still be evidence."""
QUOTE_MARGIN = 0.15
"""How far evidence may stand behind the best of the answer and still be quoted."""

ANSWERED_FROM = 0.5
"""The confidence from which a query counts as answered."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sentences of one hit that speak to the query, in order, and how well the best does."""

    spans: tuple[Span, ...]
    strength: float
    similarity: float
    coverage: float


def coverage(query_terms: Sequence[str], found: Sequence[str], rarity: Rarity) -> float:
    """Compute the share of a query's information that some terms hold: terms weigh as they are rare."""
    weights = {term: rarity(term) for term in query_terms}
    total = sum(weights.values())
    return sum(weights[term] for term in weights.keys() & set(found)) / total if total else 0.0


def select_evidence(spans: Sequence[Span], similarities: Sequence[float], coverages: Sequence[float]) -> Evidence:
    """Select the sentences of a passage that speak to the query, by their embedding and their terms."""
    strengths = [s + COVERAGE_WEIGHT * c for s, c in zip(similarities, coverages, strict=True)]
    ranked = sorted(range(len(spans)), key=lambda i: (-strengths[i], i))
    best = ranked[0]
    chosen = [i for i in ranked[:MAX_EVIDENCE] if strengths[i] >= strengths[best] - EVIDENCE_MARGIN]
    return Evidence(tuple(spans[i] for i in sorted(chosen)), strengths[best], similarities[best], coverages[best])


def estimate_confidence(similarity: float, coverage: float) -> float:
    """Estimate the probability that the corpus answers a query from its best evidence."""
    return 1 / (1 + math.exp(-(20.0 * (similarity - 0.5) + 4.0 * (coverage - 0.5))))


def answer(
    query: str, hits: Sequence[Hit], evidence: Sequence[Evidence], cite: Callable[[str, Span], str]
) -> Answer:
    """Answer a query by quoting the best evidence of its hits, or say that it is not answered.

    Args:
        query: the question.
        hits: the passages found, best first.
        evidence: of each hit.
        cite: gives the citation of a span of a document.
    """
    confidence = max((estimate_confidence(e.similarity, e.coverage) for e in evidence), default=0.0)
    answered = confidence >= ANSWERED_FROM
    quotes = _quote(hits, evidence, cite) if answered else ()
    return Answer(query, quotes, tuple(hits), confidence, answered)


def _quote(hits: Sequence[Hit], evidence: Sequence[Evidence], cite: Callable[[str, Span], str]) -> tuple[Quote, ...]:
    best = max(e.strength for e in evidence)
    quotes = []
    for hit, found in zip(hits, evidence, strict=True):
        if found.strength >= best - QUOTE_MARGIN:
            for span in _runs(hit, found.spans):
                document = hit.passage.document
                quotes.append(Quote(document, span, hit.passage.quote(span), cite(document, span)))
    return tuple(quotes[:MAX_QUOTES])


def _runs(hit: Hit, spans: Sequence[Span]) -> list[Span]:
    """Join sentences that follow one another into one quote."""
    order = {span: i for i, span in enumerate(hit.passage.sentences)}
    runs: list[Span] = []
    last = -2
    for span in spans:
        if order[span] == last + 1:
            runs[-1] = Span(runs[-1].start, span.end)
        else:
            runs.append(span)
        last = order[span]
    return runs
