"""Read damaged copies of real documents: bytes flipped, cut and swapped, and say what came of it.

The documents stand beside the project, in ``../shared/eval/documents``, or in the folder given; none is part of it.
The same seed makes the same copies. None of them may crash docqa, hang over the limit or leave a process behind.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from docqa.isolation import read_isolated
from docqa.reading import SUFFIXES
from docqa.types import Document

DOCUMENTS = Path(__file__).parents[2] / "shared/eval/documents"
LARGEST = 1_000_000
AT_A_TIME = 200
"""Copies on disk at once."""


def flip(data: bytearray, rng: random.Random) -> None:
    """Change up to a hundred bytes, in one place or anywhere."""
    start, width = rng.choice([(0, len(data)), (rng.randrange(len(data)), 200)])
    for _ in range(rng.randint(1, 100)):
        data[(start + rng.randrange(width)) % len(data)] = rng.randrange(256)


def cut(data: bytearray, rng: random.Random) -> None:
    """Cut a piece out, often the end."""
    start = rng.randrange(1, len(data))
    del data[start : rng.choice([len(data), start + rng.randint(1, 5_000)])]


def swap(data: bytearray, rng: random.Random) -> None:
    """Swap two pieces."""
    length = rng.randint(1, max(1, min(2_000, len(data) // 2)))
    one, other = rng.randrange(len(data)), rng.randrange(len(data))
    data[one : one + length], data[other : other + length] = data[other : other + length], data[one : one + length]


def mutate(files: list[Path], folder: Path, numbers: range, seed: int) -> list[str]:
    """Write damaged copies of files, taken in turn, and return their paths."""
    paths = []
    for number in numbers:
        rng = random.Random(f"{seed} {number}")
        file = files[number % len(files)]
        data = bytearray(file.read_bytes())
        for change in rng.choices([flip, cut, swap], k=rng.randint(1, 3)):
            if len(data) > 1:
                change(data, rng)
        paths.append(f"{number:05} {file.name}")
        (folder / paths[-1]).write_bytes(data)
    return paths


def children() -> int:
    """Count the processes that this one has started and that still are, on Linux."""
    return sum(len(list_of.read_text().split()) for list_of in Path("/proc/self/task").glob("*/children"))


def main() -> None:
    """Read the copies and print how many came to what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCUMENTS)
    parser.add_argument("-n", type=int, default=2_000, help="copies (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    files = [path for path in files if path.stat().st_size <= LARGEST]
    found: Counter[str] = Counter()
    started = time.perf_counter()
    for first in range(0, options.n, AT_A_TIME):
        with tempfile.TemporaryDirectory() as name:
            paths = mutate(files, Path(name), range(first, min(first + AT_A_TIME, options.n)), options.seed)
            with read_isolated(Path(name), paths) as outcomes:
                for path, outcome in zip(paths, outcomes, strict=True):
                    kind = judge(outcome.reason) if not isinstance(outcome, Document) else "read"
                    found[kind] += 1
                    if kind not in ("read", "skipped with its reason"):
                        print(f"{path}: {getattr(outcome, 'reason', '')}")
        found["processes left"] += children()
    print(f"{options.n} copies of {len(files)} documents, {time.perf_counter() - started:.0f} s")
    for kind in ("read", "skipped with its reason", "reader stopped", "over a limit", "processes left"):
        print(f"{found[kind]:6} {kind}")


def judge(reason: str) -> str:
    """Say what kind of reason it is."""
    if reason.startswith("its reader stopped"):
        return "reader stopped"
    return "over a limit" if reason.startswith("reading it") else "skipped with its reason"


if __name__ == "__main__":
    main()
