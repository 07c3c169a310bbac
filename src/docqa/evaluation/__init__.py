"""Evaluation: how well docqa answers questions whose answers are known.

    with prepare(Path("questions.jsonl")) as trial:
        print(describe_evaluation(measure(trial)))

The questions are a JSONL file, or a folder in BEIR form; docs/evaluation.md describes both, and every measure.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docqa.embedding import Embedder, Reranker, SentenceTransformerEmbedder
from docqa.evaluation.asking import ask_question
from docqa.evaluation.beir import read_beir
from docqa.evaluation.measures import compute_measures, require_library
from docqa.evaluation.questions import Question, check_questions, merge_questions, read_questions
from docqa.evaluation.reporting import (
    Evaluation,
    check_target,
    describe_evaluation,
    evaluation_to_json,
    write_outcomes,
)
from docqa.retrieval import Retriever
from docqa.syncing import sync
from docqa.types import Progress, SkippedDocument

__all__ = [
    "Evaluation",
    "Question",
    "Trial",
    "check_target",
    "describe_evaluation",
    "evaluation_to_json",
    "measure",
    "prepare",
    "write_outcomes",
]


@dataclass(frozen=True, slots=True)
class Trial:
    """Questions and the index they are asked of.

    ``names`` maps paths to what a document is called in its set, ``notes`` say what was left out.
    """

    questions: list[Question]
    retriever: Retriever
    names: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@contextmanager
def prepare(
    path: Path,
    embeddings_dir: Path = Path("embeddings"),
    *,
    corpus_dir: Path | None = None,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    progress: Progress | None = None,
) -> Iterator[Trial]:
    """Read and check questions, and open the index they are to be asked of.

    Args:
        path: a JSONL file of questions, or a folder in BEIR form, whose documents go into an index of their own.
        embeddings_dir: the folder of the index for a JSONL file.
        corpus_dir: documents to put into a temporary index, which is asked instead.
        embedder: the model; the one of the index, else the default one.
        reranker: puts the best candidates in order, if given.
        progress: called as by a sync.

    Raises:
        EvaluationError: the questions are not what they should be, or a package is missing.
        ValueError: a folder in BEIR form was given a corpus.
        IndexNotFoundError, IndexMismatchError, CorruptIndexError: as `Retriever.open`.
        CorpusNotFoundError, ModelNotFoundError, StoreError: as `sync`.
    """
    if path.is_dir() and corpus_dir is not None:
        raise ValueError("a folder in BEIR form has its own documents; leave --corpus out")
    require_library()
    with tempfile.TemporaryDirectory(prefix="docqa-") as folder:
        if path.is_dir():
            beir = read_beir(path, Path(folder) / "corpus")
            retriever, skipped = _index(
                Path(folder) / "corpus", Path(folder) / "embeddings", embedder, reranker, progress
            )
            notes = [f"{one.state} {beir.names[one.path]}: {one.reason}" for one in skipped]
            yield Trial(beir.questions, retriever, beir.names, [*beir.notes, *notes])
            return
        questions, skipped = read_questions(path), ()
        if corpus_dir is None:
            retriever = Retriever.open(embeddings_dir, embedder=embedder, reranker=reranker)
        else:
            retriever, skipped = _index(corpus_dir, Path(folder) / "embeddings", embedder, reranker, progress)
        check_questions(path, questions, retriever)
        notes = [f"{one.state} {one.path}: {one.reason}" for one in skipped]
        yield Trial(merge_questions(questions), retriever, notes=notes)


def measure(trial: Trial, k: int = 5, *, progress: Progress | None = None) -> Evaluation:
    """Ask every question with k hits and measure what is said.

    Args:
        trial: from `prepare`.
        k: how many hits an answer may draw on, and the spans are compared with.
        progress: called with the number of questions asked so far, in all, and ``"asking"``.

    Raises:
        ValueError: k is below 1.
    """
    started = time.perf_counter()
    trial.retriever.ask(trial.questions[0].text, k)  # loads the models, which is no part of the latency
    outcomes = []
    for done, question in enumerate(trial.questions, start=1):
        outcomes.append(ask_question(question, trial.retriever, k))
        if progress:
            progress(done, len(trial.questions), "asking")
    summary, seconds = trial.retriever.summary, time.perf_counter() - started
    measures = compute_measures(outcomes)
    return Evaluation(
        tuple(outcomes),
        measures,
        trial.names,
        k,
        summary.model,
        trial.retriever.reranker,
        summary.documents,
        summary.passages,
        seconds,
    )


def _index(
    corpus_dir: Path,
    embeddings_dir: Path,
    embedder: Embedder | None,
    reranker: Reranker | None,
    progress: Progress | None,
) -> tuple[Retriever, Sequence[SkippedDocument]]:
    """Index a corpus, and return what was skipped too."""
    embedder = embedder or SentenceTransformerEmbedder()
    report = sync(corpus_dir, embeddings_dir, embedder=embedder, progress=progress)
    retriever = Retriever.open(embeddings_dir, embedder=embedder, reranker=reranker)
    return retriever, report.skipped
