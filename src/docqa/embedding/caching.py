"""What docqa remembers between runs beside the stores: the fast forms of models, and digests of files that are large.

Everything in the folder can be made again: it may be deleted at any time, and is never asked for what is not elsewhere.
All may read it, as in an image that root made, but its owner alone writes: a graph is code to trust.
"""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IWGRP, S_IWOTH

from docqa.durable import abandoned, replacing

SETTLED = 2.0
"""Seconds after which a file that was not written to is believed to show so in its times."""

ABANDONED = 3600.0
"""Seconds after which what an interrupted run left behind is removed."""

DIGESTS = "digests.json"
MEMORY = "files.json"


def cache_folder() -> Path:
    """Return ``DOCQA_CACHE``, or ``docqa`` in the user's cache folder.

    Raises:
        OSError: the user has no folder, or others could have written into it.
    """
    folder = _chosen_folder()
    with suppress(FileNotFoundError, NotADirectoryError):
        status = folder.stat()
        if status.st_uid not in (0, os.geteuid()):
            raise PermissionError(errno.EPERM, f"'{folder}' belongs to another user")
        if status.st_mode & S_IWOTH or (status.st_mode & S_IWGRP and status.st_gid != os.getegid()):
            raise PermissionError(errno.EPERM, f"others may write into '{folder}'")
    return folder


def _chosen_folder() -> Path:
    if chosen := os.environ.get("DOCQA_CACHE"):
        return Path(chosen)
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "docqa"
    try:
        return Path.home() / ".cache/docqa"
    except RuntimeError as exc:  # as in a container that runs under a number without a name
        raise FileNotFoundError(errno.ENOENT, "this user has no home folder") from exc


def find_entry(name: str) -> dict[str, Path] | None:
    """Find the files of an entry, or nothing where there is none whose files are what was saved."""
    try:
        folder = cache_folder() / name
        saved: dict[str, str] = dict(json.loads((folder / DIGESTS).read_bytes()))
        files = {file: folder / file for file in saved}
        found = digest_files(list(files.values()))
    except (OSError, ValueError, TypeError):
        return None
    return files if found == list(saved.values()) else None


def save_entry(name: str, files: Mapping[str, bytes]) -> None:
    """Save the files of an entry, all or none; one that is there gives way.

    Raises:
        OSError: the cache folder cannot be written to.
    """
    target = cache_folder() / name
    _make_folder(target.parent)
    folder = _unused(target.parent, ".new-")
    folder.mkdir(mode=0o755)
    try:
        digests = {file: _digest(data) for file, data in files.items()}
        for file, data in {**files, DIGESTS: json.dumps(digests).encode()}.items():
            with replacing(folder / file, mode=0o644) as new:
                new.write(data)
        with _locked(target.parent):
            _remove_old([*target.parent.glob(".new-*"), *target.parent.glob(".old-*")])
            if target.exists():
                old = target.rename(_unused(target.parent, ".old-"))
                shutil.rmtree(old, ignore_errors=True)
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest_files(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file, from memory where it has not changed since it was last read.

    A file is taken for unchanged when its size, its number and its times of change, one of which only the system sets,
    are what they were: reading 90 MB takes as long as all else that a first question needs.
    """
    try:
        known: dict[str, str] = dict(json.loads((cache_folder() / MEMORY).read_bytes()))
    except (OSError, ValueError, TypeError):
        known = {}
    marks = {path: _mark(path) for path in paths}
    recalled = {path: _recall(known.get(str(path)), marks[path]) for path in paths}
    digests = {path: recalled[path] or _digest_file(path) for path in paths}
    news = {str(path): f"{marks[path]} {digests[path]}" for path in paths if not recalled[path] and _is_settled(path)}
    if news:
        with suppress(OSError):  # they are computed again the next time
            _remember({**known, **news})
    return [digests[path] for path in paths]


def _mark(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _recall(known: str | None, mark: str) -> str:
    """Return the digest that was remembered under a mark, or nothing."""
    before, _, digest = str(known).rpartition(" ")
    return digest if before == mark else ""


def _is_settled(path: Path) -> bool:
    """Tell whether another change of the file would show: the clock of a file system ticks slowly."""
    status = path.stat()
    return time.time() - max(status.st_mtime, status.st_ctime) > SETTLED


def _remember(digests: Mapping[str, str]) -> None:
    memory = cache_folder() / MEMORY
    _make_folder(memory.parent)
    _remove_old(abandoned(memory))
    with replacing(memory, mode=0o644) as file:
        file.write(json.dumps(digests).encode())


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _make_folder(folder: Path) -> None:
    """Make a folder and those around it, into which only this user can write."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o755, exist_ok=True)


def _unused(folder: Path, prefix: str) -> Path:
    return folder / f"{prefix}{secrets.token_hex(8)}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change the entries of a folder, and write them to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_old(left: Iterable[Path]) -> None:
    """Remove what interrupted runs left, but nothing that another one may still be writing."""
    for path in left:
        with suppress(OSError):  # another run removes it too
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
