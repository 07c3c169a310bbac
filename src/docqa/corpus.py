"""The corpus folder: find its files and read their bytes. Only this module reads ``corpus/``."""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

from docqa.errors import CorpusNotFoundError, DocumentReadError
from docqa.types import SkippedDocument

MAX_BYTES = 50_000_000
"""The largest file that is read: some fifty books of text, tens of thousands of passages to embed."""


SETTLED = 2_000_000_000
"""Nanoseconds; longer than the grain of any file system's clock."""
NOT_TEXT = re.compile("[\ud800-\udfff]")
"""How Python shows the bytes of a file name that are not text."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's SHA-256, and the size in bytes and time of change in nanoseconds it had then."""

    digest: str
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a corpus: the states of those that can be read, by path, and the others with the reason."""

    files: dict[str, FileState]
    skipped: tuple[SkippedDocument, ...]


def list_corpus(corpus_dir: Path, suffixes: frozenset[str], known: Mapping[str, FileState]) -> Listing:
    """List a corpus: every file with one of the suffixes and its state, and every other file as skipped.

    Hidden files and folders (a leading dot) are not part of a corpus. Paths are POSIX, relative and in order. A file
    whose size and time of change are the known ones is not read again.

    Raises:
        CorpusNotFoundError: the folder is missing.
    """
    if not corpus_dir.is_dir():
        raise CorpusNotFoundError(corpus_dir)
    files, skipped = {}, []
    for path, reason in sorted(_walk(corpus_dir)):
        if not reason and PurePosixPath(path).suffix.lower() not in suffixes:
            kind = PurePosixPath(path).suffix or "files without a suffix"
            reason = f"docqa does not read {kind}; save it in a format it reads, as .docx, .html or .txt"
        try:
            if not reason:
                files[path] = _state(corpus_dir, path, known.get(path))
        except DocumentReadError as exc:
            reason = exc.reason
        if reason:
            skipped.append(SkippedDocument(path, reason))
    return Listing(files, tuple(skipped))


def read_bytes(corpus_dir: Path, path: str) -> bytes:
    """Read one file of the corpus.

    Raises:
        DocumentReadError: it is empty, too large, gone, or the system refuses.
    """
    with _translated(path):
        size = (corpus_dir / path).stat().st_size
        if size > MAX_BYTES:
            limit = MAX_BYTES // 1_000_000
            raise DocumentReadError(path, f"{ceil(size / 1e6)} MB is more than the {limit} MB docqa reads; divide it")
        data = (corpus_dir / path).read_bytes()
    if not data:
        raise DocumentReadError(path, "the file is empty")
    return data


def digest(data: bytes) -> str:
    """Compute the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def _state(corpus_dir: Path, path: str, known: FileState | None) -> FileState:
    with _translated(path):
        found = (corpus_dir / path).stat()
    # the system's own time of change too, for unpacking and copying set the other one to the past
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    if known and (known.size, known.changed) == (found.st_size, changed):
        return known
    data = read_bytes(corpus_dir, path)
    # a file changed a moment ago may change again within the clock's grain, unseen: it is read again next time
    settled = time.time_ns() - changed > SETTLED
    return FileState(digest(data), found.st_size, changed if settled else 0)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise DocumentReadError(path, "the file vanished while it was read; sync again") from exc
    except OSError as exc:
        raise DocumentReadError(path, f"the system refuses: {exc.strerror}") from exc


def _walk(corpus_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield each file's path with the reason it cannot be followed, or an empty one."""
    refused: list[OSError] = []
    for folder, folders, names in os.walk(corpus_dir, onerror=refused.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(folder)
        for name in [*names, *(name for name in folders if (here / name).is_symlink())]:
            if name.startswith("."):
                continue
            path = (here / name).relative_to(corpus_dir).as_posix()
            if NOT_TEXT.search(path):
                yield os.fsencode(path).decode("utf-8", "backslashreplace"), "its name is not valid text; rename it"
            else:
                yield path, _why_not_followed(here / name, corpus_dir)
    for error in refused:
        yield Path(error.filename).relative_to(corpus_dir).as_posix(), f"the system refuses: {error.strerror}"


def _why_not_followed(file: Path, corpus_dir: Path) -> str:
    if file.is_symlink():
        return f"a symbolic link is not followed; {_what_instead(file, corpus_dir)}"
    return "" if file.is_file() else "not a regular file"


def _what_instead(link: Path, corpus_dir: Path) -> str:
    try:
        inside = link.resolve().is_relative_to(corpus_dir.resolve())
    except (OSError, RuntimeError):
        return "this one points to itself, remove it"
    return "what it points to is read in its own place" if inside else "it points out of the corpus, copy the file"
