"""Reliability: a flipped bit or a cut in any file of the store is found, and never becomes a wrong answer."""

import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import docqa
from conftest import BEES, BRIDGE, CAKE, FakeEmbedder, Figures, write_corpus
from docqa.durable import DAMAGED_FILE
from docqa.store import checking, read_manifest, verify

pytestmark = pytest.mark.reliability

QUESTIONS = ("When was the bridge built?", "What do bees make from nectar?")
FOUND, MISSED, SOUND, REFUSED, WRONG, TRACEBACK, CRASH = "found missed sound refused wrong traceback crash".split()


@pytest.fixture
def documents(quick: Path) -> Path:
    corpus = write_corpus(quick / "corpus", {"cake.md": CAKE, "bridge.txt": BRIDGE, "notes/bees.md": BEES})
    return write_corpus(
        corpus, {f"{i}.txt": f"Tower {i} was built in {1800 + i}. Its keeper is {i}." for i in range(9)}
    )


def damages(data: bytes, count: int) -> list[bytes]:
    """List what becomes of a file when one of its bits is flipped, or when it is cut."""
    rng = random.Random(zlib.crc32(data))
    cuts = rng.sample(range(len(data)), min(len(data), count // 10))
    bits = rng.sample(range(8 * len(data)), min(8 * len(data), count - len(cuts)))
    flipped = [data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :] for bit in bits]
    return flipped + [data[:cut] for cut in cuts]


def tried(attempts: list[Callable[[], str]], log: Path) -> list[str]:
    """Make attempts in a process of their own, in a new one when it crashes, and list what came of each."""
    log.write_text("")
    while (done := len(log.read_text().split())) < len(attempts):
        child = os.fork()
        if not child:
            with log.open("a", buffering=1) as file:
                for attempt in attempts[done:]:
                    try:
                        file.write(f"{attempt()}\n")
                    except BaseException as exc:
                        file.write(f"{TRACEBACK}:{type(exc).__name__}\n")
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            with log.open("a") as file:
                file.write(f"{CRASH}\n")
    return log.read_text().split()


def found(store: Path) -> str:
    try:
        verify(store)
    except docqa.CorruptIndexError:
        return FOUND
    return MISSED


def answered(store: Path, texts: list[str]) -> str:
    """Ask a store, and tell whether all it says stands in the corpus."""
    try:
        retriever = docqa.Retriever.open(store, embedder=FakeEmbedder())
        for question in QUESTIONS:
            answer = retriever.ask(question)
            said = [quote.text for quote in answer.quotes] + [hit.passage.text for hit in answer.hits]
            if not all(any(one in text for text in texts) for one in said):
                return WRONG
        retriever.documents()
        for path in read_manifest(store).documents:
            if not any(retriever.document(path).text.strip() in text for text in texts):
                return WRONG
    except docqa.DocqaError:
        return REFUSED
    return SOUND


def test_a_damaged_file(documents: Path, quick: Path, soak: bool, figures: Figures) -> None:
    store = quick / "store"
    docqa.sync(documents, store, embedder=FakeEmbedder())
    texts = [path.read_text() for path in documents.rglob("*") if path.is_file()]
    generation = store / read_manifest(store).generation
    note = generation / DAMAGED_FILE
    count = 500 if soak else 12
    outcomes: dict[str, list[str]] = {"verified": [], "opened": [], "asked unchecked": []}
    for path in [store / "manifest.json", *(generation / name for name in read_manifest(store).files)]:
        sound = path.read_bytes()

        def attempt(damaged: bytes, act: Callable[[], str], path: Path = path) -> str:
            path.write_bytes(damaged)
            note.unlink(missing_ok=True)
            return act()

        for name, act in (
            ("verified", lambda: found(store)),
            ("opened", lambda: answered(store, texts)),
            ("asked unchecked", lambda: unchecked(store, texts)),
        ):
            attempts = [lambda damaged=damaged, act=act: attempt(damaged, act) for damaged in damages(sound, count)]
            outcomes[name] += tried(attempts, quick / "log")
        path.write_bytes(sound)
        note.unlink(missing_ok=True)
    tally = {name: {kind: of.count(kind) for kind in sorted(set(of))} for name, of in outcomes.items()}
    for name, kinds in tally.items():
        figures(f"flips and cuts of every file, {name}", ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    assert tally["verified"].keys() == {FOUND}
    assert tally["opened"].keys() == {REFUSED}
    assert tally["asked unchecked"].keys() == {SOUND, REFUSED}
    assert found(store) == MISSED


def unchecked(store: Path, texts: list[str]) -> str:
    """Ask a store as if it were too large for its files to be compared on opening."""
    checking.CHECKED_ON_OPENING = 0  # in a process that ends after this
    with np.errstate(all="ignore"):  # a number that is too large is worth a warning to no one but a test
        return answered(store, texts)
