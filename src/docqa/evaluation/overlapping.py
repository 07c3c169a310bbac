"""How retrieved spans overlap those that answer: pure functions over spans."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from docqa.types import Hit, Passage, Span

Answers = Mapping[str, Sequence[Span]]
"""The spans that answer a question, by the path of their document."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the answer was retrieved, and how much else, in characters.

    As in Chroma's chunking evaluation: Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval", 2024.
    """

    recall: float
    precision: float
    iou: float


def measure_overlap(hits: Sequence[Hit], answers: Answers) -> Overlap:
    """Compare what was retrieved with the spans that answer."""
    found = total = 0
    for document, gold in answers.items():
        answer = unite(gold)
        retrieved = unite(hit.passage.span for hit in hits if hit.passage.document == document)
        found += sum(_shared(one, other) for one in answer for other in retrieved)
        total += sum(map(len, answer))
    length = sum(len(hit.passage.span) for hit in hits)
    return Overlap(
        recall=found / total,
        precision=found / length if length else 0.0,
        iou=found / (length + total - found),
    )


def unite(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch, in order."""
    united: list[Span] = []
    for span in sorted(spans):
        if united and span.start <= united[-1].end:
            united[-1] = Span(united[-1].start, max(united[-1].end, span.end))
        else:
            united.append(span)
    return united


def group_regions(gold: Sequence[Span]) -> list[list[Span]]:
    """Group the spans that overlap: they are wordings of one answer, finding one is finding all."""
    regions: list[list[Span]] = []
    for span in sorted(gold):
        if regions and span.start < max(other.end for other in regions[-1]):
            regions[-1].append(span)
        else:
            regions.append([span])
    return regions


def holds(outer: Span, inner: Span) -> bool:
    """Tell whether one span holds another whole."""
    return outer.start <= inner.start and inner.end <= outer.end


def is_right(hit: Hit, answers: Answers) -> bool:
    """Tell whether a hit holds a span that answers."""
    return any(holds(hit.passage.span, span) for span in answers.get(hit.passage.document, ()))


def join_evidence(hit: Hit) -> list[Span]:
    """Join the evidence of a hit where no sentence lies between."""
    runs: list[Span] = []
    for span in sorted(hit.evidence):
        if runs and not _sentence_between(hit.passage, runs[-1].end, span.start):
            runs[-1] = Span(runs[-1].start, max(runs[-1].end, span.end))
        else:
            runs.append(span)
    return runs


def count_evidence(hit: Hit) -> int:
    """Count the sentences of a hit that are marked as evidence."""
    return sum(any(sentence.overlaps(span) for span in hit.evidence) for sentence in hit.passage.sentences)


def _sentence_between(passage: Passage, start: int, end: int) -> bool:
    return any(start <= sentence.start and sentence.end <= end for sentence in passage.sentences)


def _shared(one: Span, other: Span) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))
