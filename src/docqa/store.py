"""The store: the index on disk as immutable generations. Only this module writes ``embeddings/``.

    embeddings/
    ├── manifest.json         the commit point: replaced as a whole, last of all
    └── generation-3f9c2a1047be/
        ├── texts.sqlite      documents, blocks, passages, sentences, by row
        ├── passages.faiss    row i is passage i
        ├── passages.npy      the same as they were embedded, memory-mapped as all that follows
        ├── sentences.npy     row-aligned through starts.npy
        ├── tokens.npy        of the sentences, through token_starts.npy
        └── terms/            BM25

A reader opens every file of a generation at once, so that a later sync may remove the folder under it.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import filelock

from docqa.corpus import FileState
from docqa.embedding import Embedder
from docqa.errors import CorruptIndexError, IndexMismatchError, IndexNotFoundError, StoreError, StoreLockedError
from docqa.index import Index
from docqa.texts import Texts
from docqa.types import Chunking, SkippedDocument, StoreSummary

FORMAT = 4
MANIFEST_FILE = "manifest.json"
LOCK_FILE = ".lock"
TEXTS_FILE = "texts.sqlite"
GENERATION = re.compile(r"generation-[0-9a-f]{12}")
"""The name of a generation's folder, unlike any that people give: others in the store's folder are theirs."""
GITIGNORE = "*\n!.gitignore\n"
OPEN_ATTEMPTS = 5
"""How often a reader looks again when a sync replaced the generation between manifest and files."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store says of itself.

    ``documents`` maps paths to the files as they were read; ``refused`` maps the paths of files whose bytes are no
    document to their digests; ``files`` maps the generation's files to their SHA-256.
    """

    model: str
    model_digest: str
    dimension: int
    chunking: Chunking
    reader_version: str
    documents: dict[str, FileState]
    refused: dict[str, str]
    skipped: tuple[SkippedDocument, ...]
    passages: int
    generation: str = ""
    synced: str = ""
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def summary(self) -> StoreSummary:
        """Sum up what the store holds."""
        synced = datetime.fromisoformat(self.synced)
        return StoreSummary(self.generation, self.model, len(self.documents), self.passages, synced, self.skipped)


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete saved state of the index, open for reading."""

    manifest: Manifest
    index: Index
    texts: Texts


def read_manifest(embeddings_dir: Path) -> Manifest:
    """Read a store's manifest.

    Raises:
        IndexNotFoundError: there is none; nothing has been synced yet.
        CorruptIndexError: it cannot be understood.
        StoreError: the system refuses to read it.
    """
    try:
        fields = json.loads((embeddings_dir / MANIFEST_FILE).read_text("utf-8"))
        if fields["format"] != FORMAT:
            raise CorruptIndexError(
                embeddings_dir, f"another version of docqa made it (format {fields['format']}, not {FORMAT})"
            )
        fields["documents"] = {path: FileState(**state) for path, state in fields["documents"].items()}
        fields["chunking"] = Chunking(**fields["chunking"])
        fields["skipped"] = tuple(SkippedDocument(**skipped) for skipped in fields["skipped"])
        manifest = Manifest(**fields)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise IndexNotFoundError(embeddings_dir) from exc
    except OSError as exc:
        raise StoreError(f"cannot read the index in '{embeddings_dir}': {exc.strerror}; check its permissions") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} cannot be understood") from exc
    if not GENERATION.fullmatch(manifest.generation):
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} names no generation")
    return manifest


def open_generation(embeddings_dir: Path) -> Generation:
    """Open the current generation, every file checked against the manifest.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        CorruptIndexError: the files disagree with the manifest.
        StoreError: the system refuses to read them.
    """
    manifest = read_manifest(embeddings_dir)
    for _ in range(OPEN_ATTEMPTS):
        try:
            return _open(embeddings_dir, manifest)
        except CorruptIndexError:
            present = read_manifest(embeddings_dir)
            if present.generation == manifest.generation:
                raise
            manifest = present
    raise StoreLockedError(embeddings_dir)


