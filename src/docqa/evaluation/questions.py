"""Questions with known answers: reading them from a file, and checking them against the index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docqa.errors import EvaluationError
from docqa.evaluation.json_lines import Line, read_lines, refuse_repeated
from docqa.retrieval import Retriever
from docqa.types import Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it: spans of one document, or whole documents; neither when nothing does.

    ``relevant`` maps the paths of documents that answer to how well they do, 1 or more; ``line`` is the question's
    place in its file.
    """

    id: str
    text: str
    line: int
    document: str | None = None
    spans: tuple[Span, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)

    @property
    def answerable(self) -> bool:
        """Tell whether something answers it."""
        return bool(self.spans or self.relevant)


def read_questions(path: Path) -> list[Question]:
    """Read a JSONL file of questions: ``question``, ``document``, ``spans``, perhaps ``id`` and ``answerable``.

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
        document = question.document
        if not question.answerable or document is None:
            continue
        if document not in indexed:
            reason = (
                f"the document '{document}' is not in the index; add it to the corpus and sync, or correct its path"
            )
            raise EvaluationError(reason, path=path, line=question.line)
        if document not in lengths:
            lengths[document] = len(retriever.document(document).text)
        for span in question.spans:
            if span.end > lengths[document]:
                reason = f"the span [{span.start}, {span.end}] ends beyond the {lengths[document]} characters of "
                reason += f"'{document}'; correct it, or sync if the document has changed"
                raise EvaluationError(reason, path=path, line=question.line)


def _question(line: Line) -> Question:
    id_ = line.id("id") if line.fields.get("id") is not None else f"line {line.number}"
    text, spans = line.text("question"), _spans(line)
    document = line.text("document") if spans or line.fields.get("document") is not None else None
    return Question(id_, text, line.number, document, spans)


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
