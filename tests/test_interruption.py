"""Interruption: a sync that is killed, or finds the disk full, loses nothing and goes on where it stopped."""

import errno
import os
import random
import resource
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import docqa
from conftest import FakeEmbedder, write_corpus
from docqa import PassageEmbeddings, building, preparing
from docqa.matching import compress_tokens
from docqa.store import FORMAT, UNFINISHED_FOLDER, StoredFile, open_generation, read_manifest, read_previous, roll_back
from docqa.types import Span, TokenEmbeddings
from docqa.unfinished import Unfinished

PASSAGES = 13
STEPS = ("fsync", "mkdir", "rename", "rmdir", "unlink")
"""The calls by which a sync changes what is on the disk, but for the writes themselves."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(building, "WINDOW", 5)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write_corpus(
        tmp_path / "corpus", {f"{i:02}.txt": f"Document {i} tells of {i * 7}." for i in range(PASSAGES)}
    )


def test_no_more_than_a_window_of_passages_is_in_memory(
    documents: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[int] = []
    asked: list[int] = []
    index_writer, embed = building.IndexWriter, building.embed

    class Writer(index_writer):  # type: ignore[misc, valid-type]
        def add(self, embeddings: PassageEmbeddings, *others: Any) -> None:
            added.append(len(embeddings.passages))
            super().add(embeddings, *others)

    def embed_some(embedder: docqa.Embedder, passages: list[docqa.Passage]) -> Any:
        asked.append(len(passages))
        return embed(embedder, passages)

    monkeypatch.setattr(building, "IndexWriter", Writer)
    monkeypatch.setattr(building, "embed", embed_some)
    docqa.sync(documents, store, embedder=fake)
    assert added == [5, 5, 3]
    assert asked == [2, 2, 1, 2, 2, 1, 2, 1]


def test_compressing_a_batch_takes_less_memory_than_its_tokens(
    fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = " ".join(f"word{i}" for i in range(200))
    span = Span(0, len(words))
    passages = [docqa.Passage(f"{i}.txt", "", (), span, "", words, (span,)) for i in range(100)]
    batch = fake.embed_passages([words] * 100, [[span]] * 100)
    monkeypatch.setattr(fake, "embed_passages", lambda *_: batch)
    tracemalloc.start()
    try:
        found = list(preparing.embed(fake, passages))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < batch.tokens.rows.nbytes
    assert_array_equal(np.concatenate([one.tokens.rows for one in found]), compress_tokens(batch.tokens).rows)


def test_equal_passages_are_embedded_once(documents: Path, store: Path, fake: FakeEmbedder) -> None:
    write_corpus(documents, {f"copy {i}.txt": "Document 3 tells of 21." for i in range(9)})
    report = docqa.sync(documents, store, embedder=fake)
    assert (report.passages, report.embedded, len(fake.embedded)) == (PASSAGES + 9, PASSAGES, PASSAGES)
    assert {hit.passage.document for hit in docqa.Retriever.open(store, embedder=fake).retrieve("21", 1)} <= {
        "03.txt",
        *(f"copy {i}.txt" for i in range(9)),
    }


def stored(store: Path) -> dict[str, StoredFile]:
    """What a store answers from, to be compared with another's."""
    assert open_generation(store, thorough=True)
    return read_manifest(store).files


def kept(store: Path, fake: FakeEmbedder, of: Path) -> int:
    """Count the passages of a complete store that another one's interrupted syncs embedded."""
    unfinished = Unfinished(store / UNFINISHED_FOLDER, f"{FORMAT} {fake.digest}")
    return sum(key in unfinished for key in open_generation(of).texts.distinct_keys())


