"""Reliability: threads and other processes ask while the corpus is synced again and again."""

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import docqa
from conftest import FakeEmbedder, Figures, write_corpus
from docqa.retrieval import open_retriever
from faults import begin, end_of

pytestmark = pytest.mark.reliability

TOWERS = 25
THREADS = 16
MEMORY_SLOPE = 1.0
"""MB a minute."""


def in_edition(edition: int) -> dict[str, str]:
    """Make the documents of one edition; what stands in them tells which, and whether a word is of another."""
    return {
        f"{i}.txt": f"In edition {edition} the keeper of tower {i} is number {edition * 100 + i}.\n\n"
        f"Tower {i} has {edition + i} steps in edition {edition}.\n"
        for i in range(TOWERS)
    }


def edition_of(answer: docqa.Answer) -> int:
    """Check that an answer is of one edition, word by word, and tell which."""
    said = [(hit.passage.document, hit.passage.text) for hit in answer.hits]
    said += [(quote.document, quote.text) for quote in answer.quotes]
    (edition,) = {int(text.split("edition ")[1].split(".")[0].split()[0]) for _, text in said}
    documents = in_edition(edition)
    assert all(text in documents[path] for path, text in said), said
    return edition


class Asking:
    """Ask a store by several threads until so many questions are asked; ``synced`` is the edition that is sure."""

    def __init__(self, store: Path, questions: int) -> None:
        self._store = store
        self._embedder = FakeEmbedder()
        self._left = iter(range(questions))
        self.synced = 0
        self.answers: Counter[int] = Counter()
        self.problems: list[str] = []

    def begin(self, threads: int) -> list[threading.Thread]:
        workers = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(threads)]
        for worker in workers:
            worker.start()
        return workers

    def _ask(self, seed: int) -> None:
        rng = random.Random(seed)
        last = 0
        for _ in self._left:
            least = max(last, self.synced)
            try:
                retriever = open_retriever(self._store, self._embedder)
                last = edition_of(retriever.ask(f"Who is the keeper of tower {rng.randrange(TOWERS)}?"))
                assert last >= least, f"an answer of edition {last} where {least} was in place"
            except Exception as exc:
                self.problems.append(repr(exc))
            self.answers[last] += 1


def ask_apart(store: Path, questions: int) -> list[object]:
    """Ask in another process, and return how many answers there were, of how many editions, and what went wrong."""
    asking = Asking(store, questions)
    for worker in asking.begin(1):
        worker.join()
    return [asking.answers.total(), len(asking.answers), asking.problems]


def resident() -> float:
    """Return this process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_readers_while_the_corpus_is_synced(quick: Path, soak: bool, figures: Figures) -> None:
    corpus, store = quick / "corpus", quick / "store"
    syncs, questions = (120, 48_000) if soak else (6, 600)  # for minutes in full, for caches fill in the first one
    apart = questions // 10
    docqa.sync(write_corpus(corpus, in_edition(0)), store, embedder=FakeEmbedder())
    children = [(begin(lambda: ask_apart(store, apart), quick / f"told {i}"), quick / f"told {i}") for i in range(2)]

    asking = Asking(store, questions - 2 * apart)
    workers = asking.begin(THREADS)
    memory = []
    for edition in range(1, syncs + 1):
        while asking.answers.total() < (questions - 2 * apart) * edition / (syncs + 1):
            time.sleep(0.01)
        docqa.sync(write_corpus(corpus, in_edition(edition)), store, embedder=FakeEmbedder())
        asking.synced = edition
        memory.append((time.monotonic() / 60, resident()))
    for worker in workers:
        worker.join()
    outcomes = [end_of(child, told)[1] for child, told in children]

    slope, _ = np.polyfit(*zip(*memory[syncs // 2 :], strict=True), 1)
    answered = asking.answers.total() + sum(count for count, _, _ in outcomes)
    problems = asking.problems + [problem for _, _, those in outcomes for problem in those]
    figures("questions during syncs", f"{answered} during {syncs} syncs, {len(problems)} errors or mixed answers")
    assert problems == []
    assert answered == questions
    assert len(asking.answers) > syncs // 2
    if soak:  # in short it is too short to tell
        figures("memory meanwhile", f"{memory[-1][1]:.0f} MB, {slope:+.2f} MB a minute in the last half")
        assert slope <= MEMORY_SLOPE
