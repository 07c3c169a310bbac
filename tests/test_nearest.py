from pathlib import Path
from threading import Thread

import faiss
import numpy as np
import pytest

from docqa import nearest
from docqa.nearest import Nearest, write_nearest

DEPTH = 300


def clustered(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Make unit rows around some centres, in float16, as the embeddings of a corpus stand."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((50, dimension))
    values = centres[random.integers(50, size=rows)] + 0.8 * random.standard_normal((rows, dimension))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def best(rows: np.ndarray, query: np.ndarray, count: int) -> set[int]:
    return set(np.argsort(-(rows.astype(np.float32) @ query))[:count].tolist())


@pytest.mark.parametrize("dimension", [16, 17])
def test_few_rows_are_compared_exactly(dimension: int, tmp_path: Path) -> None:
    rows, queries = clustered(500, dimension), clustered(20, dimension, seed=1).astype(np.float32)
    write_nearest(tmp_path / "n", rows)
    found = Nearest.read(tmp_path / "n", 500, dimension)
    for query in queries:
        assert set(found.search(query, 10).tolist()) == best(rows, query, 10)
    assert sorted(found.search(queries[0], 500).tolist()) == list(range(500))


@pytest.mark.parametrize("dimension", [64, 66])
def test_of_many_rows_the_nearest_are_among_the_first(dimension: int, tmp_path: Path) -> None:
    rows = clustered(nearest.EXACT + 1, dimension)
    queries = clustered(100, dimension, seed=1).astype(np.float32)
    write_nearest(tmp_path / "n", rows)
    assert (tmp_path / "n").stat().st_size < rows.nbytes / 3.5
    found = Nearest.read(tmp_path / "n", len(rows), dimension)
    recall = [len(best(rows, query, 10) & set(found.search(query, DEPTH).tolist())) / 10 for query in queries]
    assert np.mean(recall) >= 0.99


@pytest.mark.parametrize("dimension", [100, 200, 300, 320, 352, 384])
def test_many_rows_of_any_dimension_are_found(dimension: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "EXACT", nearest.TRAINING_ROWS)
    rows = clustered(nearest.EXACT + 1, dimension)
    write_nearest(tmp_path / "n", rows)
    found = Nearest.read(tmp_path / "n", len(rows), dimension)
    assert all(number in found.search(rows[number].astype(np.float32), DEPTH) for number in range(0, 4000, 100))


def test_every_thread_searches_without_others(tmp_path: Path) -> None:
    write_nearest(tmp_path / "n", clustered(100, 16))
    found = Nearest.read(tmp_path / "n", 100, 16)
    threads = []

    def search() -> None:
        faiss.omp_set_num_threads(2)
        found.search(clustered(1, 16)[0].astype(np.float32), 10)
        threads.append(faiss.omp_get_max_threads())

    other = Thread(target=search)
    other.start()
    other.join()
    assert threads == [1]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = clustered(nearest.EXACT + 1, 16)
    for name in ("one", "other"):
        write_nearest(tmp_path / name, rows)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_no_rows_can_be_written_and_read(tmp_path: Path) -> None:
    write_nearest(tmp_path / "n", np.empty((0, 16), np.float16))
    found = Nearest.read(tmp_path / "n", 0, 16)
    assert found.search(np.ones(16, np.float32), 2).tolist() == [-1, -1]  # what FAISS says where there is no row


@pytest.mark.parametrize(("rows", "dimension"), [(99, 16), (101, 16), (100, 12)])
def test_a_file_of_other_rows_is_refused(rows: int, dimension: int, tmp_path: Path) -> None:
    write_nearest(tmp_path / "n", clustered(100, 16))
    with pytest.raises(ValueError, match=f"n has 100 rows of 16 numbers for {rows} of {dimension}"):
        Nearest.read(tmp_path / "n", rows, dimension)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kept", [0, 0.3, 0.999])
def test_a_cut_file_is_refused(many: bool, kept: float, tmp_path: Path) -> None:
    rows = clustered(nearest.EXACT + 1 if many else 100, 16)
    file = tmp_path / "n"
    write_nearest(file, rows)
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(RuntimeError):
        Nearest.read(file, len(rows), 16)
