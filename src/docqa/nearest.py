"""The passages nearest to a query by their embeddings, in FAISS. Only this module imports faiss.

Up to `EXACT` passages every one is compared. More are divided into lists around centroids, in eight bits a number, of
which as many are searched as it takes to find the true nearest (`RECALL`), measured when the index is built.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.types import Embeddings

EXACT = 50_000
"""Passages; so many are compared one by one in some 4 ms on one core."""
ROWS_PER_CENTROID = 1_000
TRAINING_ROWS = 50
"""Rows by which each centroid is learned."""
RECALL, RECALL_DEPTH = 0.995, 10
"""How much of the true nearest ten has to be found, by embeddings of sentences of the index in place of queries."""
CHUNK = 50_000
"""Rows that are in memory at once."""

Rows = NDArray[np.int64]


class Nearest:
    """Find the passages nearest to a query; threads may share it."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def read(cls, path: Path, rows: int, dimension: int) -> "Nearest":
        """Read what was written of so many rows, mapped into memory where it is large.

        Raises:
            RuntimeError, ValueError, OSError: the file is missing or not what it should be.
        """
        faiss = _faiss()
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        if (index.ntotal, index.d) != (rows, dimension):
            raise ValueError(
                f"{path.name} has {index.ntotal} rows of {index.d} numbers instead of {rows} of {dimension}"
            )
        return cls(index)

    def search(self, query: Embeddings, count: int) -> Rows:
        """Return about so many rows nearest to a query by the inner product, nearest first."""
        found: Rows = self._index.search(query[None], count)[1][0]
        return found[found >= 0]


def write_nearest(path: Path, rows: NDArray[np.float16], queries: NDArray[np.float16]) -> None:
    """Write an index of rows into a file, tuned to queries like some."""
    faiss = _faiss()
    index = _exact(faiss, rows) if len(rows) <= EXACT else _divided(faiss, rows, np.asarray(queries, np.float32))
    faiss.write_index(index, str(path))


def _exact(faiss: Any, rows: NDArray[np.float16]) -> Any:
    index = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    _add(index, rows)
    return index


def _divided(faiss: Any, rows: NDArray[np.float16], queries: Embeddings) -> Any:
    lists, dimension = len(rows) // ROWS_PER_CENTROID, rows.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    sample = np.linspace(0, len(rows) - 1, lists * TRAINING_ROWS).astype(np.int64)
    index.train(np.asarray(rows[sample], np.float32))
    _add(index, rows)
    exact = _search_exactly(rows, queries)
    while index.nprobe < lists and _recall(index, queries, exact) < RECALL:
        index.nprobe = min(lists, index.nprobe + max(1, index.nprobe // 4))
    return index


def _add(index: Any, rows: NDArray[np.float16]) -> None:
    for start in range(0, len(rows), CHUNK):
        index.add(np.asarray(rows[start : start + CHUNK], np.float32))


def _search_exactly(rows: NDArray[np.float16], queries: Embeddings) -> Rows:
    """Find the rows nearest to each query, ``(n, RECALL_DEPTH)``."""
    scores, places = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(rows), CHUNK):
        some = queries @ np.asarray(rows[start : start + CHUNK], np.float32).T
        best = np.argpartition(-some, RECALL_DEPTH - 1, axis=1)[:, :RECALL_DEPTH]
        scores = np.concatenate([scores, np.take_along_axis(some, best, 1)], axis=1)
        places = np.concatenate([places, best + start], axis=1)
    return np.take_along_axis(places, np.argsort(-scores, axis=1)[:, :RECALL_DEPTH], 1)


def _recall(index: Any, queries: Embeddings, exact: Rows) -> float:
    found = index.search(queries, 5 * RECALL_DEPTH)[
        1
    ]  # in eight bits some change places: the stored rows put them right
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(exact, found, strict=True)]))


def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)  # one query at a time is faster on one thread, and leaves the cores to the model
    return faiss
