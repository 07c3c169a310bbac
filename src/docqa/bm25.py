"""BM25: how well the terms of a query are met by rows of terms. Only this module and `terms` import bm25s."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_TERMS_FILE = "none"

Scores = NDArray[np.float32]


class Bm25:
    """Score rows of terms by BM25, through bm25s (Lucene's variant, k1 = 1.5, b = 0.75)."""

    def __init__(self, scorer: Any, rows: int) -> None:
        self._scorer = scorer
        self._vocabulary: dict[str, int] = scorer.vocab_dict if scorer else {}
        self._rows = rows

    @classmethod
    def build(cls, terms: Sequence[Sequence[str]]) -> "Bm25":
        """Build from the terms of every row, in order."""
        import bm25s
        from bm25s.tokenization import Tokenized

        # in order, for bm25s by itself numbers terms differently in every process
        vocabulary = {term: number for number, term in enumerate(sorted({term for row in terms for term in row}))}
        if not vocabulary:
            return cls(None, len(terms))
        numbers = [[vocabulary[term] for term in row] for row in terms]
        scorer = bm25s.BM25(method="lucene")
        scorer.index(Tokenized(ids=numbers, vocab=vocabulary), create_empty_token=False, show_progress=False)
        return cls(scorer, len(terms))

    def write(self, folder: Path) -> None:
        """Write into a folder that is not there yet."""
        if self._scorer:
            self._scorer.save(folder, show_progress=False)
        else:
            folder.mkdir()
            (folder / NO_TERMS_FILE).touch()

    @classmethod
    def read(cls, folder: Path, rows: int) -> "Bm25":
        """Read from a folder what was written for so many rows, mapped into memory.

        Raises:
            RuntimeError, ValueError, OSError: a file is missing or not what it should be.
        """
        import bm25s

        if (folder / NO_TERMS_FILE).exists():
            return cls(None, rows)
        return cls(bm25s.BM25.load(folder, mmap=True, show_progress=False), rows)

    def __len__(self) -> int:
        return self._rows

    def scores(self, terms: Mapping[float, Sequence[str]]) -> Scores:
        """Score every row by lists of terms, each list counting as much as its key says."""
        total = np.zeros(self._rows, np.float32)
        for weight, wanted in terms.items():
            numbers = [self._vocabulary[term] for term in wanted if term in self._vocabulary]
            if numbers:
                total += np.float32(weight) * self._scorer.get_scores_from_ids(numbers)
        return total

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency; a term in no row is the rarest."""
        number = self._vocabulary.get(term)
        frequency = 0
        if number is not None:
            begin, end = self._scorer.scores["indptr"][number : number + 2]
            frequency = int(end - begin)
        return float(np.log(1 + (self._rows - frequency + 0.5) / (frequency + 0.5)))
