"""Reporting: an evaluation as a table, as JSON, and question by question."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docqa.durable import replacing
from docqa.errors import EvaluationError
from docqa.evaluation.asking import Outcome
from docqa.evaluation.measures import Measures

MEANINGS = {
    "success@1": "questions whose first hit is right",
    "success@5": "questions with a right hit among the first five",
    "recall@10": "of the documents that answer, found among the first ten",
    "mrr@10": "1 / rank of the first right hit, 0 beyond the tenth",
    "ndcg@10": "what answers, found among the first ten, counting less further down",
    "span_recall": "of the characters that answer, among the first {k} hits",
    "span_precision": "of the characters of the first {k} hits, those that answer",
    "span_iou": "characters found, by those retrieved or missed",
    "evidence_accuracy": "right first hits whose marked sentences hold the answer",
    "evidence_sentences": "sentences marked in a right first hit",
    "refusal_precision": "of the refused questions, those without an answer",
    "refusal_recall": "of the questions without an answer, those refused",
    "wrongly_refused": "of the questions with an answer, those refused",
    "confidence_auroc": "how well confidence tells the two kinds apart; 50 % is chance",
    "latency_median_ms": "milliseconds an answer takes, half of them less",
    "latency_p95_ms": "milliseconds an answer takes, 95 % of them less",
}
PLAIN_NUMBERS = {"evidence_sentences", "latency_median_ms", "latency_p95_ms"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well docqa answered a set of questions, and what it said to each."""

    outcomes: tuple[Outcome, ...]
    measures: Measures
    names: dict[str, str]
    k: int
    model: str
    reranker: str | None
    documents: int
    passages: int
    seconds: float

    @property
    def answerable(self) -> int:
        """Count the questions that something answers."""
        return sum(outcome.question.answerable for outcome in self.outcomes)


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Turn an evaluation into JSON; a measure that does not apply is null."""
    return {
        "questions": len(evaluation.outcomes),
        "answerable": evaluation.answerable,
        "unanswerable": len(evaluation.outcomes) - evaluation.answerable,
        "documents": evaluation.documents,
        "passages": evaluation.passages,
        "model": evaluation.model,
        "reranker": evaluation.reranker,
        "k": evaluation.k,
        "seconds": round(evaluation.seconds, 1),
        "measures": {name: None if value is None else round(value, 4) for name, value in evaluation.measures.items()},
    }


def describe_evaluation(evaluation: Evaluation) -> str:
    """Lay out an evaluation as a table; measures that do not apply are left out."""
    total, answerable = len(evaluation.outcomes), evaluation.answerable
    head = f"{total:,} questions ({answerable:,} with an answer, {total - answerable:,} without) on "
    head += f"{evaluation.documents:,} documents, {evaluation.passages:,} passages, {evaluation.model}"
    head += f", reranked by {evaluation.reranker}\n" if evaluation.reranker else "\n"
    rows = [
        f"{name:<18}  {_shown(name, value):>7}  {MEANINGS[name].format(k=evaluation.k)}"
        for name, value in evaluation.measures.items()
        if value is not None
    ]
    return "\n".join([head, *rows])


def check_target(path: Path, protected: list[Path]) -> None:
    """Refuse, before minutes are spent, to write where the outcomes cannot or must not go.

    Raises:
        EvaluationError: the file is one of the protected or in a protected folder, or cannot be written.
    """
    target = path.resolve()
    if any(target == other.resolve() or target.is_relative_to(other.resolve()) for other in protected):
        raise EvaluationError("the outcomes must not go over or into what is measured; choose another file", path=path)
    if target.exists() and not target.is_file():
        raise EvaluationError("the outcomes need a file, and this is none; choose another name", path=path)
    if not os.access(target.parent, os.W_OK):
        raise EvaluationError("the outcomes cannot be written there; choose a folder that you may write to", path=path)


def write_outcomes(path: Path, evaluation: Evaluation) -> None:
    """Write one JSON object a question, in the order asked; the file is replaced as a whole.

    Raises:
        EvaluationError: it cannot be written.
    """
    try:
        with replacing(path.resolve()) as file:
            for outcome in evaluation.outcomes:
                line = _outcome_to_json(outcome, evaluation.names)
                file.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode())
    except OSError as exc:
        raise EvaluationError(
            f"the outcomes cannot be written: {exc.strerror}; choose another file", path=path
        ) from exc


def _outcome_to_json(outcome: Outcome, names: dict[str, str]) -> dict[str, Any]:
    question, top = outcome.question, outcome.top
    wanted = list(question.relevant or question.answers)
    return {
        "id": question.id,
        "question": question.text,
        "answerable": question.answerable,
        "documents": [names.get(path, path) for path in wanted],
        "rank": outcome.rank,
        "top_document": names.get(top.document, top.document) if top else None,
        "top_locator": top.locator if top else None,
        "top_span": [top.span.start, top.span.end] if top else None,
        "confidence": round(outcome.confidence, 4),
        "answered": outcome.answered,
        "evidence_right": outcome.evidence_right,
        "milliseconds": round(1000 * outcome.seconds, 1),
    }


def _shown(name: str, value: float) -> str:
    return f"{value:.2f}" if name in PLAIN_NUMBERS else f"{100 * value:.1f} %"