def killed(work: Callable[[], object]) -> bool:
    """Do some work in a process of its own, and tell whether it was killed."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kill_at(step: int) -> None:
    """Have this process kill itself before it changes the disk for the n-th time."""
    left = [step]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counting

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    os.replace = counted(os.replace)


class Logging(FakeEmbedder):
    """Note in a file, which outlives the process, how many passages were embedded."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def embed_passages(self, *arguments: Any) -> PassageEmbeddings:
        found = super().embed_passages(*arguments)
        with self.log.open("ab") as file:
            file.write(b"." * len(found.passages))
        return found


def check_resumed(documents: Path, store: Path, fresh: Path, log: Path, fake: FakeEmbedder) -> None:
    """Check that nothing that was kept is embedded again, and that the end is that of a fresh sync."""
    docqa.sync(documents, fresh, embedder=FakeEmbedder())
    embedded = len(log.read_bytes()) if log.exists() else 0
    before = kept(store, fake, fresh)
    try:
        complete = read_manifest(store).files == stored(fresh)
    except docqa.IndexNotFoundError:
        complete = False
    assert complete or before >= embedded - building.BATCH
    report = docqa.sync(documents, store, embedder=fake)
    assert report.embedded == len(fake.embedded) == (0 if complete else PASSAGES - before)
    assert stored(store) == stored(fresh)
    assert not (store / UNFINISHED_FOLDER).exists()
    assert len([path for path in store.iterdir() if path.name.startswith("generation-")]) <= 2


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 20, 24, 27, 30, 40, 50, 55, 60, 62, 64, 66, 68, 70])
def test_a_first_sync_killed_at_a_step_goes_on_where_it_stopped(
    step: int, documents: Path, store: Path, tmp_path: Path, fake: FakeEmbedder
) -> None:
    def work() -> None:
        kill_at(step)
        docqa.sync(documents, store, embedder=Logging(tmp_path / "log"))

    assert killed(work) or step > 40
    check_resumed(documents, store, tmp_path / "fresh", tmp_path / "log", fake)


def test_a_sync_killed_at_any_time_leaves_the_old_or_the_new_index(
    documents: Path, store: Path, tmp_path: Path, fake: FakeEmbedder
) -> None:
    rng = random.Random(1)
    docqa.sync(documents, store, embedder=fake)
    started = time.perf_counter()
    docqa.sync(documents, tmp_path / "timed", embedder=FakeEmbedder())
    usual = time.perf_counter() - started
    kills = rounds = 0
    while kills < 8:
        rounds += 1
        assert rounds <= 80, f"only {kills} syncs were killed before their end"
        before = stored(store)
        write_corpus(documents, {f"{i:02}.txt": f"Round {rounds} tells of {i * 7}." for i in range(0, PASSAGES, 2)})

        def work(moment: float = rng.random() * usual) -> None:
            threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
            docqa.sync(documents, store, embedder=FakeEmbedder())

        kills += killed(work)
        fresh = tmp_path / f"fresh {rounds}"
        docqa.sync(documents, fresh, embedder=FakeEmbedder())
        assert stored(store) in (before, stored(fresh))
        docqa.sync(documents, store, embedder=FakeEmbedder())
        assert stored(store) == stored(fresh)


