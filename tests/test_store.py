"""The store: what its manifest promises, and what happens when its files do not keep it."""

import json
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import docqa
from conftest import FakeEmbedder
from docqa.store import commit, new_generation, open_generation, read_manifest, write_lock, write_manifest, writing
from docqa.types import Chunking

BM25_FILES = (
    "data.csc.index.npy",
    "indices.csc.index.npy",
    "indptr.csc.index.npy",
    "params.index.json",
    "vocab.index.json",
)
ARRAYS = ("passages.faiss", "sentences.npy", "starts.npy", "token_ids.npy", "token_starts.npy", "tokens.npy")
BM25_FOLDERS = ("pairs", "sentence_terms", "terms")
FILES = {*ARRAYS, *(f"{folder}/{name}" for folder in BM25_FOLDERS for name in BM25_FILES), "texts.sqlite"}


@pytest.fixture
def synced(corpus: Path, store: Path, fake: FakeEmbedder) -> Path:
    docqa.sync(corpus, store, embedder=fake)
    return store


def test_the_manifest_describes_the_store(synced: Path, fake: FakeEmbedder) -> None:
    manifest = read_manifest(synced)
    assert (manifest.model, manifest.model_digest, manifest.dimension) == ("fake", fake.digest, 64)
    assert (manifest.chunking, manifest.passages, manifest.format) == (Chunking(200), 4, 4)
    assert list(manifest.documents) == ["bridge.txt", "cake.md", "notes/bees.md"]
    assert manifest.files.keys() == FILES
    assert {path.name for path in synced.iterdir()} == {
        ".gitignore",
        ".lock",
        "manifest.json",
        manifest.generation,
    }


def test_nothing_synced_yet(tmp_path: Path) -> None:
    with pytest.raises(docqa.IndexNotFoundError, match="no index in '.*none'; run 'docqa sync' to build it"):
        docqa.Retriever.open(tmp_path / "none")


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_file_is_found_on_opening(synced: Path, name: str, damage: str, fake: FakeEmbedder) -> None:
    path = synced / read_manifest(synced).generation / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 2] if damage == "truncate" else data)
    with pytest.raises(docqa.CorruptIndexError, match="cannot be used: .*run 'docqa sync' to rebuild it"):
        docqa.Retriever.open(synced, embedder=fake)


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
    write_manifest(synced, replace(read_manifest(synced), generation="../elsewhere"))
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
