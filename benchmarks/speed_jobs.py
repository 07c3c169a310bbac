"""What benchmarks/speed.py times, each job in a process of its own; the last line printed is what it found, as JSON.

Everything is imported, and done once on something small, before the clock starts.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import docqa
from docqa.index import PASSAGES_FILE, SENTENCES_FILE
from docqa.store import open_generation
from profiling import share_by_module
from question_sets import load_sets
from speed_inputs import (
    find_array,
    make_flat,
    make_store,
    model_folder,
    write_corpus,
    write_questions,
    write_shortest,
    write_texts,
)
from timing import Figures

T = TypeVar("T")
K = 5
NEAREST = 10
WARM = 20
"""Questions asked before the clock starts."""
CHANGED = b"Something else stands here now. It was written while the clock was running, and nobody has read it.\n"


def build(corpus: str, store: str) -> Figures:
    """Sync a corpus into a new store."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "corpus"
        small.mkdir()
        (small / "small.txt").write_text("A sentence. Another one.")
        docqa.sync(small, Path(folder) / "store")
    return first_build(corpus, store)


def first_build(corpus: str, store: str) -> Figures:
    """Sync a corpus into a new store as the first thing that is done."""
    report, seconds = _time(lambda: docqa.sync(corpus, store))
    return {"seconds": seconds, "passages": report.passages}


def encode(texts: str) -> Figures:
    """Embed texts by sentence-transformers with its default settings."""
    from sentence_transformers import SentenceTransformer

    passages = json.loads(Path(texts).read_text())
    model = SentenceTransformer(model_folder())
    model.encode(passages[:1])
    _, seconds = _time(lambda: model.encode(passages))
    return {"seconds": seconds, "passages": len(passages)}


def peer(name: str, texts: str) -> Figures:
    """Let another library index texts, each a document."""
    from peers import PEERS

    _, index = PEERS[name]
    passages = {f"{number:08}.txt": text for number, text in enumerate(json.loads(Path(texts).read_text()))}
    index(dict(list(passages.items())[:2]), model_folder())
    _, seconds = _time(lambda: index(passages, model_folder()))
    return {"seconds": seconds, "passages": len(passages)}


def quality(evaluation: str, sets: str, most: str, fast: str) -> Figures:
    """Measure what is found with the fast form of the model, or with the model itself."""
    from measuring import measure
    from quality import DOCQA, open_systems

    embedder = docqa.SentenceTransformerEmbedder(fast=fast == "fast")
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for one in load_sets(Path(evaluation), Path(folder), sets.split(","), int(most) or None):
            store = Path(folder) / "stores" / one.name
            docqa.sync(one.corpus, store, embedder=embedder)
            figures |= measure(one, open_systems(store, embedder)[DOCQA], embedder.count_tokens, DOCQA)
    return figures


def query(store: str, questions: str) -> Figures:
    """Ask a store question after question."""
    retriever = docqa.Retriever.open(store)
    figures = ask_all(questions, lambda text: retriever.retrieve(text, K))
    sizes = (len(np.load(find_array(store, name), mmap_mode="r")) for name in (PASSAGES_FILE, SENTENCES_FILE))
    return figures | {"peak": _peak(), "flat": sum(sizes) * 4 * open_generation(Path(store)).index.dimension}


def query_dense(store: str, questions: str) -> Figures:
    """Ask a flat FAISS index of the same passages question after question, embedded by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    model, index = SentenceTransformer(model_folder()), make_flat(store)
    return ask_all(questions, lambda text: index.search(model.encode([text], normalize_embeddings=True), K))


def recall(store: str, questions: str) -> Figures:
    """Measure how many of the passages that are nearest by their embeddings docqa proposes, as the nearest too."""
    generation, embedder, flat = open_generation(Path(store)), docqa.SentenceTransformerEmbedder(), make_flat(store)
    shares = []
    for text in json.loads(Path(questions).read_text()):
        embedding = embedder.embed_query(text).query
        found = generation.index.search(embedding, {}, NEAREST)
        rows = found.rows[np.argsort(-found.passage.scores)[:NEAREST]]
        shares.append(len(np.intersect1d(rows, flat.search(embedding[None], NEAREST)[1][0])) / NEAREST)
    return {"recall": float(np.mean(shares))}


def query_together(store: str, questions: str, clients: str) -> Figures:
    """Ask a store from so many threads at once."""
    retriever = docqa.Retriever.open(store)
    with ThreadPoolExecutor(int(clients)) as threads:
        return ask_all(questions, lambda text: retriever.retrieve(text, K), threads.map)


def change(corpus: str, store: str, repeats: str) -> Figures:
    """Sync a corpus afresh, then with one document changed, then with none, so many times."""
    full, changed, unchanged = [], [], []
    document = sorted(Path(corpus).rglob("*.txt"))[0]
    before = document.read_bytes()
    for number in range(int(repeats)):
        sync = partial(docqa.sync, corpus, f"{store}/{number}")
        full.append(_time(sync)[1])
        document.write_bytes(CHANGED + before)
        changed.append(_time(sync)[1])
        unchanged.append(_time(sync)[1])
        document.write_bytes(before)
    medians = (float(np.median(seconds)) for seconds in (full, changed, unchanged))
    return dict(zip(("full", "changed", "unchanged"), medians, strict=True))


def profile(corpus: str, questions: str, fast: str) -> dict[str, dict[str, float]]:
    """Tell which share of the time each module takes, of a build and of queries."""
    embedder = docqa.SentenceTransformerEmbedder(fast=fast == "fast")
    embedder.embed_query("Loads the model.")
    with tempfile.TemporaryDirectory() as folder:
        building = share_by_module(lambda: docqa.sync(corpus, folder, embedder=embedder))
        retriever = docqa.Retriever.open(folder, embedder=embedder)
        texts = json.loads(Path(questions).read_text())
        retriever.retrieve(texts[0], K)
        querying = share_by_module(lambda: [retriever.retrieve(text, K) for text in texts])
    return {"build": building, "query": querying}


def ask_all(
    questions: str,
    ask: Callable[[str], object],
    each: Callable[[Callable[[str], float], list[str]], Iterable[float]] = map,
) -> Figures:
    """Ask all questions; milliseconds of each at the median and at the 99th of 100, and how many a second."""
    texts = json.loads(Path(questions).read_text())
    for text in texts[:WARM]:
        ask(text)
    milliseconds, seconds = _time(lambda: [*each(lambda text: 1000 * _time(lambda: ask(text))[1], texts)])
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "rate": len(texts) / seconds}


def _time(do: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    done = do()
    return done, time.perf_counter() - started


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


JOBS: dict[str, Callable[..., Any]] = {
    job.__name__: job
    for job in (
        write_corpus,
        write_questions,
        write_texts,
        write_shortest,
        build,
        first_build,
        encode,
        peer,
        quality,
        make_store,
        query,
        query_dense,
        recall,
        query_together,
        change,
        profile,
    )
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](*sys.argv[2:])))
