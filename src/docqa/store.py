"""The store: the index on disk as immutable generations. Only this module and `unfinished` write ``embeddings/``.

    embeddings/
    ├── manifest.json         the commit point: replaced as a whole, last of all; in it the manifest before it, whose
    │                         generation is kept for `rollback`
    ├── writer.json           while a sync writes: which process, where, since when
    ├── unfinished/           what an interrupted sync embedded: see `unfinished`
    └── generation-3f9c2a1047be/
        ├── texts.sqlite      documents, blocks, passages, sentences, by row
        ├── passages.faiss    row i is passage i
        ├── passages.npy      the same as they were embedded, memory-mapped as all that follows
        ├── sentences.npy     row-aligned through starts.npy
        ├── tokens.npy        of the sentences, through token_starts.npy
        └── terms/            BM25

A reader opens every file of a generation at once, so that a later sync may remove the folder under it.

How damage is found: the manifest has the size and SHA-256 of every file. On opening all sizes are compared, and the
contents of files, the smallest first, up to ``CHECKED_ON_OPENING`` bytes: of a store of that size or less every byte,
of a larger one all but its largest files. In these a wrong byte could change a score; it cannot change a word, for each
passage and document carries a checksum of its own, compared whenever it is fetched. ``docqa status --verify`` compares
everything, and so does a sync before it copies anything. Damage that was found is noted in the generation's folder, and
the next sync rebuilds the store: from its texts and embeddings if they are sound, else from the corpus.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import filelock

from docqa.corpus import FileState
from docqa.durable import DAMAGED_FILE, abandoned, flush_all, note_damage, replacing
from docqa.embedding import Embedder
from docqa.errors import (
    CorruptIndexError,
    IndexMismatchError,
    IndexNotFoundError,
    StoreError,
    StoreLockedError,
    unreadable,
)
from docqa.index import Index, StoredEmbeddings, StoredTerms
from docqa.texts import Texts
from docqa.types import Chunking, SkippedDocument, StoreSummary

Done = TypeVar("Done")
Read = TypeVar("Read")

FORMAT = 5
"""Another one when anything is stored otherwise, or when other terms are taken from a text: a sync copies terms too."""
MANIFEST_FILE = "manifest.json"
PREVIOUS = "previous"
"""The field of a manifest's file in which the one before it is, with a checksum of its own."""
OLD_PREVIOUS_FILE = "previous.json"
"""Where stores of format 4 had it."""
LOCK_FILE = ".lock"
WRITER_FILE = "writer.json"
UNFINISHED_FOLDER = "unfinished"
TEXTS_FILE = "texts.sqlite"
GENERATION = re.compile(r"generation-[0-9a-f]{12}")
"""The name of a generation's folder, unlike any that people give: others in the store's folder are theirs."""
GITIGNORE = "*\n!.gitignore\n"
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
CHECKED_ON_OPENING = 64_000_000
"""Bytes, a twentieth of a second's work."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a generation as it was written: its size in bytes and its SHA-256."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store says of itself.

    ``documents`` maps paths to the files as they were read; ``refused`` maps the paths of files whose bytes are no
    document to their digests; ``files`` are the generation's.
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
    files: dict[str, StoredFile] = field(default_factory=dict)
    format: int = FORMAT

    def summary(self) -> StoreSummary:
        """Sum up what the store holds."""
        synced = datetime.fromisoformat(self.synced)
        size = sum(file.size for file in self.files.values())
        return StoreSummary(self.generation, self.model, len(self.documents), self.passages, synced, self.skipped, size)


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete saved state of the index, open for reading."""

    manifest: Manifest
    index: Index
    texts: Texts
    embeddings_dir: Path

    @contextmanager
    def blaming_damage(self) -> Iterator[None]:
        """Raise ``CorruptIndexError`` for an error that damage to the files explains, and others as they are."""
        try:
            yield
        except (ArithmeticError, LookupError, TypeError, ValueError) as exc:
            if damage := self._find_damage():
                raise damage from exc
            raise

    def _find_damage(self) -> CorruptIndexError | None:
        """Find and note damage to the files, if they are still there: a later sync may have removed them."""
        folder = self.embeddings_dir / self.manifest.generation
        try:
            check_files(self.embeddings_dir, self.manifest, thorough=True)
        except CorruptIndexError as damage:
            if folder.is_dir():
                note_damage(folder, damage.reason)
                return damage
        except StoreError:  # which tells nothing of what is in them
            pass
        return None


