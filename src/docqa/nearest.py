"""The passages nearest to a query by their embeddings, in FAISS. Only this module imports faiss.

Up to `EXACT` passages are compared as they are. Of more, some numbers at a time are rounded together to one of sixteen
centroids (product quantisation, Jégou et al. 2011, doi:10.1109/TPAMI.2010.57), which a processor compares within its
registers (André et al. 2015, doi:10.14778/2856318.2856324). With four numbers at a time a million passages of 384 take
48 MB. That is too coarse to rank by, but the nearest are among the first few hundred, which are to be scored exactly.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.types import Embeddings

EXACT = 20_000
"""Passages, of which each is compared as it is stored: some 2 ms on one core."""
TOGETHER, PARTS = 4, 96
"""How many numbers are rounded together at most, and into how many parts embeddings are divided at least."""
BITS = 4
"""To which a part is rounded."""
TRAINING_ROWS = 256 << BITS
"""How many rows, evenly spaced, the centroids are learned from: as many as FAISS uses."""
CHUNK = 50_000
"""Rows that are in memory at once."""

Rows = NDArray[np.int64]


class Nearest:
    """Find the passages nearest to a query; threads may share it."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def read(cls, path: Path, rows: int, dimension: int) -> "Nearest":
        """Read what was written of so many rows.

        Raises:
            RuntimeError, ValueError: the file is missing or not what it should be.
        """
        try:
            index = _faiss().read_index(str(path))
        except MemoryError as exc:  # of an altered file, which says that it is enormous
            raise ValueError(f"{path.name} cannot be understood") from exc
        if (index.ntotal, index.d) != (rows, _padded(dimension)):
            raise ValueError(f"{path.name} has {index.ntotal} rows of {index.d} numbers for {rows} of {dimension}")
        return cls(index)

    def search(self, query: Embeddings, count: int) -> Rows:
        """Return so many rows, among them the nearest to a query by the inner product."""
        _faiss()  # for this thread may be another than the one that read the index
        found: Rows = self._index.search(_pad(query[None]), count)[1][0]
        return found


def write_nearest(path: Path, rows: NDArray[np.float16]) -> None:
    """Write rows into a file; the same rows always give the same bytes."""
    faiss = _faiss()
    dimension = _padded(rows.shape[1])
    if len(rows) <= EXACT:
        index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    else:
        parts = dimension // _together(dimension)
        index = faiss.IndexPQFastScan(dimension, parts, BITS, faiss.METRIC_INNER_PRODUCT)
        index.train(_pad(rows[np.linspace(0, len(rows) - 1, TRAINING_ROWS).astype(np.int64)]))
    for start in range(0, len(rows), CHUNK):
        index.add(_pad(rows[start : start + CHUNK]))
    faiss.write_index(index, str(path))


def _together(dimension: int) -> int:
    return min(TOGETHER, max(1, dimension // PARTS))


def _padded(dimension: int) -> int:
    return dimension + -dimension % _together(dimension)


def _pad(rows: NDArray[Any]) -> Embeddings:
    missing = _padded(rows.shape[1]) - rows.shape[1]
    rows = np.asarray(rows, np.float32)
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows


def _faiss() -> Any:
    """Import FAISS, which then uses one thread when this one calls it; in others it uses all there are."""
    import faiss

    faiss.omp_set_num_threads(1)  # one query at a time is faster so, and leaves the cores to the model
    return faiss
