from mmap import PAGESIZE
from pathlib import Path

import numpy as np
import pytest

from docqa import arrays
from docqa.arrays import ArrayWriter, map_array, map_starts, release, widen, write_array


def test_rows_written_in_pieces_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    rows = np.arange(60, dtype=np.float64).reshape(12, 5)
    writer = ArrayWriter(tmp_path / "a.npy", np.float32)
    for first, last in ((0, 1), (1, 1), (1, 12)):
        writer.append(rows[first:last])
    assert len(writer) == 12
    writer.finish()
    for read in (map_array(tmp_path / "a.npy", np.float32, 12), np.load(tmp_path / "a.npy")):
        assert read.dtype == np.float32
        assert read.tolist() == rows.tolist()


def test_pieces_make_the_same_file_as_the_whole(tmp_path: Path) -> None:
    for name, pieces in (("one", [range(9)]), ("other", [range(3), range(3, 9)])):
        writer = ArrayWriter(tmp_path / name, np.int64)
        for piece in pieces:
            writer.append(np.array(piece))
        writer.finish()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_an_array_of_no_rows_can_be_read(tmp_path: Path) -> None:
    ArrayWriter(tmp_path / "never.npy", np.uint32).finish()
    writer = ArrayWriter(tmp_path / "empty.npy", np.float16)
    writer.append(np.empty((0, 7)))
    writer.finish()
    assert map_array(tmp_path / "never.npy", np.uint32, 0).shape == (0,)
    assert map_array(tmp_path / "empty.npy", np.float16).shape == (0, 7)


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    writer = ArrayWriter(tmp_path / "a.npy", np.float32)
    writer.append(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"rows of shape \(4,\) instead of \(3,\)"):
        writer.append(np.zeros((2, 4)))


def test_an_array_that_is_not_finished_has_no_rows_yet(tmp_path: Path) -> None:
    ArrayWriter(tmp_path / "a.npy", np.int64).append(np.arange(3))
    assert map_array(tmp_path / "a.npy", np.int64).tolist() == []


def test_an_array_of_another_type_or_length_is_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(ValueError, match=r"a\.npy is no array of float32"):
        map_array(tmp_path / "a.npy", np.float32)
    with pytest.raises(ValueError, match=r"a\.npy has 3 rows instead of 4"):
        map_array(tmp_path / "a.npy", np.int64, 4)


@pytest.mark.parametrize("starts", [[1, 2, 3], [0, 1]])
def test_starts_that_are_not_of_so_many_parts_are_refused(starts: list[int], tmp_path: Path) -> None:
    write_array(tmp_path / "s.npy", np.array(starts))
    with pytest.raises(ValueError, match=r"s\.npy"):
        map_starts(tmp_path / "s.npy", 2)


def test_memory_of_a_large_array_is_given_back_and_it_is_read_again(tmp_path: Path) -> None:
    rows = np.arange(arrays.KEPT // 4, dtype=np.int64)
    write_array(tmp_path / "a.npy", rows)
    mapped = map_array(tmp_path / "a.npy", np.int64)
    total, before = int(mapped.sum()), resident_bytes()
    release(mapped)
    assert before - resident_bytes() > arrays.KEPT
    assert int(mapped.sum()) == total


def test_what_is_not_mapped_cannot_be_given_back() -> None:
    rows = np.ones(arrays.KEPT)
    release(rows)
    assert rows[-1] == 1


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE


def test_every_finite_number_is_widened_exactly() -> None:
    numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    assert widen(numbers).tobytes() == numbers.astype(np.float32).tobytes()


def test_widening_leaves_what_it_is_given_as_it_was() -> None:
    numbers = np.array([[0.5, -2.0], [-0.0, 3.0]], np.float16)
    widen(numbers)
    assert numbers.tolist() == [[0.5, -2.0], [-0.0, 3.0]]
