"""What is measured on the question sets, whatever is asked; docs/benchmarks.md defines every figure.

A system is a function from a question to hits. Only the documents and spans of the hits count, and docqa's evidence.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean, median

import ir_measures
from tqdm import tqdm

from docqa import Hit, Passage, Span
from docqa.chunking import split_sentences
from docqa.evaluation.measures import compute_auroc
from docqa.evaluation.overlapping import count_evidence, holds, join_evidence, measure_overlap
from question_sets import Question, QuestionSet

K = 5
DEEP = 50
"""Hits asked for where documents are ranked by their best hit: always enough for ten documents."""
MOST_TOKENS = 200
MOST_SENTENCES = 2

CountTokens = Callable[[Sequence[str]], list[int]]
Figures = dict[str, float | None]
"""Shares from 0 to 1 and plain numbers, by the name of a row; None where a system does not offer what is measured."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a system says to a question; the confidence is on any scale, None where the system has none."""

    hits: Sequence[Hit]
    confidence: float | None = None
    answered: bool = True


Ask = Callable[[str, int], Reply]
"""Ask a system for the k best hits."""


def measure(asked: QuestionSet, ask: Ask, count_tokens: CountTokens, system: str) -> Figures:
    """Ask a system all questions of a set and measure what it says."""
    questions, label = asked.questions, f"{system}, {asked.name}"
    if asked.name == "squad":
        if ask(questions[0].text, K).confidence is None:  # what nothing answers is asked for the confidence only
            questions = [question for question in questions if question.spans]
        seconds, replies = ask_all([question.text for question in questions], ask, label)
        shorten = Shortening(asked.texts(), count_tokens)
        return {**measure_answers(questions, replies, shorten), "latency": 1000 * median(seconds)}
    texts = [question.text for question in questions]
    if asked.name == "chunking":
        return measure_excerpts(questions, ask_all(texts, ask, label)[1])
    if asked.name == "cranfield":
        return {"cranfield.ndcg": compute_ndcg(questions, ask_all(texts, ask, label, DEEP)[1], 10)}
    rewrites = [question.rewrite for question in questions]
    return {
        "followups.last": compute_ndcg(questions, ask_all(texts, ask, label, DEEP)[1], 5),
        "followups.rewrite": compute_ndcg(questions, ask_all(rewrites, ask, label, DEEP)[1], 5),
    }


def make_hit(document: str, span: Span) -> Hit:
    """Make a hit of which only the place is known."""
    return Hit(Passage(document, "", (), span, "", "", ()), 0.0, 1, ())


def ask_all(queries: Sequence[str], ask: Ask, label: str, k: int = K) -> tuple[list[float], list[Reply]]:
    """Ask questions one after the other, with the seconds each took; the first is asked twice, to load the model."""
    ask(queries[0], k)
    seconds, replies = [], []
    for query in tqdm(queries, desc=label, mininterval=5):
        started = time.perf_counter()
        replies.append(ask(query, k))
        seconds.append(time.perf_counter() - started)
    return seconds, replies


class Shortening:
    """Cut hits to the most tokens that are to be shown."""

    def __init__(self, texts: Mapping[str, str], count_tokens: CountTokens, most: int = MOST_TOKENS) -> None:
        self._texts = texts
        self._count_tokens = count_tokens
        self._most = most
        self._sentences = cache(self._split)

    def count(self, hit: Hit) -> int:
        """Count the tokens of a hit."""
        return self._sentences(hit.passage.document, hit.passage.span)[0]

    def __call__(self, hit: Hit) -> Hit:
        """Cut a hit that is too long to whole sentences: those around its evidence, else its first ones."""
        total, sentences = self._sentences(hit.passage.document, hit.passage.span)
        if total <= self._most:
            return hit
        marked = [i for i, (span, _) in enumerate(sentences) if any(span.overlaps(e) for e in hit.evidence)] or [0]
        first, last = _grow(marked, [tokens for _, tokens in sentences], self._most)
        start = sentences[first][0].start
        span = Span(start, sentences[last - 1][0].end if last > first else start)
        return replace(hit, passage=replace(hit.passage, span=span))

    def _split(self, document: str, span: Span) -> tuple[int, list[tuple[Span, int]]]:
        """Count the tokens of a span, and of each sentence in it."""
        text = self._texts[document][span.start : span.end]
        found = split_sentences(text)
        total, *tokens = self._count_tokens([text, *(text[one.start : one.end] for one in found)])
        spans = [Span(one.start + span.start, one.end + span.start) for one in found]
        return total, list(zip(spans, tokens, strict=True))