@dataclass(frozen=True, slots=True)
class Sources:
    """Of a generation what the rest follows from, its texts and embeddings, and its terms; every byte compared.

    ``damage`` says what is wrong with the rest, if anything; there are no terms then.
    """

    manifest: Manifest
    embeddings: StoredEmbeddings
    terms: StoredTerms | None
    texts: Texts
    damage: CorruptIndexError | None


def read_manifest(embeddings_dir: Path) -> Manifest:
    """Read a store's manifest.

    Raises:
        IndexNotFoundError: there is none; nothing has been synced yet.
        CorruptIndexError: it cannot be understood.
        StoreError: the system refuses to read it.
    """
    return _read_manifest(embeddings_dir, _current)


def read_older_settings(embeddings_dir: Path) -> tuple[str, Chunking] | None:
    """Read the model and chunking of a store that an older version made, if it tells."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        fields = json.loads((embeddings_dir / MANIFEST_FILE).read_text("utf-8"))
        if fields["format"] < FORMAT:
            return str(fields["model"]), Chunking(**fields["chunking"])
    return None


def read_previous(embeddings_dir: Path) -> Manifest | None:
    """Read the manifest of the generation before the current one, if it is kept and can be understood.

    Raises:
        StoreError: the system refuses to read it.
    """
    with suppress(IndexNotFoundError, CorruptIndexError):
        return _read_manifest(embeddings_dir, _previous)
    return None


def open_generation(embeddings_dir: Path, *, thorough: bool = False) -> Generation:
    """Open the current generation, checked against the manifest: see above, or every byte if ``thorough``.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        CorruptIndexError: the files disagree with the manifest.
        StoreError: the system refuses to read them.
    """

    def open_it(manifest: Manifest) -> Generation:
        check_files(embeddings_dir, manifest, thorough=thorough)
        return _open(embeddings_dir, manifest)

    return _with_current(embeddings_dir, open_it)


def open_sources(embeddings_dir: Path) -> Sources:
    """Open what a sync copies from the current generation, also when other files of it are damaged.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        CorruptIndexError: these files are damaged, or what is damaged cannot be told.
        StoreError: the system refuses to read them.
    """
    manifest = read_manifest(embeddings_dir)
    folder, names = embeddings_dir / manifest.generation, {TEXTS_FILE, *StoredEmbeddings.FILES}
    _compare(embeddings_dir, manifest, manifest.files.keys() & names, thorough=True)
    damage = None
    try:
        _compare(embeddings_dir, manifest, manifest.files.keys() - names, thorough=True)
    except CorruptIndexError as exc:
        damage = exc
    else:
        _check_note(embeddings_dir, manifest)
    try:
        terms = None if damage else StoredTerms.read(folder)
        return Sources(manifest, StoredEmbeddings.read(folder), terms, Texts.open(folder / TEXTS_FILE), damage)
    except (
        OSError,
        ValueError,
        RuntimeError,
        MemoryError,
    ) as exc:  # every byte is as it was written, so the system is to blame
        raise unreadable(embeddings_dir, str(exc) or type(exc).__name__) from exc


def check(embeddings_dir: Path, *, thorough: bool = False) -> Manifest:
    """Compare the current generation's files with the manifest, without opening them, and return the manifest.

    Raises:
        IndexNotFoundError, CorruptIndexError, StoreError: as `open_generation`.
    """

    def check_it(manifest: Manifest) -> Manifest:
        check_files(embeddings_dir, manifest, thorough=thorough)
        return manifest

    return _with_current(embeddings_dir, check_it)


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
    _check_note(embeddings_dir, manifest)
    _compare(embeddings_dir, manifest, manifest.files.keys(), thorough=thorough)


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
    with writing(embeddings_dir):
        if not embeddings_dir.exists():
            embeddings_dir.mkdir(parents=True)
            (embeddings_dir / ".gitignore").write_text(GITIGNORE)
    lock = filelock.FileLock(embeddings_dir / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as exc:
        raise StoreLockedError(embeddings_dir, _writer(embeddings_dir)) from exc
    except OSError as exc:
        raise StoreError(f"cannot write to '{embeddings_dir}': {exc.strerror}; check its permissions") from exc
    try:
        with suppress(OSError):  # it only tells others who writes
            (embeddings_dir / WRITER_FILE).unlink(missing_ok=True)  # of one that was killed
            (embeddings_dir / WRITER_FILE).write_text(json.dumps(_this_process()), "utf-8")
        yield
    finally:
        with suppress(OSError):
            (embeddings_dir / WRITER_FILE).unlink()
        lock.release()


@contextmanager
def writing(embeddings_dir: Path, *others: type[Exception]) -> Iterator[None]:
    """Turn what the system says of a failed write, an ``OSError`` or one of ``others``, into a ``StoreError``."""
    failures: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except failures as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise StoreError(
            f"cannot write the index to '{embeddings_dir}': {reason}; the previous index is intact, "
            "and the next sync goes on where this one stopped"
        ) from exc


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
        StoreError: it cannot be written; it is removed again, unless it was the current one already.
    """
    with writing(embeddings_dir):
        try:
            flush_all(folder)
            complete = replace(
                manifest,
                generation=folder.name,
                synced=datetime.now(UTC).isoformat(timespec="seconds"),
                files={path.relative_to(folder).as_posix(): _stored_file(path) for path in _files(folder)},
            )
            write_manifest(embeddings_dir, complete, _read_current(embeddings_dir) if keep_previous else None)
        except BaseException:
            remove_leftovers(embeddings_dir)
            raise
    tidy(embeddings_dir)


