"""The store: what its manifest promises, and what happens when its files do not keep it."""

import errno
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import docqa
from conftest import FakeEmbedder
from docqa import durable, syncing
from docqa.durable import DAMAGED_FILE
from docqa.index import StoredEmbeddings
from docqa.store import (
    TEXTS_FILE,
    checking,
    commit,
    new_generation,
    open_generation,
    read_manifest,
    read_previous,
    roll_back,
    verify,
    write_lock,
    write_manifest,
    writing,
)
from docqa.types import Chunking


@pytest.fixture
def synced(corpus: Path, store: Path, fake: FakeEmbedder) -> Path:
    docqa.sync(corpus, store, embedder=fake)
    return store


def test_the_manifest_describes_the_store(synced: Path, fake: FakeEmbedder) -> None:
    manifest = read_manifest(synced)
    assert (manifest.model, manifest.model_digest, manifest.dimension) == ("fake", fake.digest, 64)
    assert (manifest.chunking, manifest.passages, manifest.format) == (Chunking(200), 4, 5)
    assert list(manifest.documents) == ["bridge.txt", "cake.md", "notes/bees.md"]
    generation = synced / manifest.generation
    written = {path.relative_to(generation).as_posix() for path in generation.rglob("*") if path.is_file()}
    assert manifest.files.keys() == written >= {"texts.sqlite", "passages.npy", "passages.faiss"}
    assert {path.name for path in synced.iterdir()} == {
        ".gitignore",
        ".lock",
        "manifest.json",
        manifest.generation,
    }


def test_nothing_synced_yet(tmp_path: Path) -> None:
    with pytest.raises(
        docqa.IndexNotFoundError, match="no index in '.*none'; run 'docqa sync --embeddings .*none' to build it"
    ):
        docqa.Retriever.open(tmp_path / "none")


def flip(data: bytes, at: int) -> bytes:
    return bytes([*data[:at], data[at] ^ 1 << at % 8, *data[at + 1 :]])