def _grow(marked: Sequence[int], tokens: Sequence[int], most: int) -> tuple[int, int]:
    """Find the run ``[first, last)`` of sentences around the marked ones that fits; around the first if all do not."""
    first, last = marked[0], marked[-1] + 1
    if sum(tokens[first:last]) > most:
        last = first + 1
    if sum(tokens[first:last]) > most:
        return first, first
    grown = True
    while grown:
        grown = False
        for less, more in ((1, 0), (0, 1)):
            one, other = first - less, last + more
            if one >= 0 and other <= len(tokens) and sum(tokens[one:other]) <= most:
                first, last, grown = one, other, True
    return first, last


def measure_answers(questions: Sequence[Question], replies: Sequence[Reply], shorten: Shortening) -> Figures:
    """Measure how often hits hold a gold span, how long they are, and how well confidence tells what is answered."""
    pairs = [(question, reply) for question, reply in zip(questions, replies, strict=True) if question.spans]
    shown = [[is_right(hit, question) for hit in reply.hits[:K]] for question, reply in pairs]
    short = [[is_right(shorten(hit), question) for hit in reply.hits[:K]] for question, reply in pairs]
    tokens = [shorten.count(hit) for _, reply in pairs for hit in reply.hits[:K]]
    others = [reply for question, reply in zip(questions, replies, strict=True) if not question.spans]
    return {
        "squad.first": fmean(any(right[:1]) for right in shown),
        "squad.five": fmean(any(right) for right in shown),
        "squad.tokens": fmean(tokens),
        "squad.most_tokens": max(tokens),
        "squad.short_first": fmean(any(right[:1]) for right in short),
        "squad.short_five": fmean(any(right) for right in short),
        "squad.evidence": _judge_evidence(pairs),
        "adversarial.auroc": tell_apart([reply for _, reply in pairs], others),
    }


def is_right(hit: Hit, question: Question) -> bool:
    """Tell whether a hit holds a gold span."""
    return hit.passage.document == question.document and any(holds(hit.passage.span, one) for one in question.spans)


def _judge_evidence(pairs: Sequence[tuple[Question, Reply]]) -> float | None:
    """Tell how often the evidence of a right first hit is at most two sentences and holds a gold span."""
    right = [(question, reply.hits[0]) for question, reply in pairs if reply.hits and is_right(reply.hits[0], question)]
    if not any(hit.evidence for _, hit in right):
        return None
    return fmean(
        count_evidence(hit) <= MOST_SENTENCES
        and any(holds(run, span) for run in join_evidence(hit) for span in question.spans)
        for question, hit in right
    )


def measure_excerpts(questions: Sequence[Question], replies: Sequence[Reply]) -> Figures:
    """Measure the characters of the excerpts found, as Chroma's chunking evaluation does."""
    pairs = [(question, reply.hits[:K]) for question, reply in zip(questions, replies, strict=True)]
    overlaps = [measure_overlap(hits, {question.document: question.spans}) for question, hits in pairs]
    return {
        "chunking.recall": fmean(overlap.recall for overlap in overlaps),
        "chunking.precision": fmean(overlap.precision for overlap in overlaps),
        "chunking.characters": fmean(sum(len(hit.passage.span) for hit in hits) for _, hits in pairs),
    }


def compute_ndcg(questions: Sequence[Question], replies: Sequence[Reply], depth: int) -> float:
    """Compute nDCG of the documents, each ranked at its best hit."""
    gold = {str(i): dict(question.relevant) for i, question in enumerate(questions)}
    found = {}
    for i, reply in enumerate(replies):
        documents = list(dict.fromkeys(hit.passage.document for hit in reply.hits))[:depth]
        found[str(i)] = {document: -float(rank) for rank, document in enumerate(documents)}
    wanted = ir_measures.nDCG @ depth
    return float(ir_measures.calc_aggregate([wanted], gold, found)[wanted])


def measure_refusals(answered: Sequence[Reply], others: Sequence[Reply], *, refuses: bool) -> Figures:
    """Compare replies from a corpus that answers with those from one that does not."""
    return {
        "removed.auroc": tell_apart(answered, others),
        "removed.refused": fmean(not reply.answered for reply in others) if refuses else None,
        "removed.wrongly": fmean(not reply.answered for reply in answered) if refuses else None,
    }


def tell_apart(answered: Sequence[Reply], others: Sequence[Reply]) -> float | None:
    """Compute the probability that confidence is higher where the corpus answers."""
    one, other = ([r.confidence for r in some if r.confidence is not None] for some in (answered, others))
    return compute_auroc(one, other)
