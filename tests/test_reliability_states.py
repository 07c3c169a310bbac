"""Reliability: a model of the corpus and the store, and any history of edits, syncs, faults and rollbacks, agree."""

import errno
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import docqa
from conftest import FakeEmbedder, Figures
from docqa import retrieval
from docqa.store import read_manifest, read_previous, roll_back, verify
from faults import AtStep, PowerCut, in_child, kill_at, refuse_at, watch

pytestmark = pytest.mark.reliability

PATHS = st.sampled_from(["a.txt", "b.txt", "c.md", "sub/d.txt", "sub/é.txt"])
WORDS = st.lists(st.sampled_from("amber basil cedar dune ember fjord grove heath".split()), min_size=1, max_size=4)
TEXTS = WORDS.map(lambda words: f"Here stands {' '.join(words)}.")
STEPS = st.integers(0, 110)
ERRORS = st.sampled_from([errno.ENOSPC, errno.EACCES, errno.EIO])
MODELS = {"fake": FakeEmbedder(), "other": FakeEmbedder("other", dimension=32)}
taken: Counter[str] = Counter()


@dataclass(frozen=True)
class Saved:
    """What a generation is to hold: the documents, and the model that embedded them."""

    documents: dict[str, str]
    model: str
    damaged: bool = False


class History(RuleBasedStateMachine):
    """Do things to a corpus and its store, and compare both with a model of them after each."""

    place: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.place))
        self.corpus, self.store = self.folder / "corpus", self.folder / "store"
        self.corpus.mkdir()
        self.documents: dict[str, str] = {}
        self.current: Saved | None = None
        self.previous: Saved | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(documents=st.dictionaries(PATHS, TEXTS))
    def begin(self, documents: dict[str, str]) -> None:
        for path, text in documents.items():
            self.write(path, text)

    @rule(path=PATHS, text=TEXTS)
    def write(self, path: str, text: str) -> None:
        (self.corpus / path).parent.mkdir(exist_ok=True)
        (self.corpus / path).write_text(text)
        self.documents[path] = text

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        (self.corpus / path).unlink(missing_ok=True)
        self.documents.pop(path, None)

    @rule(path=PATHS, to=PATHS)
    def rename(self, path: str, to: str) -> None:
        if path in self.documents:
            (self.corpus / to).parent.mkdir(exist_ok=True)
            (self.corpus / path).rename(self.corpus / to)
            self.documents[to] = self.documents.pop(path)

    @rule()
    def sync(self) -> None:
        try:
            self._sync(self._model)
        except docqa.EmptyCorpusError:
            assert not self.documents
            return
        self._synced(self._model)
        assert {path.name.split("-")[0] for path in self.store.iterdir()} <= {
            ".gitignore",
            ".lock",
            "manifest.json",
            "generation",
        }

    @rule(model=st.sampled_from(sorted(MODELS)))
    def change_model(self, model: str) -> None:
        if not self.documents and not self.current:
            return
        if self.current and model != self.current.model and self.documents:
            with pytest.raises(docqa.IndexMismatchError):
                self._sync(model)
        self._sync(model, force=True)
        self._replaced(model)

    @rule(path=PATHS, text=TEXTS, step=STEPS)
    def be_killed(self, path: str, text: str, step: int) -> None:
        self.write(path, text)
        self._fail(lambda: kill_at(step))

    @rule(path=PATHS, text=TEXTS, step=STEPS)
    def lose_power(self, path: str, text: str, step: int) -> None:
        self.write(path, text)
        self._fail(lambda: PowerCut(self.store, step))

    @rule(path=PATHS, text=TEXTS, step=STEPS, error=ERRORS, once=st.booleans())
    def be_refused(self, path: str, text: str, step: int, error: int, once: bool) -> None:
        self.write(path, text)
        self._fail(lambda: refuse_at(step, error, once=once))

    @rule()
    def roll_back(self) -> None:
        if self.previous and not self.previous.damaged:
            roll_back(self.store)
            taken["rollbacks"] += 1
            self.current, self.previous = self.previous, self.current
        else:
            with pytest.raises(docqa.StoreError):
                roll_back(self.store)

    @rule()
    def reopen(self) -> None:
        retrieval._opened.clear()

    @precondition(lambda self: self.current and not self.current.damaged)
    @rule(file=st.integers(0, 30), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def damage(self, file: int, at: float, bit: int) -> None:
        manifest = read_manifest(self.store)
        paths = [self.store / manifest.generation / name for name, one in manifest.files.items() if one.size]
        path = paths[file % len(paths)]
        data = bytearray(path.read_bytes())
        data[int(at * len(data))] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(docqa.CorruptIndexError):
            verify(self.store)
        assert self.current
        taken["damages"] += 1
        self.current = replace(self.current, damaged=True)

    @invariant()
    def agree(self) -> None:
        taken["steps"] += 1
        if self.current is None:
            with pytest.raises(docqa.IndexNotFoundError):
                docqa.Retriever.open(self.store, embedder=MODELS["fake"])
            return
        embedder = MODELS[self.current.model]
        if self.current.damaged:
            with pytest.raises(docqa.CorruptIndexError):
                docqa.Retriever.open(self.store, embedder=embedder)
            return
        retriever = retrieval.open_retriever(self.store, embedder)
        documents = self.current.documents
        assert {one.path: retriever.document(one.path).text for one in retriever.documents()} == documents
        for path, text in list(documents.items())[:1]:
            assert text in {hit.passage.text for hit in retriever.retrieve(text, 1)}, path
        found = docqa.diff(self.corpus, self.store)
        assert {*found.added, *found.changed, *found.unchanged} == self.documents.keys()
        assert set(found.removed) == documents.keys() - self.documents.keys()
        assert set(found.unchanged) == {path for path, text in documents.items() if self.documents.get(path) == text}
        previous = read_previous(self.store)
        assert (previous and {*previous.documents}) == (self.previous and {*self.previous.documents})

    @property
    def _model(self) -> str:
        return self.current.model if self.current else "fake"

    def _sync(self, model: str, *, force: bool = False) -> None:
        docqa.sync(self.corpus, self.store, embedder=MODELS[model], force=force)

    def _synced(self, model: str) -> None:
        """Note that a sync is done."""
        if self.current != Saved(self.documents, model):
            self._replaced(model)

    def _replaced(self, model: str) -> None:
        """Note that a sync has made a new generation; one that removes a document keeps none before it."""
        taken["generations"] += 1
        before, self.current = self.current, Saved(dict(self.documents), model)
        is_kept = before and not before.damaged and before.documents.keys() <= self.documents.keys()
        self.previous = before if is_kept else None

    def _fail(self, make: Callable[[], AtStep]) -> None:
        """Sync in a process of its own that something happens to, and see what became of it."""
        model, generation = self._model, self._generation

        def work() -> None:
            watch(self.store, make())
            self._sync(model)

        killed, said = in_child(work, self.folder / "told")
        taken["faults"] += killed or said is not None
        if self._generation != generation:
            self._synced(model)
        elif not read_previous(self.store):
            self.previous = None  # it is given up before the switch

    @property
    def _generation(self) -> str:
        try:
            return read_manifest(self.store).generation
        except docqa.IndexNotFoundError:
            return ""


def test_any_history_agrees_with_the_model(quick: Path, soak: bool, figures: Figures) -> None:
    class Machine(History):
        place = quick

    taken.clear()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60 if soak else 6,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a history is soon understood, and takes minutes to shorten
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert taken.keys() == {"rollbacks", "damages", "steps", "generations", "faults"}
    counted = ", ".join(f"{count} {what}" for what, count in taken.items())
    figures("any history of edits, syncs, faults and rollbacks agrees with the model", counted)
