"""The corpus folder: find its files and read their bytes. Only this module reads ``corpus/``."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

from docqa.errors import CorpusNotFoundError, DocumentReadError
from docqa.types import SkippedDocument

MAX_BYTES = 50_000_000
"""The largest file that is read. A book is about 1 MB of text; 50 MB take some two hours to embed on two cores."""


NOT_TEXT = re.compile("[\ud800-\udfff]")
"""How Python shows the bytes of a file name that are not text."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a corpus: the digests of those that can be read, by path, and the others with the reason."""

    digests: dict[str, str]
    skipped: tuple[SkippedDocument, ...]


def list_corpus(corpus_dir: Path, suffixes: frozenset[str]) -> Listing:
    """List a corpus: every file with one of the suffixes and its digest, and every other file as skipped.

    Hidden files and folders (a leading dot) are not part of a corpus. Paths are POSIX, relative and in order.

    Raises:
        CorpusNotFoundError: the folder is missing.
    """
    if not corpus_dir.is_dir():
        raise CorpusNotFoundError(corpus_dir)
    digests, skipped = {}, []
    for path, reason in sorted(_walk(corpus_dir)):
        if not reason and PurePosixPath(path).suffix.lower() not in suffixes:
            kind = PurePosixPath(path).suffix or "files without a suffix"
            reason = f"docqa does not read {kind}; it reads {', '.join(sorted(suffixes))}"
        try:
            if not reason:
                digests[path] = digest(read_bytes(corpus_dir, path))
        except DocumentReadError as exc:
            reason = exc.reason
        if reason:
            skipped.append(SkippedDocument(path, reason))
    return Listing(digests, tuple(skipped))


def read_bytes(corpus_dir: Path, path: str) -> bytes:
    """Read one file of the corpus.

    Raises:
        DocumentReadError: it is empty, too large, gone, or the system refuses.
    """
    file = corpus_dir / path
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            limit = MAX_BYTES // 1_000_000
            raise DocumentReadError(path, f"{ceil(size / 1e6)} MB is more than the {limit} MB docqa reads; divide it")
        data = file.read_bytes()
    except FileNotFoundError as exc:
        raise DocumentReadError(path, "the file vanished while it was read; sync again") from exc
    except OSError as exc:
        raise DocumentReadError(path, f"the system refuses: {exc.strerror}") from exc
    if not data:
        raise DocumentReadError(path, "the file is empty")
    return data


def digest(data: bytes) -> str:
    """Compute the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


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
        return "a symbolic link is not followed; copy the file" + _where_it_leads(file, corpus_dir)
    return "" if file.is_file() else "not a regular file"


def _where_it_leads(link: Path, corpus_dir: Path) -> str:
    try:
        return "" if link.resolve().is_relative_to(corpus_dir.resolve()) else " (it points out of the corpus)"
    except (OSError, RuntimeError):
        return " (it points to itself)"
