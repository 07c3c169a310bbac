"""The four question sets that stand beside the project; docs/benchmarks.md describes them."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from docqa import Exchange, Span
from docqa.evaluation.beir import read_beir

SETS = ("squad", "chunking", "cranfield", "followups")
SAMPLED = 50


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
            rewrite=task["rewrite"] or task["question"],  # 338 of the 470 have none
        )
        for task in _read_lines(folder / "tasks.jsonl")
        if task["history"] and task["gold"]
    ]


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