@pytest.mark.parametrize("write", range(0, 29, 4))  # the 28th is of the manifest, the one after it of the new state
def test_a_full_disk_leaves_the_old_index_and_what_was_embedded(
    write: int, documents: Path, store: Path, tmp_path: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (documents / "00.txt").rename(tmp_path / "00.txt")
    (documents / "01.txt").rename(tmp_path / "01.txt")
    docqa.sync(documents, store, embedder=FakeEmbedder())
    (tmp_path / "01.txt").rename(documents / "01.txt")
    docqa.sync(documents, store, embedder=FakeEmbedder())
    before = stored(store)
    manifest, previous = read_manifest(store), read_previous(store)
    assert previous
    (tmp_path / "00.txt").rename(documents / "00.txt")
    left, fsync = [write], os.fsync

    def refuse(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(docqa.StoreError) as caught:
            docqa.sync(documents, store, embedder=fake)
    assert "No space left on device; the previous index is intact, and the next sync goes on" in str(caught.value)
    assert (stored(store), read_manifest(store), read_previous(store)) == (before, manifest, previous)
    assert roll_back(store) == previous
    assert roll_back(store) == manifest
    docqa.sync(documents, store, embedder=fake)
    docqa.sync(documents, tmp_path / "fresh", embedder=FakeEmbedder())
    assert stored(store) == stored(tmp_path / "fresh")
    assert fake.embedded == ["Document 0 tells of 0."] or write == 0


@pytest.mark.parametrize("limit", [0, 150, 2_000, 5_000, 13_000, 20_000])
def test_a_disk_that_is_full_in_the_middle_of_a_file_is_said(
    limit: int, documents: Path, store: Path, tmp_path: Path, fake: FakeEmbedder
) -> None:
    docqa.sync(documents, store, embedder=FakeEmbedder())
    before = stored(store)
    write_corpus(documents, {"new.txt": "Something new."})

    def work() -> None:
        said = (tmp_path / "said").open("w")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            docqa.sync(documents, store, embedder=FakeEmbedder())
        except docqa.StoreError as exc:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            said.write(str(exc))
            said.close()

    assert not killed(work)
    assert "the previous index is intact, and the next sync goes on" in (tmp_path / "said").read_text()
    assert stored(store) == before
    docqa.sync(documents, store, embedder=fake)
    assert set(fake.embedded) <= {"Something new."}


def embeddings_of(*texts: str) -> dict[bytes, PassageEmbeddings]:
    found = {}
    for text in texts:
        parts = FakeEmbedder().embed_passages([text], [[docqa.Span(0, len(text))]])
        tokens = TokenEmbeddings(parts.tokens.ids, np.zeros((len(parts.tokens), 16), np.uint8))
        key = text.encode().ljust(16, b"\0")
        found[key] = PassageEmbeddings(parts.passages, parts.sentences, tokens, parts.token_counts)
    return found


def as_bytes(parts: dict[bytes, PassageEmbeddings]) -> dict[bytes, list[bytes]]:
    return {
        key: [rows.tobytes() for rows in (p.passages, p.sentences, p.tokens.ids, p.tokens.rows, p.token_counts)]
        for key, p in parts.items()
    }


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    parts, more = embeddings_of("One two.", "Three."), embeddings_of("Four five six.")
    first = Unfinished(tmp_path / "unfinished", "model")
    first.add(parts)
    first.add(more)
    for unfinished in (first, Unfinished(tmp_path / "unfinished", "model")):
        assert as_bytes(unfinished.embeddings([*more, *parts, b"another"])) == as_bytes(parts | more)
        assert [key in unfinished for key in (*parts, *more, b"another")] == [True, True, True, False]


def test_what_another_model_made_is_not_used(tmp_path: Path) -> None:
    parts = embeddings_of("One two.")
    Unfinished(tmp_path / "unfinished", "model").add(parts)
    other = Unfinished(tmp_path / "unfinished", "other")
    assert [key in other for key in parts] == [False]


def test_a_damaged_piece_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parts, more = embeddings_of("One two."), embeddings_of("Three.")
    unfinished = Unfinished(tmp_path / "unfinished", "model")
    unfinished.add(parts)
    (piece,) = (tmp_path / "unfinished").iterdir()
    unfinished.add(more)
    whole = piece.read_bytes()
    flipped = [bytes([*whole[:i], whole[i] ^ 1, *whole[i + 1 :]]) for i in (0, 40, len(whole) - 1)]
    for damaged in (b"", whole[:20], whole[:-1], *flipped):
        piece.write_bytes(damaged)
        left = Unfinished(tmp_path / "unfinished", "model")
        assert [key in left for key in (*parts, *more)] == [False, True]
    assert "is of no use and is left out" in caplog.text
