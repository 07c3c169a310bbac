"""Arrays on disk: ``.npy`` files that grow by some rows at a time, and are mapped into memory to be read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class ArrayWriter:
    """Append rows to a new ``.npy`` file, which can be read once it is closed; the first rows give all their shape."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._row_shape: tuple[int, ...] | None = None
        self._rows = 0
        self._write_header()

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: NDArray[Any]) -> None:
        """Append rows, converted to the type of the array.

        Raises:
            ValueError: they have another shape than those before.
        """
        if self._row_shape is None:
            self._row_shape = rows.shape[1:]
            self._write_header()
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {rows.shape[1:]} instead of {self._row_shape}")
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._rows += len(rows)

    def close(self) -> None:
        """Write how many rows there are, and close the file."""
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        """Write the header over the one before: numpy leaves room for the number of rows to grow."""
        shape = (self._rows, *(self._row_shape or ()))
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(
            self._file,
            {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape},
        )


def write_array(path: Path, rows: NDArray[Any]) -> None:
    """Write an array that is there as a whole."""
    np.save(path, rows, allow_pickle=False)


def map_array(path: Path, dtype: DTypeLike, rows: int | None = None) -> NDArray[Any]:
    """Map an array of a type, and of so many rows if they are known, into memory.

    Raises:
        OSError, ValueError: the file is missing or not what it should be.
    """
    mapped = np.lib.format.open_memmap(path, mode="r")
    if mapped.dtype != np.dtype(dtype) or not mapped.ndim:
        raise ValueError(f"{path.name} is no array of {np.dtype(dtype)}")
    if rows is not None and len(mapped) != rows:
        raise ValueError(f"{path.name} has {len(mapped)} rows instead of {rows}")
    return np.asarray(mapped)  # of the plain class, whose slices are made in half the time


def map_starts(path: Path, rows: int) -> NDArray[np.int64]:
    """Map where each of so many parts of another array starts, and where the last ends.

    Raises:
        OSError, ValueError: the file is missing or not what it should be.
    """
    starts: NDArray[np.int64] = map_array(path, np.int64, rows + 1)
    if starts.ndim != 1 or starts[0] != 0:
        raise ValueError(f"{path.name} does not start at 0")
    return starts