def check_files(embeddings_dir: Path, manifest: Manifest) -> None:
    """Compare every file of a generation with the manifest's digests.

    Raises:
        CorruptIndexError: a file is missing or not as it was written.
    """
    for name, digest in manifest.files.items():
        try:
            if _digest(embeddings_dir / manifest.generation / name) != digest:
                raise CorruptIndexError(embeddings_dir, f"{name} is not as it was written")
        except OSError as exc:
            raise CorruptIndexError(embeddings_dir, f"{name} cannot be read: {exc.strerror}") from exc


def check_model(manifest: Manifest, embedder: Embedder) -> None:
    """Check that an embedder is the one a store was made with, by name and weights.

    Raises:
        IndexMismatchError: it is another.
    """
    if embedder.name != manifest.model or embedder.digest != manifest.model_digest:
        raise IndexMismatchError(manifest.model, embedder.name)


@contextmanager
def write_lock(embeddings_dir: Path) -> Iterator[None]:
    """Hold the store for writing; the system lets go of it when the process ends, however it ends.

    Raises:
        StoreLockedError: another process or thread holds it.
        StoreError: the folder cannot be written.
    """
    with _writing(embeddings_dir):
        if not embeddings_dir.exists():
            embeddings_dir.mkdir(parents=True)
            (embeddings_dir / ".gitignore").write_text(GITIGNORE)
    lock = filelock.FileLock(embeddings_dir / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as exc:
        raise StoreLockedError(embeddings_dir) from exc
    except OSError as exc:
        raise StoreError(f"cannot write to '{embeddings_dir}': {exc.strerror}; check its permissions") from exc
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_generation(embeddings_dir: Path) -> Iterator[Path]:
    """Make a folder for a new generation; it is removed again when the block fails."""
    folder = embeddings_dir / f"generation-{secrets.token_hex(6)}"
    with _writing(embeddings_dir):
        folder.mkdir()
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def commit(embeddings_dir: Path, folder: Path, manifest: Manifest) -> None:
    """Make a generation the current one, whole or not at all, and remove the others.

    Raises:
        StoreError: it cannot be written; it is removed again.
    """
    with _writing(embeddings_dir):
        try:
            for path in [*_files(folder), *(path for path in folder.rglob("*") if path.is_dir()), folder]:
                _flush(path)
            complete = replace(
                manifest,
                generation=folder.name,
                synced=datetime.now(UTC).isoformat(timespec="seconds"),
                files={path.relative_to(folder).as_posix(): _digest(path) for path in _files(folder)},
            )
            write_manifest(embeddings_dir, complete)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _flush(embeddings_dir)
    for other in embeddings_dir.iterdir():
        if GENERATION.fullmatch(other.name) and other.name != folder.name:
            shutil.rmtree(other, ignore_errors=True)


def write_manifest(embeddings_dir: Path, manifest: Manifest) -> None:
    """Put a manifest in place, whole or not at all.

    Raises:
        StoreError: it cannot be written; the one before is in place.
    """
    beside = embeddings_dir / f"{MANIFEST_FILE}.new"
    with _writing(embeddings_dir):
        try:
            beside.write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1) + "\n", "utf-8")
            _flush(beside)
            beside.replace(embeddings_dir / MANIFEST_FILE)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _open(embeddings_dir: Path, manifest: Manifest) -> Generation:
    check_files(embeddings_dir, manifest)
    folder = embeddings_dir / manifest.generation
    try:
        texts = Texts.open(folder / TEXTS_FILE)
        index = Index.read(folder)
    except (OSError, ValueError, LookupError, RuntimeError) as exc:
        raise CorruptIndexError(embeddings_dir, str(exc)) from exc
    if len(index) != manifest.passages:
        raise CorruptIndexError(embeddings_dir, f"{len(index)} passages instead of {manifest.passages}")
    return Generation(manifest, index, texts)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the system write a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(embeddings_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as exc:  # faiss reports a failed write as a RuntimeError
        reason = getattr(exc, "strerror", None) or str(exc)
        raise StoreError(
            f"cannot write the index to '{embeddings_dir}': {reason}; the previous index is intact"
        ) from exc