def write_manifest(embeddings_dir: Path, manifest: Manifest, previous: Manifest | None) -> None:
    """Put the manifests of the current generation and of the one before it, if any, in place, both or none.

    Raises:
        StoreError: they cannot be written; those before are in place.
    """
    both = _sealed(manifest) | {PREVIOUS: _sealed(previous) if previous else None}
    with writing(embeddings_dir), replacing(embeddings_dir / MANIFEST_FILE) as file:
        # all in one line, for with indents it takes Python five times as long
        file.write((json.dumps(both, default=_fields, ensure_ascii=False) + "\n").encode())


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
    for path in (*abandoned(embeddings_dir / MANIFEST_FILE), embeddings_dir / OLD_PREVIOUS_FILE):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    shutil.rmtree(embeddings_dir / UNFINISHED_FOLDER, ignore_errors=True)


def remove_leftovers(embeddings_dir: Path) -> None:
    """Remove the generations that no manifest names: older ones, and what a crash left."""
    try:
        manifests = [read_manifest(embeddings_dir), read_previous(embeddings_dir)]
    except IndexNotFoundError:
        manifests = []
    except StoreError:  # which ones it names is not known
        return
    kept = {manifest.generation for manifest in manifests if manifest}
    for other in embeddings_dir.glob("generation-*"):
        if GENERATION.fullmatch(other.name) and other.name not in kept:
            shutil.rmtree(other, ignore_errors=True)


