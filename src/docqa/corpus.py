"""The corpus folder: find its files, read their bytes, add and remove some. Only this module touches ``corpus/``."""

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from math import ceil
from pathlib import Path, PurePosixPath

from docqa.errors import CorpusNotFoundError, DocumentEditError, DocumentReadError
from docqa.naming import fold, safe_name
from docqa.types import SkippedDocument

MAX_BYTES = 50_000_000
"""The largest file that is read: some fifty books of text, tens of thousands of passages to embed."""


SETTLED = 2_000_000_000
"""Nanoseconds; longer than the grain of any file system's clock."""
HIDDEN = (".", "~$")
"""How the names begin of what is no document: hidden files, and those by which Word marks a file as open."""
NOT_TEXT = re.compile("[\ud800-\udfff]")
"""How Python shows the bytes of a file name that are not text."""

REFUSALS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your share of the disk is full; free some space",
    errno.EACCES: "the documents' folder cannot be written; change its permissions",
    errno.EPERM: "the documents' folder cannot be written; change its permissions",
    errno.EROFS: "the documents' folder is on a disk that is read-only",
    errno.ENAMETOOLONG: "its name is too long; shorten it",
    errno.ENOTDIR: "it stands behind a link, which is not followed",
    errno.ELOOP: "it stands behind a link, which is not followed",
}


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


FileMark = tuple[int, int, int]
"""A file's size in bytes, and its two times of change in nanoseconds."""


def check_corpus(corpus_dir: Path) -> None:
    """Check that the corpus folder is there.

    Raises:
        CorpusNotFoundError: it is not.
    """
    if not corpus_dir.is_dir():
        raise CorpusNotFoundError(corpus_dir)


def list_corpus(corpus_dir: Path, suffixes: frozenset[str], known: Mapping[str, FileState]) -> Listing:
    """List a corpus: every file with one of the suffixes and its state, and every other file as skipped.

    Hidden files and folders (a leading dot) and those by which Word marks open files (``~$``) are not part of a corpus.
    Paths are POSIX, relative and in order. A file whose size and time of change are the known ones is not read again.

    Raises:
        CorpusNotFoundError: the folder is missing.
    """
    check_corpus(corpus_dir)
    files, skipped = {}, []
    for path, reason in sorted(_walk(corpus_dir)):
        reason = reason or _why_not_read(path, suffixes)
        try:
            if not reason:
                files[path] = _state(corpus_dir, path, known.get(path))
        except DocumentReadError as exc:
            reason = exc.reason
        if reason:
            skipped.append(SkippedDocument(path, reason))
    return Listing(files, tuple(skipped))


def mark_files(corpus_dir: Path) -> dict[str, FileMark]:
    """Return what tells of each file of a corpus whether it has changed, by path, without reading any.

    Raises:
        CorpusNotFoundError: the folder is missing.
    """
    check_corpus(corpus_dir)
    marks = {}
    for path, _ in _walk(corpus_dir):
        with suppress(OSError):  # it is gone
            found = (corpus_dir / path).lstat()
            marks[path] = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return marks


def read_bytes(corpus_dir: Path, path: str) -> bytes:
    """Read one file of the corpus.

    Its folders are entered one by one and no link is followed, so that no path leads out of the corpus, whatever has
    taken the place of a file since it was listed.

    Raises:
        DocumentReadError: it is empty, too large, gone, no regular file, behind a link, or the system refuses.
    """
    if not _is_path(path):
        raise DocumentReadError(path, "that is no document's path")
    with _translated(path), ExitStack() as stack:
        *folders, name = path.split("/")
        # a pipe would otherwise keep us waiting for someone who writes to it
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = stack.enter_context(os.fdopen(os.open(name, flags, dir_fd=_enter_all(stack, corpus_dir, folders)), "rb"))
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise DocumentReadError(path, "not a regular file")
        data = file.read(MAX_BYTES + 1) if found.st_size <= MAX_BYTES else None
    reason = _why_not_kept(found.st_size if data is None else len(data))
    if data is None or reason:
        raise DocumentReadError(path, reason)
    return data


def digest(data: bytes) -> str:
    """Compute the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def last_changes(corpus_dir: Path, paths: Iterable[str]) -> dict[str, datetime]:
    """Tell when files were last changed, of those that are there."""
    found = {}
    for path in paths:
        with suppress(OSError, ValueError, OverflowError):
            found[path] = datetime.fromtimestamp((corpus_dir / path).stat().st_mtime, UTC)
    return found


def add_document(corpus_dir: Path, name: str, data: bytes, *, suffixes: frozenset[str]) -> str:
    """Add a file to a corpus, whole or not at all, and return its path.

    The name is not trusted, see `naming.safe_name`. When it is taken, in whatever case, the new file gets a number:
    ``notes (2).md``. No file is ever replaced. A corpus folder that is missing is made.

    Raises:
        CorpusNotFoundError: the corpus folder cannot be made.
        DocumentEditError: the same file is there already, docqa does not read such files, or the system refuses.
    """
    wanted = safe_name(name)
    reason = _why_not_read(wanted, suffixes) or _why_not_kept(len(data))
    if reason:
        raise DocumentEditError("add", name, reason)
    with suppress(OSError):
        corpus_dir.mkdir()
    if not corpus_dir.is_dir():
        raise CorpusNotFoundError(corpus_dir)
    with _editing("add", name):
        while True:
            free = _free_name(corpus_dir, wanted, data)
            with suppress(FileExistsError):  # someone took the name meanwhile
                _write_new(corpus_dir / free, data)
                return free


def remove_document(corpus_dir: Path, path: str) -> None:
    """Delete a file of a corpus.

    Its folders are entered one by one and no link is followed, so that no path leads out of the corpus.

    Raises:
        DocumentEditError: there is no such file, or the system refuses.
    """
    *folders, name = path.split("/")
    if not _is_path(path):
        raise DocumentEditError("remove", path, "that is no document's path")
    with _editing("remove", path), ExitStack() as stack:
        here = _enter_all(stack, corpus_dir, folders)
        # the system may take another spelling for the same name
        if name not in os.listdir(here):  # noqa: PTH208
            raise DocumentEditError("remove", path, "it is not there any more")
        if not stat.S_ISREG(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise DocumentEditError("remove", path, "it is not a regular file")
        os.unlink(name, dir_fd=here)
        with suppress(OSError):  # it is gone, whether or not the system can be told to hurry
            os.fsync(here)


def _is_path(path: str) -> bool:
    """Tell whether a path can be a document's: relative, straight down, and nothing hidden on it."""
    return "\0" not in path and all(part and not part.startswith(".") for part in path.split("/"))


