"""Locking: one process writes a store at a time, and failed writes are said in one way."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import filelock

from docqa.errors import StoreError, StoreLockedError

LOCK_FILE = ".lock"
WRITER_FILE = "writer.json"
GITIGNORE = "*\n!.gitignore\n"


@contextmanager
def write_lock(embeddings_dir: Path) -> Iterator[None]:
    """Hold the store for writing; the system lets go of it when the process ends, however it ends.

    Raises:
        StoreLockedError: another process or thread holds it.
        StoreError: the folder cannot be written.
    """
    with writing(embeddings_dir):
        embeddings_dir.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(embeddings_dir / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as exc:
        raise StoreLockedError(embeddings_dir, _writer(embeddings_dir)) from exc
    except OSError as exc:
        raise StoreError(f"cannot write to '{embeddings_dir}': {exc.strerror}; check its permissions") from exc
    try:
        with writing(embeddings_dir):
            _keep_out_of_git(embeddings_dir)
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


def _keep_out_of_git(embeddings_dir: Path) -> None:
    gitignore = embeddings_dir / ".gitignore"
    if not gitignore.exists():
        gitignore.write_text(GITIGNORE)


def _this_process() -> dict[str, str]:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"process": str(os.getpid()), "host": socket.gethostname(), "since": since}


def _writer(embeddings_dir: Path) -> str:
    """Say who writes, if that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        writer = json.loads((embeddings_dir / WRITER_FILE).read_text("utf-8"))
        return f"process {writer['process']} on {writer['host']}, since {writer['since']}"
    return ""
