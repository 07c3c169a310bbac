"""Questions with known answers: reading them from a file, and checking them against the index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from docqa.errors import EvaluationError
from docqa.evaluation.json_lines import Line, read_lines, refuse_repeated
from docqa.evaluation.overlapping import Answers
from docqa.retrieval import Retriever
from docqa.types import Exchange, Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it: spans of documents, or whole documents; neither when nothing does.

    ``answers`` maps the paths of documents to the spans in them that answer, ``relevant`` to how well the whole
    document does, 1 or more. ``line`` is the question's place in its file, ``named`` tells whether the file gives it
    its id. ``history`` is the conversation that it is understood from.
    """

    id: str
    text: str
    line: int
    answers: Answers = field(default_factory=dict)
    relevant: Mapping[str, int] = field(default_factory=dict)
    history: tuple[Exchange, ...] = ()
    named: bool = True

    @property
    def answerable(self) -> bool:
        """Tell whether something answers it."""
        return bool(self.answers or self.relevant)


def read_questions(path: Path) -> list[Question]:
    """Read a JSONL file of questions, one of each line; docs/evaluation.md describes the fields.

    Raises:
        EvaluationError: the file or a line of it is not what it should be.
    """
    ids: dict[str, int] = {}
    questions = []
    for line in read_lines(path):
        question = _question(line)
        refuse_repeated(ids, line, question.id)
        questions.append(question)
    if not questions:
        raise EvaluationError("the file holds no question; write one JSON object a line", path=path)
    return questions


def check_questions(path: Path, questions: Sequence[Question], retriever: Retriever) -> None:
    """Check that the documents and spans of the questions are in the index.

    Raises:
        EvaluationError: a document is not indexed, or a span ends beyond it.
    """
    indexed = {document.path for document in retriever.documents()}
    lengths: dict[str, int] = {}
    for question in questions:
        for document, span in ((name, span) for name, spans in question.answers.items() for span in spans):
            if document not in indexed:
                reason = f"the document '{document}' is not in the index; "
                reason += "add it to the corpus and sync, or correct its path"
                raise EvaluationError(reason, path=path, line=question.line)
            if document not in lengths:
                lengths[document] = len(retriever.document(document).text)
            if span.end > lengths[document]:
                reason = f"the span [{span.start}, {span.end}] ends beyond the {lengths[document]} characters of "
                reason += f"'{document}'; correct it, or sync if the document has changed"
                raise EvaluationError(reason, path=path, line=question.line)


def merge_questions(questions: Iterable[Question]) -> list[Question]:
    """Make one question of those that ask the same and have no id of their own: what answers one answers them all."""
    merged: dict[object, Question] = {}
    for question in questions:
        key = question.id if question.named else (question.text, question.history, question.answerable)
        first = merged.setdefault(key, question)
        merged[key] = replace(first, answers=_unite(first.answers, question.answers))
    return list(merged.values())


def _unite(one: Answers, other: Answers) -> Answers:
    return {path: sorted({*one.get(path, ()), *other.get(path, ())}) for path in {**one, **other}}


def _question(line: Line) -> Question:
    named = line.fields.get("id") is not None
    id_ = line.id("id") if named else f"line {line.number}"
    text, spans = line.text("question"), _spans(line)
    answers = {line.text("document"): spans} if spans else {}
    return Question(id_, text, line.number, answers, history=_history(line), named=named)


def _history(line: Line) -> tuple[Exchange, ...]:
    history = line.fields.get("history")
    if history is None:
        return ()
    if not isinstance(history, list) or not all(_is_exchange(turn) for turn in history):
        raise line.error('\'history\' must be a list of {"query": text, "reply": text}, oldest first; correct it')
    return tuple(Exchange(turn["query"], turn["reply"]) for turn in history)


def _is_exchange(turn: Any) -> bool:
    return isinstance(turn, dict) and all(isinstance(turn.get(name), str) for name in ("query", "reply"))


def _spans(line: Line) -> tuple[Span, ...]:
    answerable, spans = line.fields.get("answerable"), line.fields.get("spans")
    if answerable is not None and not isinstance(answerable, bool):
        raise line.error("'answerable' must be true or false; correct it or leave it out")
    if answerable is False:
        return ()
    if not isinstance(spans, list):
        raise line.error("'spans' must be a list of [start, end); add it, empty if nothing answers the question")
    if answerable and not spans:
        raise line.error("the question is answerable but has no spans; add them, or set 'answerable' to false")
    return tuple(_span(line, span) for span in spans)


def _span(line: Line, value: Any) -> Span:
    whole = isinstance(value, list) and len(value) == 2 and all(type(place) is int for place in value)
    if not whole or not 0 <= value[0] < value[1]:
        raise line.error(f"the span {str(value)[:60]} is not [start, end) with 0 <= start < end; correct it")
    return Span(*value)