def _read_manifest(embeddings_dir: Path, parse: Callable[[Path, dict[str, Any]], Read]) -> Read:
    try:
        found = (embeddings_dir / MANIFEST_FILE).stat()
        manifest: Read = _parse_manifest(embeddings_dir, parse, (found.st_ino, found.st_size, found.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise IndexNotFoundError(embeddings_dir) from exc
    except OSError as exc:
        raise unreadable(embeddings_dir, str(exc.strerror)) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} cannot be understood") from exc
    return manifest


@lru_cache(8)
def _parse_manifest(embeddings_dir: Path, parse: Callable[[Path, Any], Any], state: tuple[int, ...]) -> Any:
    """Parse a manifest, or return the one parsed before while the file's state is the same: every query asks."""
    return parse(embeddings_dir, json.loads((embeddings_dir / MANIFEST_FILE).read_text("utf-8")))


def _current(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest:
    return _unsealed(embeddings_dir, {name: value for name, value in fields.items() if name != PREVIOUS})


def _previous(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest | None:
    return _unsealed(embeddings_dir, fields[PREVIOUS]) if fields[PREVIOUS] else None


def _unsealed(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest:
    if fields["format"] != FORMAT:
        reason = f"another version of docqa made it (format {fields['format']}, not {FORMAT})"
        raise CorruptIndexError(embeddings_dir, reason)
    if fields.pop("checksum") != _seal(fields):
        raise ValueError("the checksum is another")
    fields["documents"] = {path: FileState(**state) for path, state in fields["documents"].items()}
    fields["chunking"] = Chunking(**fields["chunking"])
    fields["skipped"] = tuple(SkippedDocument(**skipped) for skipped in fields["skipped"])
    fields["files"] = {path: StoredFile(**file) for path, file in fields["files"].items()}
    manifest = Manifest(**fields)
    if not GENERATION.fullmatch(manifest.generation):
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} names no generation")
    return manifest


def _with_current(embeddings_dir: Path, do: Callable[[Manifest], Done]) -> Done:
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


@contextmanager
def _reading(embeddings_dir: Path, name: str) -> Iterator[None]:
    """Turn what the system says of a file that it refuses to read, but not of an absent one, into a ``StoreError``."""
    try:
        yield
    except ABSENT:
        raise
    except OSError as exc:
        raise unreadable(embeddings_dir, f"{name}: {exc.strerror}") from exc


def _open(embeddings_dir: Path, manifest: Manifest) -> Generation:
    folder = embeddings_dir / manifest.generation
    try:
        texts = Texts.open(folder / TEXTS_FILE)
        index = Index.read(folder)
    except Exception as exc:  # a damaged file makes the libraries that read it raise anything, as a full memory does
        check_files(embeddings_dir, manifest, thorough=True)
        raise unreadable(embeddings_dir, str(exc) or type(exc).__name__) from exc
    if len(index) != manifest.passages:
        raise CorruptIndexError(embeddings_dir, f"{len(index)} passages instead of {manifest.passages}")
    return Generation(manifest, index, texts, embeddings_dir)


def _sealed(manifest: Manifest) -> dict[str, Any]:
    fields = _fields(manifest)
    return fields | {"checksum": _seal(fields)}


def _seal(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, default=_fields).encode()).hexdigest()


def _fields(of: Any) -> dict[str, Any]:
    """Return what a dataclass holds, as it is: `asdict` copies it all, which takes a sync longer than to write it."""
    return {name: getattr(of, name) for name in of.__slots__}


def _check_note(embeddings_dir: Path, manifest: Manifest) -> None:
    """Raise the damage that was found before."""
    note = embeddings_dir / manifest.generation / DAMAGED_FILE
    with suppress(*ABSENT), _reading(embeddings_dir, DAMAGED_FILE):
        raise CorruptIndexError(embeddings_dir, note.read_text("utf-8", "replace"))


def _compare(embeddings_dir: Path, manifest: Manifest, names: Set[str], *, thorough: bool) -> None:
    folder, size = embeddings_dir / manifest.generation, 0
    for name in sorted(names, key=lambda name: manifest.files[name].size):
        written = manifest.files[name]
        size += written.size
        try:
            with _reading(embeddings_dir, name):
                sound = (folder / name).stat().st_size == written.size
                if sound and (thorough or size <= CHECKED_ON_OPENING):
                    sound = _digest(folder / name) == written.digest
        except ABSENT as exc:
            raise CorruptIndexError(embeddings_dir, f"{name} cannot be read: {exc.strerror}") from exc
        if not sound:
            raise CorruptIndexError(embeddings_dir, f"{name} is not as it was written")


def _read_current(embeddings_dir: Path) -> Manifest | None:
    """Read the current manifest, if there is one that can be understood."""
    with suppress(IndexNotFoundError, CorruptIndexError):
        return read_manifest(embeddings_dir)
    return None


def _this_process() -> dict[str, str]:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"process": str(os.getpid()), "host": socket.gethostname(), "since": since}


def _writer(embeddings_dir: Path) -> str:
    """Say who writes, if that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        writer = json.loads((embeddings_dir / WRITER_FILE).read_text("utf-8"))
        return f"process {writer['process']} on {writer['host']}, since {writer['since']}"
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored_file(path: Path) -> StoredFile:
    return StoredFile(path.stat().st_size, _digest(path))
