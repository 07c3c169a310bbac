"""Sets in the form of BEIR (Thakur et al. 2021, arXiv:2104.08663): documents, queries, judgements of whole documents.

Their documents become files of a corpus, with numbers for names: an id may be anything, a path out of the corpus too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docqa.errors import EvaluationError
from docqa.evaluation.json_lines import Line, read_lines, refuse_repeated
from docqa.evaluation.questions import Question

CORPUS_FILE, QUERIES_FILE, JUDGEMENTS_FILE = "corpus.jsonl", "queries.jsonl", "qrels/test.tsv"
GRADE = re.compile(r"-?\d{1,4}")


@dataclass(frozen=True, slots=True)
class BeirSet:
    """A set whose documents were written out: its questions, the ids of its documents by path, how many were empty."""

    questions: list[Question]
    names: dict[str, str]
    empty: int

    @property
    def notes(self) -> list[str]:
        """Say what was left out."""
        things = "document" if self.empty == 1 else "documents"
        return [f"left out {self.empty:,} empty {things}"] if self.empty else []


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a document answers a query: 0 not at all."""

    query: str
    document: str
    grade: int
    line: int


def read_beir(folder: Path, corpus_dir: Path) -> BeirSet:
    """Read a set, writing its documents as files into a new folder; empty ones are left out.

    Raises:
        EvaluationError: a file or a line of it is not what it should be.
    """
    for name in (CORPUS_FILE, QUERIES_FILE, JUDGEMENTS_FILE):
        if not (folder / name).is_file():
            reason = f"the folder has no {name}; give a JSONL file of questions or a folder in BEIR form"
            raise EvaluationError(reason, path=folder)
    queries = _read_queries(folder / QUERIES_FILE)
    judgements = list(_read_judgements(folder / JUDGEMENTS_FILE))
    paths, empty = _write_documents(folder / CORPUS_FILE, corpus_dir)
    questions = _judged(folder / JUDGEMENTS_FILE, queries, judgements, paths)
    return BeirSet(questions, {path: id_ for id_, path in paths.items()}, empty)


def _read_queries(path: Path) -> dict[str, Line]:
    lines: dict[str, int] = {}
    queries = {}
    for line in read_lines(path):
        id_ = line.id("_id")
        refuse_repeated(lines, line, id_)
        line.text("text")
        queries[id_] = line
    return queries


def _read_judgements(path: Path) -> Iterator[Judgement]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise EvaluationError("the file cannot be read; save it as UTF-8", path=path) from exc
    for number, line in enumerate(text.split("\n"), start=1):
        parts = [part.strip() for part in line.split("\t")]
        if not line.strip() or (number == 1 and parts[-1] == "score"):
            continue
        if len(parts) != 3 or not GRADE.fullmatch(parts[2]):
            reason = "not query-id, corpus-id and a whole number as the score, divided by tabs; correct it"
            raise EvaluationError(reason, path=path, line=number)
        yield Judgement(parts[0], parts[1], int(parts[2]), number)


def _write_documents(path: Path, corpus_dir: Path) -> tuple[dict[str, str], int]:
    """Write every document as a text file and return the files' paths by id, and the number of empty documents."""
    corpus_dir.mkdir()
    lines: dict[str, int] = {}
    paths: dict[str, str] = {}
    empty = 0
    for line in read_lines(path):
        id_ = line.id("_id")
        refuse_repeated(lines, line, id_)
        paths[id_] = f"{line.number:08}.txt"
        text = _document_text(line)
        if text:
            (corpus_dir / paths[id_]).write_bytes(text.encode("utf-8", "replace"))
        empty += not text
    if len(paths) == empty:
        raise EvaluationError("no document holds a word; give each a 'title' or a 'text'", path=path)
    return paths, empty


def _document_text(line: Line) -> str:
    parts: list[str] = []
    for part in (line.fields.get("title") or "", line.fields.get("text")):
        if not isinstance(part, str):
            raise line.error("'title' and 'text' must be texts; correct them")
        parts += [part.strip()] if part.strip() else []
    return "\n\n".join(parts).replace("\0", " ")


def _judged(
    path: Path, queries: Mapping[str, Line], judgements: list[Judgement], paths: Mapping[str, str]
) -> list[Question]:
    """List the queries that some document answers."""
    relevant: dict[str, dict[str, int]] = {}
    for judgement in judgements:
        for kind, id_, known, file in (
            ("query", judgement.query, queries, QUERIES_FILE),
            ("document", judgement.document, paths, CORPUS_FILE),
        ):
            if id_ not in known:
                reason = f"the {kind} '{id_}' is not in {file}; add it, or remove the line"
                raise EvaluationError(reason, path=path, line=judgement.line)
        if judgement.grade > 0:
            relevant.setdefault(judgement.query, {})[paths[judgement.document]] = judgement.grade
    if not relevant:
        raise EvaluationError("no document is judged to answer a query; add a line with a score of 1", path=path)
    return [
        Question(id_, line.text("text"), line.number, relevant=relevant[id_])
        for id_, line in queries.items()
        if id_ in relevant
    ]