def damages(data: bytes) -> list[bytes | None]:
    """List what may become of a file: bytes that are flipped, evenly spread, and a cut; None when it is gone."""
    spread = sorted({i * (len(data) - 1) // 7 for i in range(8)}) if data else []
    return [*(flip(data, at) for at in spread), data[: len(data) // 2] if data else b"more", None]


def test_damage_to_any_file_is_found_on_opening(synced: Path, fake: FakeEmbedder) -> None:
    generation = synced / read_manifest(synced).generation
    for name in read_manifest(synced).files:
        path = generation / name
        sound = path.read_bytes()
        for damaged in damages(sound):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(
                docqa.CorruptIndexError, match=f"cannot be used: {name} .*run 'docqa sync --embeddings .*' to rebuild"
            ):
                docqa.Retriever.open(synced, embedder=fake)
            path.write_bytes(sound)
    docqa.Retriever.open(synced, embedder=fake)


def test_damage_to_a_large_store_is_found_by_verifying_it_and_mended_by_a_sync(
    synced: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "CHECKED_ON_OPENING", 0)
    before = read_manifest(synced)
    for name in before.files:
        path = synced / read_manifest(synced).generation / name
        sound = path.read_bytes()
        if not sound:
            continue
        path.write_bytes(flip(sound, len(sound) - 1))
        with pytest.raises(docqa.CorruptIndexError, match=f"{name} is not as it was written"):
            verify(synced)
        copied = name not in {TEXTS_FILE, *StoredEmbeddings.FILES}
        assert docqa.sync(corpus, synced, embedder=fake).embedded == (0 if copied else 4)
        assert verify(synced).files == before.files


def test_no_damage_to_the_index_of_a_large_store_makes_up_a_quote_or_ends_in_a_traceback(
    synced: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "CHECKED_ON_OPENING", 0)
    texts = [path.read_text() for path in corpus.rglob("*") if path.is_file()]
    generation = synced / read_manifest(synced).generation
    outcomes: set[bool] = set()
    for name in read_manifest(synced).files:
        sound = (generation / name).read_bytes()
        for damaged in damages(sound)[:-2]:
            assert damaged is not None
            (generation / name).write_bytes(damaged)
            try:
                quotes = docqa.Retriever.open(synced, embedder=fake).ask("When was the bridge built?").quotes
                assert all(any(quote.text in text for text in texts) for quote in quotes)
                outcomes.add(True)
            except docqa.CorruptIndexError:
                outcomes.add(False)
                (generation / DAMAGED_FILE).unlink(missing_ok=True)
        (generation / name).write_bytes(sound)
    assert outcomes == {True, False}


@pytest.mark.parametrize("wrong", [1 << 28, 1 << 40, -1])
@pytest.mark.parametrize(
    "name", ["starts.npy", "token_starts.npy", "terms/passages_starts.npy", "terms/sentences_starts.npy"]
)
def test_starts_far_away_are_refused_before_memory_is_taken_for_them(
    name: str, wrong: int, synced: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "CHECKED_ON_OPENING", 0)
    generation = synced / read_manifest(synced).generation
    sound = np.load(generation / name)
    for place in range(1, len(sound) - 1):
        damaged = sound.copy()
        damaged[place] = wrong
        np.save(generation / name, damaged)
        tracemalloc.start()
        try:
            with pytest.raises(docqa.CorruptIndexError, match=f"{name} is not as it was written"):
                docqa.Retriever.open(synced, embedder=fake).ask("When was the bridge built?")
            assert tracemalloc.get_traced_memory()[1] < 50_000_000
        finally:
            tracemalloc.stop()
        (generation / DAMAGED_FILE).unlink(missing_ok=True)


def test_no_damage_to_the_texts_of_a_large_store_changes_a_word_or_ends_in_a_traceback(
    synced: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "CHECKED_ON_OPENING", 0)
    generation = synced / read_manifest(synced).generation

    def answers() -> list[object]:
        retriever = docqa.Retriever.open(synced, embedder=fake)
        return [
            retriever.retrieve("bees make honey", 3),
            *(retriever.document(path) for path in ("cake.md", "bridge.txt")),
        ]

    expected, path = answers(), generation / "texts.sqlite"
    sound = path.read_bytes()
    found = 0
    for at in random.Random(1).sample([at for at, byte in enumerate(sound) if byte], 300):
        path.write_bytes(flip(sound, at))
        try:
            assert answers() == expected
        except docqa.CorruptIndexError:
            found += 1
            (generation / DAMAGED_FILE).unlink(missing_ok=True)
    assert found > 30


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("{", "cannot be understood"),
        ("[]", "cannot be understood"),
        ("{}", "cannot be understood"),
        ('{"format": 99}', "another version of docqa made it"),
        ("\x00" * 100, "cannot be understood"),
    ],
)
def test_a_damaged_manifest(synced: Path, manifest: str, reason: str, corpus: Path, fake: FakeEmbedder) -> None:
    (synced / "manifest.json").write_text(manifest)
    with pytest.raises(docqa.CorruptIndexError, match=reason):
        docqa.diff(corpus, synced)
    assert docqa.sync(corpus, synced, embedder=fake).embedded == 4


def test_a_manifest_cannot_point_outside_of_the_store(synced: Path, tmp_path: Path) -> None:
    fields = json.loads((synced / "manifest.json").read_text())
    shutil.copytree(synced / fields["generation"], tmp_path / "elsewhere")
    write_manifest(synced, replace(read_manifest(synced), generation="../elsewhere"), None)
    with pytest.raises(docqa.CorruptIndexError, match="names no generation"):
        open_generation(synced)


def test_a_reader_outlives_its_generation(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    old = docqa.Retriever.open(synced, embedder=fake)
    (corpus / "notes/bees.md").write_text("Wasps make no honey.")
    docqa.sync(corpus, synced, embedder=fake)
    (corpus / "cake.md").unlink()
    docqa.sync(corpus, synced, embedder=fake)
    assert not (synced / old.generation).exists()
    assert old.retrieve("bees make honey from nectar", 1)[0].passage.text == "Bees make honey from nectar."
    assert old.document("notes/bees.md").title == "Keeping bees"
    new = docqa.Retriever.open(synced, embedder=fake)
    assert new.retrieve("wasps honey", 1)[0].passage.text == "Wasps make no honey."


def test_readers_never_see_half_a_generation(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    versions = {f"Version {i} tells of version {i}." for i in range(30)}
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            passages = docqa.Retriever.open(synced, embedder=fake).retrieve("version tells", 9)
            texts = {hit.passage.text for hit in passages if hit.passage.document == "v.txt"}
            if len(texts) > 1 or not texts <= versions:
                problems.append(repr(texts))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in sorted(versions):
        (corpus / "v.txt").write_text(version)
        docqa.sync(corpus, synced, embedder=fake)
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_a_generation_that_fails_is_removed(synced: Path) -> None:
    before = {path.name for path in synced.iterdir()}
    full = "cannot write the index to .*No space left.*previous index is intact"
    with pytest.raises(docqa.StoreError, match=full), new_generation(synced) as folder, writing(synced):
        (folder / "part").write_text("half")
        raise OSError(28, "No space left on device")
    assert {path.name for path in synced.iterdir()} == before


def test_leftovers_of_a_crash_are_removed_by_the_next_sync(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    (synced / "generation-0123456789ab").mkdir()
    for name in ("202401151230", "my-notes"):
        (synced / name).mkdir()
    (corpus / "new.txt").write_text("New.")
    docqa.sync(corpus, synced, embedder=fake)
    assert not (synced / "generation-0123456789ab").exists()
    assert (synced / "my-notes").exists()
    assert (synced / "202401151230").exists()


def test_an_unfinished_commit_leaves_the_old_generation(synced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_manifest(synced)

    def refuse(*arguments: object) -> None:
        raise OSError(30, "Read-only file system")

    with new_generation(synced) as folder:
        (folder / "part").write_text("whole")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(docqa.StoreError, match="Read-only file system; the previous index is intact"):
        commit(synced, folder, before, keep_previous=True)
    assert read_manifest(synced) == before
    assert {path.name for path in synced.iterdir()} == {".gitignore", ".lock", "manifest.json", before.generation}
    assert len(open_generation(synced).index) == 4


def test_the_lock_goes_with_its_process(store: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from docqa.store import write_lock
with write_lock(Path({str(store)!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(docqa.StoreLockedError), write_lock(store):
            pass
        other.kill()
        other.wait()
    with write_lock(store):
        pass


def test_a_store_that_cannot_be_written(tmp_path: Path, corpus: Path, fake: FakeEmbedder) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(docqa.StoreError, match="cannot write the index to"):
        docqa.sync(corpus, tmp_path / "file" / "embeddings", embedder=fake)


def test_of_two_first_syncs_at_once_the_one_that_finds_the_folder_made_goes_on(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def come_second(path: Path, *arguments: Any, **settings: Any) -> None:
        mkdir(path, parents=True, exist_ok=True)
        mkdir(path, *arguments, **settings)

    monkeypatch.setattr(Path, "mkdir", come_second)
    with write_lock(store):
        assert (store / ".gitignore").read_text() == "*\n!.gitignore\n"


def test_who_writes_is_named(store: Path) -> None:
    with write_lock(store):
        with pytest.raises(docqa.StoreLockedError) as caught, write_lock(store):
            pass
        assert f"(process {os.getpid()} on {socket.gethostname()}, since 20" in str(caught.value)
        (store / "writer.json").write_text("{")
        with pytest.raises(docqa.StoreLockedError, match="is writing '[^(]*'; wait until"), write_lock(store):
            pass
    assert not (store / "writer.json").exists()


def test_one_who_was_killed_is_not_named_as_who_writes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with write_lock(store):
        pass
    (store / "writer.json").write_text('{"process": "1", "host": "h", "since": "then"}')
    said: list[str] = []
    writing_text = Path.write_text

    def ask_before(path: Path, *arguments: Any) -> int:
        with pytest.raises(docqa.StoreLockedError) as caught, write_lock(store):
            pass
        said.append(str(caught.value))
        return writing_text(path, *arguments)

    monkeypatch.setattr(Path, "write_text", ask_before)
    with write_lock(store):
        pass
    assert said == [str(docqa.StoreLockedError(store))]


def test_rolling_back_returns_to_the_previous_generation_and_forth_again(
    synced: Path, corpus: Path, fake: FakeEmbedder
) -> None:
    first = read_manifest(synced)
    assert read_previous(synced) is None
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    second = read_manifest(synced)
    assert read_previous(synced) == first
    assert roll_back(synced) == read_manifest(synced) == first
    assert read_previous(synced) == second
    passages = docqa.Retriever.open(synced, embedder=fake).retrieve("sponge cake", 1)
    assert "A sponge cake needs eggs, sugar and flour." in passages[0].passage.text
    assert docqa.diff(corpus, synced).changed == ("cake.md",)
    assert roll_back(synced) == second


def test_a_change_of_model_can_be_rolled_back(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, synced, embedder=FakeEmbedder("other", dimension=32), force=True)
    roll_back(synced)
    assert docqa.Retriever.open(synced, embedder=fake).retrieve("bees make honey", 1)[0].passage.title == "Keeping bees"
    assert docqa.sync(corpus, synced, embedder=fake).embedded == 0


def test_there_is_nothing_to_roll_back_to(synced: Path, corpus: Path, fake: FakeEmbedder, tmp_path: Path) -> None:
    with pytest.raises(docqa.StoreError, match="no previous index is kept in"):
        roll_back(synced)
    with pytest.raises(docqa.IndexNotFoundError):
        roll_back(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    (corpus / "cake.md").unlink()
    docqa.sync(corpus, synced, embedder=fake)  # what is removed is nowhere kept
    with pytest.raises(docqa.StoreError, match="no previous index is kept in"):
        roll_back(synced)


def test_a_damaged_generation_is_not_rolled_back_to(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    previous, present = read_previous(synced), read_manifest(synced)
    assert previous
    (synced / previous.generation / "texts.sqlite").write_bytes(b"")
    with pytest.raises(docqa.StoreError, match="the previous index in .* texts.sqlite is not as it was written"):
        roll_back(synced)
    assert read_manifest(synced) == present


def test_a_damaged_manifest_is_rolled_back_from(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    first = read_manifest(synced)
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    fields = json.loads((synced / "manifest.json").read_text())
    (synced / "manifest.json").write_text(json.dumps(fields | {"passages": 99}))
    assert roll_back(synced) == read_manifest(synced) == first
    assert read_previous(synced) is None


def test_a_damaged_previous_manifest_is_not_rolled_back_to_and_harms_no_other(
    synced: Path, corpus: Path, fake: FakeEmbedder
) -> None:
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    present = read_manifest(synced)
    fields = json.loads((synced / "manifest.json").read_text())
    fields["previous"]["passages"] = 99
    (synced / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(docqa.StoreError, match="no previous index is kept in"):
        roll_back(synced)
    assert verify(synced) == present


@pytest.fixture
def twice(synced: Path, corpus: Path, fake: FakeEmbedder) -> Path:
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    (corpus / "cake.md").write_text("A cake needs flour.")
    return synced


@pytest.mark.parametrize("act", ["sync", "roll_back"])
@pytest.mark.parametrize("call", ["replace", "fsync", "open"])
def test_a_manifest_that_cannot_be_written_leaves_both_indexes_as_they_were(
    act: str, call: str, twice: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_manifest(twice), read_previous(twice)
    generations = {path.name for path in twice.glob("generation-*")}
    refused, original = [], {"replace": Path.replace, "fsync": os.fsync, "open": os.open}

    def refuse(of: Any, *arguments: Any, **options: Any) -> Any:
        path = Path(f"/proc/self/fd/{of}").readlink() if call == "fsync" else Path(of)
        if path.name.startswith(".manifest.json.") and path.suffix == durable.NEW:
            refused.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original[call](of, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path if call == "replace" else os, call, refuse)
        with pytest.raises(docqa.StoreError, match="No space left on device; the previous index is intact"):
            docqa.sync(corpus, twice, embedder=fake) if act == "sync" else roll_back(twice)
    assert refused
    assert (read_manifest(twice), read_previous(twice)) == before
    assert {path.name for path in twice.glob("generation-*")} == generations
    assert roll_back(twice) == before[1]


def test_a_rollback_that_is_cut_off_is_done_or_not(twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, previous = read_manifest(twice), read_previous(twice)

    def refuse(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "flush", refuse)
        with pytest.raises(docqa.StoreError, match="the new index is in place .*Input/output error; check the disk"):
            roll_back(twice)
    assert (read_manifest(twice), read_previous(twice)) == (previous, current)
    assert {path.name for path in twice.glob("generation-*")} == {one.generation for one in (current, previous) if one}


@pytest.mark.parametrize("removed", [False, True])
def test_a_switch_that_may_not_last_is_said_and_leaves_both_indexes_whole(
    removed: bool, synced: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, manifest = read_manifest(synced), (synced / "manifest.json").read_bytes()
    (corpus / "new.txt").write_text("Something new.")
    if removed:
        (corpus / "bridge.txt").unlink()
    flush = durable.flush

    def refuse(path: Path) -> None:
        if path == synced:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(path)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "flush", refuse)
        said = f"the new index is in place in '{synced}', but a power cut could bring the previous one back"
        with pytest.raises(docqa.StoreError, match=f"{said}: Input/output error; check the disk"):
            docqa.sync(corpus, synced, embedder=fake)
    after = verify(synced)
    assert "new.txt" in after.documents
    (synced / "manifest.json").write_bytes(manifest)  # what the power cut brings back
    assert verify(synced) == before
    assert docqa.sync(corpus, synced, embedder=fake).diff.added == ("new.txt",)
    assert {path.name for path in synced.glob("generation-*")} == {
        one.generation for one in (read_manifest(synced), read_previous(synced)) if one
    }


def test_what_an_older_version_kept_is_removed(synced: Path, corpus: Path, fake: FakeEmbedder) -> None:
    (synced / "previous.json").write_text("{}")
    docqa.sync(corpus, synced, embedder=fake)
    assert not (synced / "previous.json").exists()


def test_new_times_of_change_leave_the_previous_index_kept(
    synced: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (corpus / "cake.md").write_text("A cake needs sugar.")
    docqa.sync(corpus, synced, embedder=fake)
    previous, present = read_previous(synced), read_manifest(synced)
    monkeypatch.setattr("docqa.corpus.SETTLED", -1)
    docqa.sync(corpus, synced, embedder=fake)
    assert read_manifest(synced).documents != present.documents
    assert previous
    assert read_previous(synced) == previous


@pytest.mark.parametrize("at", range(0, 1000, 50))
def test_a_flipped_byte_in_the_manifest_is_found(synced: Path, at: int) -> None:
    path = synced / "manifest.json"
    path.write_bytes(flip(path.read_bytes(), at))
    with pytest.raises(docqa.CorruptIndexError):
        read_manifest(synced)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES, errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize("path", ["texts.sqlite", "damaged.txt"])
def test_a_file_that_the_system_refuses_to_read_is_no_damage(
    error: int, path: str, twice: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, previous = read_manifest(twice), read_previous(twice)
    opening = Path.open

    def refuse(file: Path, *arguments: Any, **options: Any) -> Any:
        if file.name == path:
            raise OSError(error, os.strerror(error))
        return opening(file, *arguments, **options)

    fake.embedded.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        said = f"cannot read the index in .*{path}: {os.strerror(error)}; check its permissions"
        for act in (verify, open_generation, lambda store: docqa.sync(corpus, store, embedder=fake)):
            with pytest.raises(docqa.StoreError, match=said) as caught:
                act(twice)
            assert not isinstance(caught.value, docqa.CorruptIndexError)
    assert fake.embedded == []
    assert (read_manifest(twice), read_previous(twice)) == (manifest, previous)
    assert not (twice / manifest.generation / DAMAGED_FILE).exists()
    assert docqa.sync(corpus, twice, embedder=fake).embedded == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("Error: could not open passages.faiss"), "could not open passages.faiss"),
    ],
)
def test_an_index_that_cannot_be_opened_but_is_as_it_was_written_is_not_rebuilt(
    error: Exception, said: str, twice: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> StoredEmbeddings:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(StoredEmbeddings, "read", refuse)
        with pytest.raises(docqa.StoreError, match=f"cannot read the index in .*{said}; check") as caught:
            docqa.sync(corpus, twice, embedder=fake)
    assert not isinstance(caught.value, docqa.CorruptIndexError)
    assert docqa.sync(corpus, twice, embedder=fake).embedded == 1


def test_an_index_that_cannot_be_read_is_kept_by_a_forced_sync(
    twice: Path, corpus: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(twice)

    def refuse(*arguments: object) -> None:
        raise docqa.StoreError("cannot read the index")

    with monkeypatch.context() as patch:
        patch.setattr(syncing, "check_files", refuse)
        docqa.sync(corpus, twice, embedder=fake, force=True)
    assert read_previous(twice) == manifest


def test_an_error_of_a_reader_whose_generation_is_gone_is_not_blamed_on_damage(
    twice: Path, corpus: Path, fake: FakeEmbedder
) -> None:
    old = open_generation(twice)
    docqa.sync(corpus, twice, embedder=fake)
    (corpus / "cake.md").unlink()
    docqa.sync(corpus, twice, embedder=fake)
    with pytest.raises(ValueError, match="of another cause"), old.blaming_damage():
        raise ValueError("of another cause")
    present = open_generation(twice)
    (twice / present.manifest.generation / "passages.npy").unlink()
    with pytest.raises(docqa.CorruptIndexError, match=r"passages\.npy"), present.blaming_damage():
        raise ValueError("of damage")
