"""Reliability: a sync that is killed, loses power or is refused a write leaves the old index or the new one, whole."""

import errno
import os
import random
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import docqa
from conftest import FakeEmbedder, Figures, write_corpus
from docqa import building
from docqa.store import StoredFile, read_manifest, verify
from faults import PowerCut, in_child, kill_at, refuse_at, watch

pytestmark = pytest.mark.reliability

DOCUMENTS = 7
OLD, NEW = "spring", "autumn"
INTACT = "the previous index is intact, and the next sync goes on where this one stopped"
WRITES = ("open", "os.mkdir", "fsync", "sqlite3.connect texts.sqlite")
"""The steps that a full disk refuses; it can still rename and remove."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(building, "WINDOW", 5)


@dataclass(frozen=True)
class Edition:
    """A store before a sync, its corpus as the sync finds it, and what each must end like."""

    folder: Path
    before: dict[str, StoredFile]
    after: dict[str, StoredFile]

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def sync(self) -> None:
        docqa.sync(self.corpus, self.store, embedder=FakeEmbedder())

    def crash(self, work: Callable[[], object]) -> tuple[bool, object]:
        """Do some work on the store as it was, in a process of its own."""
        shutil.rmtree(self.store, ignore_errors=True)
        if self.before:
            shutil.copytree(self.folder / "old", self.store)
        return in_child(work, self.folder / "told")

    def steps(self) -> list[str]:
        """List the steps of the sync."""
        names: list[str] = []

        def work() -> list[str]:
            watch(self.store, lambda _, name: names.append(name))
            self.sync()
            return names

        return self.crash(work)[1]  # type: ignore[return-value]

    def check(self) -> str:
        """Check that the store answers from the old or the new index, and that a sync ends like a fresh one."""
        found = self.answered()
        self.sync()
        assert verify(self.store).files == self.after
        assert self.answered() == NEW
        left = {path.name.split("-")[0] for path in self.store.iterdir()}
        assert left <= {".gitignore", ".lock", "manifest.json", "generation"}
        return found

    def answered(self) -> str:
        """Tell which index the store answers from, every word of it."""
        try:
            retriever = docqa.Retriever.open(self.store, embedder=FakeEmbedder())
        except docqa.IndexNotFoundError:
            assert not self.before
            return ""
        verify(self.store)
        files = read_manifest(self.store).files
        hits = retriever.retrieve("What does the document of this season tell of?", DOCUMENTS)
        (season,) = {hit.passage.text.split()[1] for hit in hits}
        assert files == {OLD: self.before, NEW: self.after}[season]
        assert {hit.passage.text for hit in hits} == set(seasonal(season).values())
        return season


def seasonal(season: str) -> dict[str, str]:
    return {f"{i}.txt": f"In {season} document {i} tells of {len(season) * i}." for i in range(DOCUMENTS)}


def edition(folder: Path, *, first: bool = False) -> Edition:
    """Make a corpus of which every document has changed since the last of two syncs, or that has not been synced."""
    store = folder / "old"
    if not first:
        for season in ("winter", OLD):
            docqa.sync(write_corpus(folder / "corpus", seasonal(season)), store, embedder=FakeEmbedder())
    write_corpus(folder / "corpus", seasonal(NEW))
    docqa.sync(folder / "corpus", folder / "fresh", embedder=FakeEmbedder())
    before = {} if first else read_manifest(store).files
    return Edition(folder, before, read_manifest(folder / "fresh").files)


def chosen(steps: list[str], soak: bool) -> list[int]:
    """Choose all steps, or in short the last of each name."""
    last = {re.sub("[0-9a-f]{12}", "*", name): number for number, name in enumerate(steps)}
    return list(range(len(steps))) if soak else sorted(last.values())


@pytest.mark.parametrize("first", [True, False])
def test_a_sync_killed_before_any_step(quick: Path, first: bool, soak: bool, figures: Figures) -> None:
    one = edition(quick, first=first)
    numbers = chosen(one.steps(), soak)
    outcomes = []
    for number in numbers:

        def work(number: int = number) -> None:
            watch(one.store, kill_at(number))
            one.sync()

        assert one.crash(work) == (True, None)
        outcomes.append(one.check())
    assert set(outcomes) == {NEW, "" if first else OLD}
    figures(
        f"killed before each step of a {'first' if first else 'further'} sync", f"{len(outcomes)} of {len(numbers)}"
    )


def test_a_sync_killed_at_random_moments(quick: Path, soak: bool, figures: Figures) -> None:
    one = edition(quick)
    rng = random.Random(6)
    started = time.perf_counter()
    one.crash(one.sync)
    usual = time.perf_counter() - started
    outcomes, killed, rounds = [], 0, 300 if soak else 40
    while killed < rounds:

        def work(moment: float = rng.random() * usual) -> None:
            threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
            one.sync()

        killed += one.crash(work)[0]
        outcomes.append(one.check())
    assert OLD in outcomes
    figures("killed at random moments: old or new index, then like a fresh one", f"{killed} of {rounds}")


@pytest.mark.parametrize("first", [True, False])
def test_power_cut_before_any_step(quick: Path, first: bool, soak: bool, figures: Figures) -> None:
    one = edition(quick, first=first)
    numbers = chosen(one.steps(), soak)
    for number in numbers:

        def work(number: int = number) -> None:
            watch(one.store, PowerCut(one.store, number))
            one.sync()

        assert one.crash(work) == (True, None)
        one.check()
    figures(
        f"power cut before each step of a {'first' if first else 'further'} sync", f"{len(numbers)} of {len(numbers)}"
    )


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize(
    ("error", "only"), [(errno.ENOSPC, WRITES), (errno.EACCES, ("",)), (errno.EIO, ("",))], ids=["full", "denied", "io"]
)
def test_a_refused_step_leaves_the_old_index(
    quick: Path, error: int, only: tuple[str, ...], once: bool, soak: bool, figures: Figures
) -> None:
    one = edition(quick)
    numbers = chosen(one.steps(), soak)[:: 1 if soak else 4]
    messages = []
    for number in numbers:

        def work(number: int = number) -> None:
            watch(one.store, refuse_at(number, error, once=once, only=only))
            one.sync()

        killed, said = one.crash(work)
        assert not killed
        if said is not None:
            messages.append(str(said))
            assert os.strerror(error) in messages[-1]
        else:  # what is refused when the new index is in place, or only tells others who writes, is no failure
            assert one.answered() == NEW
        one.check()
    assert any(INTACT in message for message in messages)
    figures(
        f"{os.strerror(error)}, {'once' if once else 'from then on'}: old or new index",
        f"{len(numbers)} of {len(numbers)}",
    )
