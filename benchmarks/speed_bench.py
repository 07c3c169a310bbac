"""What the steps of benchmarks/speed.py share: how much is measured, and what is made once to be measured."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from timing import Figures, run_job

BYTES = 26_000
"""On disk of a passage at most, with its tokens."""


@dataclass(frozen=True, slots=True)
class Form:
    """How much is measured.

    ``sets`` are where the real passages of synthesised stores are from; ``served`` and ``sizes`` are passages of such
    stores, ``synced`` of those that are embedded anew too; ``large`` is the largest, if there is one.
    """

    repeats: int
    articles: int
    sets: str
    questions: int
    served: int
    sizes: tuple[int, ...]
    synced: tuple[int, ...]
    judged: str
    judged_questions: int
    large: int | None = None


FULL = Form(
    repeats=5,
    articles=18,
    sets="squad,chunking,cranfield,followups",
    questions=300,
    served=100_000,
    sizes=(1_000, 10_000, 100_000, 1_000_000),
    synced=(1_000, 10_000),
    judged="squad,cranfield",
    judged_questions=0,
    large=1_000_000,
)
QUICK = Form(
    repeats=3,
    articles=4,
    sets="squad",
    questions=100,
    served=25_000,
    sizes=(1_000, 10_000, 25_000),
    synced=(300, 1_000),
    judged="squad",
    judged_questions=300,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps share.

    ``folder`` is for what is made once and kept; ``peers`` is the Python that has the other libraries.
    """

    form: Form
    evaluation: Path
    folder: Path
    peers: str

    def corpus(self) -> Path:
        """Return the folder of SQuAD's articles."""
        return self.make(
            "corpus", lambda path: run_job("write_corpus", self.evaluation, path, "squad", self.form.articles)
        )

    def built(self) -> Path:
        """Return the store of these articles."""
        return self.make("built", partial(run_job, "build", self.corpus()))

    def passages(self) -> Path:
        """Return the file of this store's passages."""
        return self.make("passages", partial(run_job, "write_shortest", self.built())) / "texts.json"

    def questions(self) -> Path:
        """Return the file of questions asked of stores."""
        return self.make(
            "questions.json", lambda path: run_job("write_questions", self.evaluation, path, self.form.questions)
        )

    def store(self, passages: int) -> Path:
        """Return a synthesised store."""
        return self.make(f"store-{passages}", lambda path: run_job("make_store", self._real(), path, passages))

    def made(self, passages: int) -> Figures:
        """Return what making a synthesised store took."""
        return dict(json.loads(self.store(passages).with_suffix(".made").read_text()))

    def has_room(self, passages: int) -> bool:
        """Tell whether a synthesised store is there, or there is room for it."""
        there = (self.folder / f"store-{passages}").exists()
        return there or shutil.disk_usage(self.folder).free > BYTES * passages

    def _real(self) -> Path:
        everything = sys.maxsize
        corpus = self.make(
            "real-corpus", lambda path: run_job("write_corpus", self.evaluation, path, self.form.sets, everything)
        )
        return self.make("real", partial(run_job, "build", corpus))

    def make(self, name: str, make: Callable[[Path], Figures]) -> Path:
        """Make a file or folder unless it is there, whole or not at all."""
        path = self.folder / name
        if not path.exists():
            print(f"making {path}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                made = make(Path(folder) / name)
                path.with_suffix(".made").write_text(json.dumps(made))
                (Path(folder) / name).rename(path)
        return path


def build_index(corpus: Path) -> Figures:
    """Sync a corpus into a store that is thrown away, and return what that took."""
    with temporary_folder() as folder:
        return dict(run_job("build", corpus, folder / "store"))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="docqa-") as folder:
        yield Path(folder)
