"""Measure docqa on the four question sets, beside the plain ways of doing it on the same passages.

The sets stand beside the project, in ``../shared/eval``, or in the folder given; none is part of it. docs/benchmarks.md
describes them and defines every figure. The table is printed as Markdown.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import docqa
from docqa.chunking import DEFAULT_CHUNKING
from docqa.framing import MOST_PASSAGES
from docqa.store import Generation, open_generation
from docqa.terms import extract_terms
from figures import Columns, add_figures, describe_columns, merge_columns
from measuring import DEEP, Ask, Reply, ask_all, compute_ndcg, measure, measure_refusals
from question_sets import SETS, Question, QuestionSet, load_sets, sample_by_document

DENSE, BM25, DOCQA = "dense only", "BM25 only", "docqa"
PASSAGES = f"whole sentences, {DEFAULT_CHUNKING.size} tokens"
SHOWN = {DOCQA: f"runs of sentences, {MOST_PASSAGES * DEFAULT_CHUNKING.size} tokens at most"}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(), measure_set)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both tables take."""
    beside = Path(__file__).parents[2] / "shared/eval"
    parser.add_argument("folder", nargs="?", type=Path, default=beside, help="where the question sets are")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS, help="measure only these; none, to print FILE")
    parser.add_argument("--questions", type=int, metavar="N", help="ask only about N questions of each set")
    parser.add_argument("--store", type=Path, metavar="DIR", help="keep docqa's indexes in DIR for the next run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the figures to FILE, and print all it has")


def run(args: argparse.Namespace, measure_one: Callable[[QuestionSet, Path, Columns], None]) -> int:
    """Measure the sets one after the other, and print the table; the figures are kept after each."""
    columns: Columns = {}
    with tempfile.TemporaryDirectory(prefix="docqa-") as folder:
        try:
            for asked in load_sets(args.folder, Path(folder), args.sets, args.questions):
                measure_one(asked, (args.store or Path(folder) / "stores") / asked.name, columns)
                if args.json:
                    merge_columns(args.json, columns)
        except FileNotFoundError as exc:
            print(exc, file=sys.stderr)
            return 2
    print(describe_columns(merge_columns(args.json, columns) if args.json else columns))
    return 0


def measure_set(asked: QuestionSet, store: Path, columns: Columns) -> None:
    """Measure the three systems on one set."""
    embedder = docqa.SentenceTransformerEmbedder()
    print(f"{asked.name}: indexing", file=sys.stderr)
    docqa.sync(asked.corpus, store, embedder=embedder)
    for name, ask in open_systems(store, embedder).items():
        add_figures(
            columns, name, {"passages": SHOWN.get(name, PASSAGES), **measure(asked, ask, embedder.count_tokens, name)}
        )
    if asked.name == "followups":
        ndcg = measure_history(asked.questions, docqa.Retriever.open(store, embedder=embedder))
        add_figures(columns, DOCQA, {"followups.history": ndcg})
    if asked.name == "squad":
        there, gone = ask_without(asked, store, embedder)
        for name in there:
            add_figures(columns, name, measure_refusals(there[name], gone[name], refuses=name == DOCQA))


def open_systems(store: Path, embedder: docqa.Embedder) -> dict[str, Ask]:
    """Open an index as three systems."""
    generation = open_generation(store)
    retriever = docqa.Retriever(generation, embedder)

    def ask(query: str, k: int) -> Reply:
        answer = retriever.ask(query, k)
        return Reply(answer.hits, answer.confidence, answer.answered)

    return {
        DENSE: lambda query, k: ask_embeddings(generation, embedder, query, k),
        BM25: lambda query, k: ask_terms(generation, query, k),
        DOCQA: ask,
    }


def ask_embeddings(generation: Generation, embedder: docqa.Embedder, query: str, k: int) -> Reply:
    """Rank by the inner product of passage and question, as most tools do."""
    found = generation.index.search(embedder.embed_query(query).query, {}, k)
    return best(generation, found.rows, found.passage.scores, k)


def ask_terms(generation: Generation, query: str, k: int) -> Reply:
    """Rank by BM25."""
    nothing = np.zeros(generation.index.dimension, np.float32)
    found = generation.index.search(nothing, {1.0: extract_terms(query)}, k)
    return best(generation, found.rows, found.terms.scores, k)


def best(generation: Generation, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Reply:
    """Reply with the passages of the best rows, and the best score for a confidence."""
    order = np.argsort(-scores, kind="stable")[:k]
    hits = [
        docqa.Hit(generation.texts.passage(int(rows[i])), float(scores[i]), rank, ()) for rank, i in enumerate(order, 1)
    ]
    return Reply(hits, hits[0].score)


def measure_history(questions: list[Question], retriever: docqa.Retriever) -> float:
    """Ask the last question of each conversation with what was said before it."""
    replies = [Reply(retriever.ask(one.text, DEEP, history=one.history).hits) for one in questions]
    return compute_ndcg(questions, replies, 5)


def ask_without(asked: QuestionSet, store: Path, embedder: docqa.Embedder) -> tuple[dict[str, list[Reply]], ...]:
    """Ask some questions on each document of the whole corpus, and of the corpus without that document."""
    there: dict[str, list[Reply]] = {name: [] for name in (DENSE, BM25, DOCQA)}
    gone: dict[str, list[Reply]] = {name: [] for name in (DENSE, BM25, DOCQA)}
    for document, questions in sample_by_document(asked.questions).items():
        queries = [question.text for question in questions]
        for replies, systems in (
            (there, open_systems(store, embedder)),
            (gone, open_without(document, asked.corpus, store, embedder)),
        ):
            for name, ask in systems.items():
                replies[name] += ask_all(queries, ask, f"{name}, without {document}")[1]
    return there, gone


def open_without(document: str, corpus: Path, store: Path, embedder: docqa.Embedder) -> dict[str, Ask]:
    """Take a document out of the corpus, sync a copy of its index, and open that."""
    with tempfile.TemporaryDirectory() as folder:
        rest, copied = Path(folder) / "corpus", Path(folder) / "store"
        shutil.copytree(corpus, rest, ignore=shutil.ignore_patterns(document))
        shutil.copytree(store, copied)
        docqa.sync(rest, copied, embedder=embedder)
        return open_systems(copied, embedder)  # which holds the files open


if __name__ == "__main__":
    sys.exit(main())
