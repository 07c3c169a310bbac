"""The four question sets that stand beside the project, and what is measured on them, whatever is asked.

docs/benchmarks.md describes the sets and defines every figure. A system is a function from a question to hits; only
the documents and spans of the hits count, and docqa's evidence.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

import ir_measures
from tqdm import tqdm

from docqa import Exchange, Hit, Passage, Span
from docqa.chunking import split_sentences
from docqa.evaluation.beir import read_beir
from docqa.evaluation.measures import compute_auroc
from docqa.evaluation.overlapping import count_evidence, holds, join_evidence, measure_overlap

SETS = ("squad", "chunking", "cranfield", "followups")
K = 5
DEEP = 50
"""Hits asked for where documents are ranked by their best hit: always enough for ten documents."""
MOST_TOKENS = 200
MOST_SENTENCES = 2
SAMPLED = 50

CountTokens = Callable[[Sequence[str]], list[int]]
Figures = dict[str, float | None]
"""Shares from 0 to 1 and plain numbers, by the name of a row; None where a system does not offer what is measured."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the spans of a document or the whole documents that answer it; neither when nothing does."""

    text: str
    document: str = ""
    spans: tuple[Span, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    history: tuple[Exchange, ...] = ()
    rewrite: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A folder of documents and the questions asked of them."""

    name: str
    corpus: Path
    questions: list[Question]

    def texts(self) -> dict[str, str]:
        """Read the documents by name."""
        return {path.name: path.read_bytes().decode() for path in sorted(self.corpus.iterdir())}

    def thinned(self, most: int | None) -> "QuestionSet":
        """Keep some questions only, evenly spaced."""
        step = -(-len(self.questions) // most) if most else 1
        return replace(self, questions=self.questions[::step])


@dataclass(frozen=True, slots=True)
class Reply:
    """What a system says to a question; the confidence is on any scale, None where the system has none."""

    hits: Sequence[Hit]
    confidence: float | None = None
    answered: bool = True


Ask = Callable[[str, int], Reply]
"""Ask a system for the k best hits."""


def load_sets(
    folder: Path, corpora: Path, names: Sequence[str] = SETS, most: int | None = None
) -> Iterator[QuestionSet]:
    """Read the sets; the documents of two are written as files into another folder.

    Raises:
        FileNotFoundError: a set is missing.
    """
    for name in names:
        if not (folder / name).is_dir():
            raise FileNotFoundError(
                f"no question set at '{folder / name}'; give the folder that holds {', '.join(SETS)}"
            )
    for name in names:
        corpus = corpora / name
        if name == "cranfield":
            judged = read_beir(folder / name, corpus).questions
            questions = [Question(question.text, relevant=question.relevant) for question in judged]
        elif name == "followups":
            questions = load_followups(folder / name, corpus)
        else:
            corpus = folder / name / "documents"
            questions = [_with_spans(line) for line in _read_lines(folder / name / "questions.jsonl")]
        yield QuestionSet(name, corpus, questions).thinned(most)


def load_followups(folder: Path, corpus: Path) -> list[Question]:
    """Write each passage as a document, and read the tasks that have both a history and a passage that answers."""
    corpus.mkdir()
    names = {}
    for number, line in enumerate(_read_lines(folder / "passages.jsonl"), start=1):
        names[line["_id"]] = f"{number:08}.txt"
        (corpus / names[line["_id"]]).write_bytes(line["text"].encode())
    return [
        Question(
            task["question"],
            relevant={names[id_]: 1 for id_ in task["gold"]},
            history=_exchanges(task["history"]),
            rewrite=task["rewrite"],
        )
        for task in _read_lines(folder / "tasks.jsonl")
        if task["history"] and task["gold"]
    ]


def make_hit(document: str, span: Span) -> Hit:
    """Make a hit of which only the place is known."""
    return Hit(Passage(document, "", (), span, "", "", ()), 0.0, 1, ())


def measure(asked: QuestionSet, ask: Ask, count_tokens: CountTokens, system: str) -> Figures:
    """Ask a system all questions of a set and measure what it says."""
    if asked.name in ("squad", "chunking"):
        confident = ask(asked.questions[0].text, K).confidence is not None
        questions = [question for question in asked.questions if question.spans or confident]
        seconds, replies = ask_all([question.text for question in questions], ask, f"{system}, {asked.name}")
        if asked.name == "chunking":
            return measure_excerpts(questions, replies)
        shorten = Shortening(asked.texts(), count_tokens)
        return {**measure_answers(questions, replies, shorten), "latency": 1000 * median(seconds)}
    depth = 10 if asked.name == "cranfield" else 5
    ways = {"last": "text", "rewrite": "rewrite"} if asked.name == "followups" else {"ndcg": "text"}
    figures: Figures = {}
    for row, attribute in ways.items():
        queries = [getattr(question, attribute) for question in asked.questions]
        _, replies = ask_all(queries, lambda query, _: ask(query, DEEP), f"{system}, {asked.name}")
        figures[f"{asked.name}.{row}"] = compute_ndcg(asked.questions, replies, depth)
    return figures


def ask_all(queries: Sequence[str], ask: Ask, label: str) -> tuple[list[float], list[Reply]]:
    """Ask questions one after the other, with the seconds each took; the first is asked twice, to load the model."""
    ask(queries[0], K)
    seconds, replies = [], []
    for query in tqdm(queries, desc=label, mininterval=5):
        started = time.perf_counter()
        replies.append(ask(query, K))
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
    overlaps = [measure_overlap(hits, question.document, question.spans) for question, hits in pairs]
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


def sample_by_document(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """Draw the same fifty answerable questions on each document every time.

    benchmarks/calibrate.py fits the confidence to others, but for two documents that have only 96.
    """
    sampled = {}
    for number, document in enumerate(sorted({question.document for question in questions})):
        some = [question for question in questions if question.document == document and question.spans]
        random.Random(number).shuffle(some)
        sampled[document] = some[-SAMPLED:]
    return sampled


def _with_spans(line: dict[str, Any]) -> Question:
    spans = tuple(Span(*span) for span in line["spans"]) if line["answerable"] else ()
    return Question(line["question"], line["document"], spans)


def _exchanges(history: Sequence[dict[str, str]]) -> tuple[Exchange, ...]:
    """Pair what the user and the agent said in turn."""
    return tuple(Exchange(user["text"], agent["text"]) for user, agent in zip(history[::2], history[1::2], strict=True))


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]
