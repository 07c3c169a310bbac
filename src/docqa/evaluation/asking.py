"""Asking the questions: what docqa said to each, and what was right about it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from docqa.evaluation.overlapping import (
    Answers,
    Overlap,
    count_evidence,
    group_regions,
    holds,
    is_right,
    join_evidence,
    measure_overlap,
)
from docqa.evaluation.questions import Question
from docqa.retrieval import Retriever
from docqa.types import Answer, Hit, Passage

DEPTH = 10
"""How far down MRR and nDCG look, as is usual."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What docqa said to one question.

    ``ranking`` names what was found, best first, and ``relevant`` grades what should be: documents, or the places in
    them that answer, where a hit without a new one stands as itself. ``top`` is the first hit's passage;
    ``evidence_right`` and ``evidence_sentences`` are of a first hit that is right, ``overlap`` is of a question with
    spans.
    """

    question: Question
    ranking: Sequence[str]
    relevant: Mapping[str, int]
    top: Passage | None
    confidence: float
    answered: bool
    seconds: float
    overlap: Overlap | None = None
    evidence_right: bool | None = None
    evidence_sentences: int | None = None

    @property
    def rank(self) -> int | None:
        """Return the rank of the first hit that is right."""
        return next((rank for rank, name in enumerate(self.ranking, start=1) if name in self.relevant), None)


def ask_question(question: Question, retriever: Retriever, k: int) -> Outcome:
    """Ask one question as a user does, with k hits, and look at ten for the ranking."""
    started = time.perf_counter()
    answer = retriever.ask(question.text, k, history=question.history)
    seconds = time.perf_counter() - started
    top = answer.hits[0].passage if answer.hits else None
    outcome = Outcome(question, (), question.relevant, top, answer.confidence, answer.answered, seconds)
    if question.relevant:
        return replace(outcome, ranking=_rank_documents(question, retriever))
    if question.answers:
        deep = answer if k >= DEPTH else retriever.ask(question.text, DEPTH, history=question.history)
        return _judge_spans(outcome, answer, deep.hits)
    return outcome


def _judge_spans(outcome: Outcome, answer: Answer, hits: Sequence[Hit]) -> Outcome:
    question = outcome.question
    right, sentences = _judge_evidence(question, answer)
    regions = _regions(question)
    return replace(
        outcome,
        ranking=_rank_regions(regions, hits),
        relevant=dict.fromkeys(regions, 1),
        overlap=measure_overlap(answer.hits, question.answers),
        evidence_right=right,
        evidence_sentences=sentences,
    )


def _rank_documents(question: Question, retriever: Retriever) -> list[str]:
    """List the documents of the best hits, each at its best one, looking further until there are ten."""
    wanted = 3 * DEPTH
    while True:
        hits = retriever.retrieve(question.text, wanted)
        ranking = list(dict.fromkeys(hit.passage.document for hit in hits))
        if len(ranking) >= DEPTH or len(hits) < wanted:
            return ranking[:DEPTH]
        wanted *= 2


def _regions(question: Question) -> dict[str, Answers]:
    """Name the places that answer."""
    places = [{path: spans} for path, gold in question.answers.items() for spans in group_regions(gold)]
    return {f"region {i}": place for i, place in enumerate(places)}


def _rank_regions(regions: Mapping[str, Answers], hits: Sequence[Hit]) -> list[str]:
    missing = dict(regions)
    ranking: list[str] = []
    for hit in hits:
        found = [name for name, place in missing.items() if is_right(hit, place)]
        ranking += found or [f"hit {hit.rank}"]
        for name in found:
            del missing[name]
    return ranking


def _judge_evidence(question: Question, answer: Answer) -> tuple[bool, int] | tuple[None, None]:
    """Tell whether the evidence of the first hit holds an answer, and how many sentences it is, if the hit is right."""
    if not answer.hits or not is_right(answer.hits[0], question.answers):
        return None, None
    runs = join_evidence(answer.hits[0])
    gold = question.answers[answer.hits[0].passage.document]
    right = any(holds(run, span) for run in runs for span in gold)
    return right, count_evidence(answer.hits[0])
