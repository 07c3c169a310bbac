"""What docqa remembers between runs beside the stores: the fast forms of models, and digests of files that are large.

Everything in the folder can be made again: it may be deleted at any time, and is never asked for what is not elsewhere.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

SETTLED = 2.0
"""Seconds after which a file that was not written to is believed to show so in its times."""

ABANDONED = 3600.0
"""Seconds after which what an interrupted run left behind is removed."""

DIGESTS = "digests.json"


def cache_folder() -> Path:
    """Return ``DOCQA_CACHE``, or ``docqa`` in the user's cache folder."""
    if chosen := os.environ.get("DOCQA_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docqa"


def find_entry(name: str) -> dict[str, Path] | None:
    """Find the files of an entry, or nothing where there is none whose files are what was saved."""
    folder = cache_folder() / name
    try:
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
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        digests = {file: _digest(data) for file, data in files.items()}
        for file, data in {**files, DIGESTS: json.dumps(digests).encode()}.items():
            _write(folder / file, data)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
            target.rename(old / "entry")
            shutil.rmtree(old, ignore_errors=True)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _sync_folder(target.parent)


def digest_files(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file, from memory where it has not changed since it was last read.

    A file is taken for unchanged when its size, its number and its times of change, one of which only the system sets,
    are what they were: reading 90 MB takes as long as all else that a first question needs.
    """
    file = cache_folder() / "files.json"
    try:
        known: dict[str, str] = dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        known = {}
    marks = {path: _mark(path) for path in paths}
    recalled = {path: _recall(known.get(str(path)), marks[path]) for path in paths}
    digests = {path: recalled[path] or _digest_file(path) for path in paths}
    news = {str(path): f"{marks[path]} {digests[path]}" for path in paths if not recalled[path] and _is_settled(path)}
    if news:
        with suppress(OSError):  # they are computed again the next time
            _replace(file, json.dumps({**known, **news}).encode())
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


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(descriptor)
    _write(Path(name), data)
    Path(name).replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove what interrupted runs left, but nothing that another one may still be writing."""
    for left in [*folder.glob(".new-*"), *folder.glob(".old-*")]:
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
