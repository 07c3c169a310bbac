"""Durable writes: what is written is on the disk, whole, before anything is told to count on it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DAMAGED_FILE = "damaged.txt"
NEW = ".new"
"""How the name of a file ends that is written beside another, to take its place; a crash may leave it."""


class UnflushedError(OSError):
    """A file is in its place, but the system does not say that this is on the disk: a power cut could undo it."""


@contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Write a file beside another and put it in its place when the block ends, whole or not at all.

    Args:
        path: the file, whether it is there or not.
        mode: who may read and write it, before the user's mask takes from that.

    Raises:
        UnflushedError: it is in its place, but perhaps not for good.
        OSError: it cannot be written; what was there before is still there.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}{NEW}")
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    try:
        flush(path.parent)
    except OSError as exc:
        raise UnflushedError(exc.errno, exc.strerror) from exc


def abandoned(path: Path) -> list[Path]:
    """List what interrupted writers of a file left beside it."""
    return list(path.parent.glob(f".{path.name}.*{NEW}"))


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(folder: Path) -> None:
    """Have the system write a folder and all that is in it to the disk."""
    for path in [*folder.rglob("*"), folder]:
        flush(path)


def note_damage(folder: Path, reason: str) -> None:
    """Leave a note in a generation's folder, if that can be written, for the next sync to rebuild it."""
    with suppress(OSError), replacing(folder / DAMAGED_FILE) as file:
        file.write(reason.encode())
