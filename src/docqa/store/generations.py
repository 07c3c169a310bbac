"""Generations come and go: a new one becomes current, the one before is kept or returned to, the others removed."""

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from docqa.durable import abandoned, flush_all
from docqa.errors import CorruptIndexError, IndexNotFoundError, StoreError
from docqa.store.checking import check_files, digest_file
from docqa.store.locking import write_lock, writing
from docqa.store.manifest import (
    GENERATION,
    MANIFEST_FILE,
    Manifest,
    StoredFile,
    read_manifest,
    read_previous,
    write_manifest,
)

UNFINISHED_FOLDER = "unfinished"
OLD_PREVIOUS_FILE = "previous.json"
"""Where stores of format 4 had it."""


@contextmanager
def new_generation(embeddings_dir: Path) -> Iterator[Path]:
    """Make a folder for a new generation; it is removed again when the block fails.

    Raises:
        StoreError: it cannot be made.
    """
    folder = embeddings_dir / f"generation-{secrets.token_hex(6)}"
    with writing(embeddings_dir):
        folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def commit(embeddings_dir: Path, folder: Path, manifest: Manifest, *, keep_previous: bool) -> None:
    """Make a generation the current one, whole or not at all, and remove the others but perhaps the one before.

    Raises:
        StoreError: it cannot be written, and is removed again unless it is the current one already.
    """
    try:
        previous = _read_current(embeddings_dir) if keep_previous else None
        complete = _complete(embeddings_dir, folder, manifest)
        write_manifest(embeddings_dir, complete, previous)
    except BaseException:
        _discard(embeddings_dir, folder)
        raise
    _keep_only(embeddings_dir, [complete, previous])
    _remove_remains(embeddings_dir)


def roll_back(embeddings_dir: Path) -> Manifest:
    """Make the previous generation the current one again, and the current one the previous.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        StoreLockedError: a sync is writing.
        StoreError: none is kept, it is damaged, or the store cannot be written; the current one stays.
    """
    if not (embeddings_dir / MANIFEST_FILE).exists():
        raise IndexNotFoundError(embeddings_dir)
    with write_lock(embeddings_dir):
        previous = read_previous(embeddings_dir)
        if previous is None:
            raise StoreError(f"no previous index is kept in '{embeddings_dir}'; the next sync that changes it keeps it")
        try:
            check_files(embeddings_dir, previous, thorough=True)
        except CorruptIndexError as exc:
            raise StoreError(
                f"the previous index in '{embeddings_dir}' is damaged: {exc.reason}; nothing is changed"
            ) from exc
        write_manifest(embeddings_dir, previous, _read_current(embeddings_dir))
        remove_leftovers(embeddings_dir)
    return previous


def tidy(embeddings_dir: Path) -> None:
    """Remove all that the current generation and the one kept before it do not need."""
    remove_leftovers(embeddings_dir)
    _remove_remains(embeddings_dir)


def remove_leftovers(embeddings_dir: Path) -> None:
    """Remove the generations that no manifest names: older ones, and what a crash left."""
    try:
        manifests = [read_manifest(embeddings_dir), read_previous(embeddings_dir)]
    except IndexNotFoundError:
        manifests = []
    except StoreError:  # which ones it names is not known
        return
    _keep_only(embeddings_dir, manifests)


def _remove_remains(embeddings_dir: Path) -> None:
    """Remove what interrupted syncs left, and older versions."""
    for path in (*abandoned(embeddings_dir / MANIFEST_FILE), embeddings_dir / OLD_PREVIOUS_FILE):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    shutil.rmtree(embeddings_dir / UNFINISHED_FOLDER, ignore_errors=True)


def _keep_only(embeddings_dir: Path, manifests: Iterable[Manifest | None]) -> None:
    """Remove the generations that none of some manifests names."""
    kept = {manifest.generation for manifest in manifests if manifest}
    for other in embeddings_dir.glob("generation-*"):
        if GENERATION.fullmatch(other.name) and other.name not in kept:
            shutil.rmtree(other, ignore_errors=True)


def _discard(embeddings_dir: Path, folder: Path) -> None:
    """Remove a generation that could not be made the current one; one that is, perhaps not for good, needs others."""
    try:
        is_current = read_manifest(embeddings_dir).generation == folder.name
    except IndexNotFoundError:
        is_current = False
    except StoreError:  # which one it names is not known
        return
    if not is_current:
        shutil.rmtree(folder, ignore_errors=True)


def _complete(embeddings_dir: Path, folder: Path, manifest: Manifest) -> Manifest:
    """Have the system write a generation to the disk, and complete its manifest."""
    with writing(embeddings_dir):
        flush_all(folder)
        files = {path.relative_to(folder).as_posix(): _stored_file(path) for path in _files(folder)}
    synced = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(manifest, generation=folder.name, synced=synced, files=files)


def _read_current(embeddings_dir: Path) -> Manifest | None:
    """Read the current manifest, if there is one that can be understood."""
    with suppress(IndexNotFoundError, CorruptIndexError):
        return read_manifest(embeddings_dir)
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _stored_file(path: Path) -> StoredFile:
    return StoredFile(path.stat().st_size, digest_file(path))
