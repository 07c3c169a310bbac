"""Arrays on disk: ``.npy`` files that grow by some rows at a time, and are mapped into memory to be read."""

from mmap import MADV_DONTNEED, MADV_RANDOM, mmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

KEPT = 32 << 20
"""Bytes; a mapped array of fewer may stay in memory as a whole."""


class ArrayWriter:
    """Append rows to a new ``.npy`` file, which can be read once it is finished; the first rows give all their shape.

    The file is open only while rows are appended, so that a writer can be left at any time.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._row_shape: tuple[int, ...] | None = None
        self._rows = 0
        path.touch(exist_ok=False)

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows, converted to the type of the array.

        Raises:
            ValueError: they have another shape than those before.
        """
        if self._row_shape is None:
            self._row_shape = rows.shape[1:]
            self.finish()
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {rows.shape[1:]} instead of {self._row_shape}")
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._rows += len(rows)

    def finish(self) -> None:
        """Write how many rows there are, in the header."""
        with self._path.open("r+b") as file:
            self._write_header(file)

    def _write_header(self, file: BinaryIO) -> None:
        """Write a header of the same length whatever the rows: numpy leaves room for their number to grow."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, *(self._row_shape or ())),
        }
        np.lib.format.write_array_header_1_0(file, header)


def write_array(path: Path, rows: NDArray[Any]) -> None:
    """Write an array that is there as a whole."""
    np.save(path, rows, allow_pickle=False)


def map_array(path: Path, dtype: DTypeLike, rows: int | None = None, *, scattered: bool = False) -> NDArray[Any]:
    """Map an array of a type, and of so many rows if they are known, into memory.

    A scattered one is read a few rows here and a few there: the system then reads only what is asked for, where else it
    reads some 100 KB around it. So a million passages that are not in its cache are opened five times as fast.

    Raises:
        OSError, ValueError: the file is missing or not what it should be.
    """
    mapped = np.lib.format.open_memmap(path, mode="r")
    if mapped.dtype != np.dtype(dtype) or not mapped.ndim:
        raise ValueError(f"{path.name} is no array of {np.dtype(dtype)}")
    if rows is not None and len(mapped) != rows:
        raise ValueError(f"{path.name} has {len(mapped)} rows instead of {rows}")
    if scattered and (mapping := _mapping(np.asarray(mapped))):
        mapping.madvise(MADV_RANDOM)
    return np.asarray(mapped)  # of the plain class, whose slices are made in half the time


def map_starts(path: Path, rows: int) -> NDArray[np.int64]:
    """Map where each of so many parts of another array starts, and where the last ends.

    Raises:
        OSError, ValueError: the file is missing or not what it should be.
    """
    starts: NDArray[np.int64] = map_array(path, np.int64, rows + 1, scattered=True)
    if starts.ndim != 1 or starts[0] != 0:
        raise ValueError(f"{path.name} does not start at 0")
    return starts


def widen(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """Convert finite numbers to float32 exactly, in an eighth of the time that ``astype`` takes.

    The bits of exponent and mantissa move to where float32 has them; its exponents count from 112 further down.
    """
    bits = rows.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= ~0x70000000  # copies of the sign, which shifting drew in
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def release(mapped: NDArray[Any]) -> None:
    """Let the system have back the memory that a large mapped array takes; what is read again is mapped again."""
    if mapped.nbytes > KEPT and (mapping := _mapping(mapped)):
        mapping.madvise(MADV_DONTNEED)


def _mapping(rows: NDArray[Any]) -> mmap | None:
    """Return the mapping that an array lies in; an empty array and one in memory have none."""
    under = rows.base.base if isinstance(rows.base, np.memmap) else None
    return under if isinstance(under, mmap) else None
