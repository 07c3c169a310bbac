"""Checking: is a generation as it was written?

The manifest has the size and SHA-256 of every file. On opening all sizes are compared, and the contents of files, the
smallest first, up to ``CHECKED_ON_OPENING`` bytes: of a store of that size or less every byte, of a larger one all but
its largest files. In these a wrong byte could change a score; it cannot change a word, for each passage and document
carries a checksum of its own, compared whenever it is fetched. ``docqa status --verify`` compares everything, and so
does a sync before it copies anything. Damage that was found is noted in the generation's folder, and the next sync
rebuilds the store: from its texts and embeddings if they are sound, else from the corpus.
"""

import hashlib
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from docqa.durable import DAMAGED_FILE, note_damage
from docqa.embedding import Embedder
from docqa.errors import CorruptIndexError, IndexMismatchError, StoreError, unreadable
from docqa.store.manifest import Manifest, read_manifest

Done = TypeVar("Done")
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
CHECKED_ON_OPENING = 64_000_000
"""Bytes, a twentieth of a second's work."""


def check(embeddings_dir: Path, *, thorough: bool = False) -> Manifest:
    """Compare the current generation's files with the manifest, without opening them, and return the manifest.

    Raises:
        IndexNotFoundError, CorruptIndexError, StoreError: as `open_generation`.
    """

    def check_it(manifest: Manifest) -> Manifest:
        check_files(embeddings_dir, manifest, thorough=thorough)
        return manifest

    return with_current(embeddings_dir, check_it)


def verify(embeddings_dir: Path) -> Manifest:
    """Compare every byte of the current generation with what was written; damage is noted for the next sync.

    Raises:
        IndexNotFoundError, CorruptIndexError, StoreError: as `open_generation`.
    """
    try:
        return check(embeddings_dir, thorough=True)
    except CorruptIndexError as exc:
        with suppress(StoreError):
            note_damage(embeddings_dir / read_manifest(embeddings_dir).generation, exc.reason)
        raise


def check_files(embeddings_dir: Path, manifest: Manifest, *, thorough: bool = False) -> None:
    """Compare a generation's files with the manifest: the sizes, and the contents of some of them or of all.

    Raises:
        CorruptIndexError: a file is missing or not as it was written, or damage was found before.
        StoreError: the system refuses to read one, which may be sound.
    """
    check_note(embeddings_dir, manifest)
    compare(embeddings_dir, manifest, manifest.files.keys(), thorough=thorough)


def check_model(manifest: Manifest, embedder: Embedder) -> None:
    """Check that an embedder is the one a store was made with, by name and weights.

    Raises:
        IndexMismatchError: it is another.
    """
    if embedder.name != manifest.model or embedder.digest != manifest.model_digest:
        raise IndexMismatchError(manifest.model, embedder.name)


def with_current(embeddings_dir: Path, do: Callable[[Manifest], Done]) -> Done:
    """Do something with the current generation, and again with the next when a sync removes it meanwhile."""
    manifest = read_manifest(embeddings_dir)
    while True:
        try:
            return do(manifest)
        except CorruptIndexError:
            present = read_manifest(embeddings_dir)
            if present.generation == manifest.generation:
                raise
            manifest = present


def check_note(embeddings_dir: Path, manifest: Manifest) -> None:
    """Raise the damage that was found before."""
    note = embeddings_dir / manifest.generation / DAMAGED_FILE
    with suppress(*ABSENT), _reading(embeddings_dir, DAMAGED_FILE):
        raise CorruptIndexError(embeddings_dir, note.read_text("utf-8", "replace"))


def compare(embeddings_dir: Path, manifest: Manifest, names: Set[str], *, thorough: bool) -> None:
    """Compare some of a generation's files with the manifest, as `check_files` does with all."""
    folder, size = embeddings_dir / manifest.generation, 0
    for name in sorted(names, key=lambda name: manifest.files[name].size):
        written = manifest.files[name]
        size += written.size
        try:
            with _reading(embeddings_dir, name):
                sound = (folder / name).stat().st_size == written.size
                if sound and (thorough or size <= CHECKED_ON_OPENING):
                    sound = digest_file(folder / name) == written.digest
        except ABSENT as exc:
            raise CorruptIndexError(embeddings_dir, f"{name} cannot be read: {exc.strerror}") from exc
        if not sound:
            raise CorruptIndexError(embeddings_dir, f"{name} is not as it was written")


def digest_file(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _reading(embeddings_dir: Path, name: str) -> Iterator[None]:
    """Turn what the system says of a file that it refuses to read, but not of an absent one, into a ``StoreError``."""
    try:
        yield
    except ABSENT:
        raise
    except OSError as exc:
        raise unreadable(embeddings_dir, f"{name}: {exc.strerror}") from exc