def _why_not_read(path: str, suffixes: frozenset[str]) -> str:
    suffix = PurePosixPath(path).suffix
    if suffix.lower() in suffixes:
        return ""
    kind = suffix or "files without a suffix"
    return f"docqa does not read {kind}; save it in a format it reads, as .docx, .html or .txt"


def _why_not_kept(size: int) -> str:
    if size > MAX_BYTES:
        return f"{ceil(size / 1e6)} MB is more than the {MAX_BYTES // 1_000_000} MB docqa reads; divide it"
    return "" if size else "the file is empty"


def _free_name(corpus_dir: Path, name: str, data: bytes) -> str:
    taken = {fold(file.name): file for file in corpus_dir.iterdir()}
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    for number in count(1):
        candidate = name if number == 1 else f"{stem} ({number}){suffix}"
        file = taken.get(fold(candidate))
        if file is None:
            return candidate
        if _is_same(file, data):
            raise DocumentEditError("add", name, f"it is there already, as '{file.name}'")
    raise AssertionError("numbers do not end")


def _is_same(file: Path, data: bytes) -> bool:
    found = file.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == len(data) and file.read_bytes() == data


def _write_new(file: Path, data: bytes) -> None:
    beside = file.with_name(f".docqa-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        _put_in_place(beside, file)
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError), ExitStack() as stack:  # it is there, whether or not the system can be told to hurry
        os.fsync(_enter(stack, file.parent))


def _put_in_place(beside: Path, file: Path) -> None:
    try:
        file.hardlink_to(beside)  # unlike renaming, this never replaces a file
    except FileExistsError:
        raise
    except OSError:  # not every file system has links; this holds the name first
        file.open("xb").close()
        try:
            beside.replace(file)
        except OSError:
            file.unlink()
            raise


def _enter_all(stack: ExitStack, corpus_dir: Path, folders: Iterable[str]) -> int:
    """Open the corpus folder and, from each, the next of some folders; the last one is given."""
    here = _enter(stack, corpus_dir)
    for folder in folders:
        here = _enter(stack, folder, within=here)
    return here


def _enter(stack: ExitStack, folder: str | Path, *, within: int | None = None) -> int:
    """Open a folder until the stack is left; one within another is no link, the corpus folder itself may be one."""
    flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if within is not None else 0)
    descriptor = os.open(folder, flags, dir_fd=within)
    stack.callback(os.close, descriptor)
    return descriptor


@contextmanager
def _editing(verb: str, path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise DocumentEditError(verb, path, "it is not there any more") from exc
    except OSError as exc:
        reason = REFUSALS.get(exc.errno or 0, f"the system refuses: {exc.strerror}")
        raise DocumentEditError(verb, path, reason) from exc


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
        behind_link = exc.errno in (errno.ELOOP, errno.ENOTDIR)
        reason = REFUSALS[errno.ELOOP] if behind_link else f"the system refuses: {exc.strerror}"
        raise DocumentReadError(path, reason) from exc


def _walk(corpus_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield each file's path with the reason it cannot be followed, or an empty one."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(corpus_dir / folder))  # which tells of most files what they are without a look
        except OSError as exc:
            yield folder.rstrip("/") or ".", f"the system refuses: {exc.strerror}"
            continue
        for entry in entries:
            path = f"{folder}{entry.name}"
            if entry.name.startswith(HIDDEN):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{path}/")
            elif NOT_TEXT.search(path):
                yield os.fsencode(path).decode("utf-8", "backslashreplace"), "its name is not valid text; rename it"
            else:
                yield path, _why_not_followed(entry, corpus_dir)


def _why_not_followed(entry: os.DirEntry[str], corpus_dir: Path) -> str:
    if entry.is_symlink():
        return f"a symbolic link is not followed; {_what_instead(Path(entry.path), corpus_dir)}"
    return "" if entry.is_file(follow_symlinks=False) else "not a regular file"


def _what_instead(link: Path, corpus_dir: Path) -> str:
    try:
        inside = link.resolve().is_relative_to(corpus_dir.resolve())
    except (OSError, RuntimeError):
        return "this one points to itself, remove it"
    return "what it points to is read in its own place" if inside else "it points out of the corpus, copy the file"
