"""Measure retrieval on question sets with known answers, beside the plain ways of doing it on the same passages.

A set is a folder with ``documents/`` and ``questions.jsonl``: ``question``, ``document``, ``spans`` that answer,
``answerable``. The sets stand beside the project, in ``../shared/eval``, or in the folder given; none is part of it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

import docqa
from docqa.index import Index
from docqa.store import Generation, open_generation
from docqa.terms import extract_terms

Rank = Callable[[str], list[docqa.Passage]]
"""Gives the five best passages of a question."""

K = 5


def main() -> None:
    """Print the table of one set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared/eval/squad")
    folder = parser.parse_args().folder
    if not folder.exists():
        parser.error(f"no question set at {folder}")
    with tempfile.TemporaryDirectory() as store:
        report = docqa.sync(folder / "documents", store)
        print(f"{report.passages} passages embedded in {report.seconds:.0f} s\n")
        measure(folder, Path(store))


def measure(folder: Path, store: Path) -> None:
    """Print recall and latency of each way over the answerable questions of a set."""
    lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [question for question in map(json.loads, lines) if question["answerable"]]
    embedder = docqa.SentenceTransformerEmbedder()
    generation = open_generation(store)
    retriever = docqa.Retriever(generation, embedder)
    ways: dict[str, Rank] = {
        "embeddings of passages only": lambda query: by_embedding(generation, embedder, query),
        "BM25 only": lambda query: by_terms(generation, query),
        "docqa": lambda query: [hit.passage for hit in retriever.retrieve(query, K)],
    }
    print(f"| {len(questions)} questions, {len(generation.index)} passages | first | among five | median ms |")
    print("|---|---:|---:|---:|")
    for name, rank in ways.items():
        first, among, milliseconds = score(questions, rank)
        print(f"| {name} | {first:.1f} | {among:.1f} | {milliseconds:.1f} |", flush=True)


def score(questions: list[dict], rank: Rank) -> tuple[float, float, float]:  # type: ignore[type-arg]
    """Return the percentages of questions answered by the first and by one of five passages, and the median time."""
    ranks, times = [], []
    for question in questions:
        started = time.perf_counter()
        passages = rank(question["question"])
        times.append(time.perf_counter() - started)
        ranks.append(next((i for i, passage in enumerate(passages) if answers(passage, question)), K))
    return (
        100 * float(np.mean([rank == 0 for rank in ranks])),
        100 * float(np.mean([rank < K for rank in ranks])),
        1000 * median(times),
    )


def answers(passage: docqa.Passage, question: dict) -> bool:  # type: ignore[type-arg]
    """Tell whether a passage of the right document holds a gold span."""
    return passage.document == question["document"] and any(
        passage.span.start <= start and end <= passage.span.end for start, end in question["spans"]
    )


def by_embedding(generation: Generation, embedder: docqa.Embedder, query: str) -> list[docqa.Passage]:
    """Rank by the inner product of passage and question, as most tools do."""
    candidates = generation.index.search(embedder.embed_query(query).query, {}, K)
    return best(generation, candidates.rows, candidates.passage.scores)


def by_terms(generation: Generation, query: str) -> list[docqa.Passage]:
    """Rank by BM25."""
    index: Index = generation.index
    candidates = index.search(np.zeros(index.dimension, np.float32), {1.0: extract_terms(query)}, K)
    return best(generation, candidates.rows, candidates.terms.scores)


def best(generation: Generation, rows: np.ndarray, scores: np.ndarray) -> list[docqa.Passage]:
    """Return the passages of the best rows."""
    return [generation.texts.passage(int(rows[i])) for i in np.argsort(-scores, kind="stable")[:K]]


if __name__ == "__main__":
    main()
