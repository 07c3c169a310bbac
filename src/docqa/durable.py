"""Durable writes: what is written is on the disk, whole, before anything is told to count on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DAMAGED_FILE = "damaged.txt"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside another and put it in its place when the block ends, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    new = beside(path)
    try:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    flush(path.parent)


def beside(path: Path) -> Path:
    """Name the file that is written beside another before it takes its place; a crash may leave it."""
    return path.with_name(f"{path.name}.new")


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
