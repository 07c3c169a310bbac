"""BM25: how well the terms of a query are met by the terms of passages and of their sentences.

Every row of terms is kept as the numbers of its terms in order, and of the passages' terms postings too: for each term
the passages that have it, with what it is worth there. So all passages are scored by reading the postings of the
query's terms only, and sentences and pairs of terms, which only candidates are scored by, from the candidates' rows.
All of it is mapped into memory, and nothing is parsed to open it.

Lucene's variant (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020), k1 = 1.5, b = 0.75.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.arrays import ArrayWriter, map_array, map_starts, write_array

SATURATION, LENGTH_WEIGHT = 1.5, 0.75
"""BM25's k1 and b."""
PART = 1 << 22
"""About how many occurrences of terms are sorted at once when postings are made: some 200 MB."""
KEPT_NUMBERS = 1 << 12
"""Terms whose numbers are remembered: each of a query's is looked up several times."""
CHUNK = 1 << 24
"""How many numbers of a mapped array are looked at at once."""

VOCABULARY_FILE, VOCABULARY_STARTS_FILE, NUMBERS_FILE = "vocabulary.npy", "vocabulary_starts.npy", "numbers.npy"
ROWS_FILES = {name: (f"{name}.npy", f"{name}_starts.npy") for name in ("passages", "sentences")}
POSTING_STARTS_FILE, POSTING_ROWS_FILE = "posting_starts.npy", "posting_rows.npy"
POSTING_WEIGHTS_FILE = "posting_weights.npy"
SENTENCE_FREQUENCY_FILE = "sentence_frequency.npy"
PAIRS_FILE, PAIR_FREQUENCY_FILE, PAIR_COUNT_FILE = "pairs.npy", "pair_frequency.npy", "pair_count.npy"

Scores = NDArray[np.float32]
Numbers = NDArray[np.uint32]
Starts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AskedTerms:
    """What each term of a query counts, by its number, and each pair of terms that follow one another."""

    terms: Mapping[int, float]
    pairs: Mapping[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class TermRows:
    """Rows of terms: those of row i are ``numbers[starts[i]:starts[i + 1]]``, in order."""

    numbers: Numbers
    starts: Starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Starts:
        """Return how many terms each row has."""
        return np.diff(self.starts)

    def select(self, rows: NDArray[np.int64]) -> "TermRows":
        """Copy some rows."""
        places, starts = spans(self.starts, rows)
        return TermRows(self.numbers[places], starts)

    def count(self, number: int) -> NDArray[np.int64]:
        """Count a term in each row."""
        return self._count(np.flatnonzero(self.numbers == number))

    def count_pair(self, first: int, second: int) -> NDArray[np.int64]:
        """Count in each row how often a term follows another."""
        places = np.flatnonzero(self.numbers[:-1] == first)
        return self._count(places[(self.numbers[places + 1] == second) & ~self.is_last(places)])

    def is_last(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of places among all numbers whether they are the last of their row."""
        return np.asarray(self.starts[self.rows_of(places) + 1] == places + 1)

    def rows_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the rows that places among all numbers belong to."""
        return np.searchsorted(self.starts, places, "right") - 1

    def _count(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(self.rows_of(places), minlength=len(self))


class Terms:
    """The terms of passages and of their sentences, to be scored by BM25."""

    def __init__(
        self, vocabulary: "_Vocabulary", passages: TermRows, sentences: TermRows, frequencies: "_Frequencies"
    ) -> None:
        self._vocabulary = vocabulary
        self._number = lru_cache(KEPT_NUMBERS)(vocabulary.number)
        self._frequencies = frequencies
        self.passages = passages
        self.sentences = sentences

    @classmethod
    def read(cls, folder: Path, passages: int, sentences: int) -> "Terms":
        """Read from a folder what was written of so many passages and sentences, mapped into memory.

        Raises:
            ValueError, OSError: a file is missing or not what it should be.
        """
        vocabulary = _Vocabulary.read(folder)
        return cls(
            vocabulary,
            _read_rows(folder, "passages", passages),
            _read_rows(folder, "sentences", sentences),
            _Frequencies.read(folder, len(vocabulary)),
        )

    @property
    def mapped(self) -> tuple[NDArray[Any], ...]:
        """Return the large arrays that are mapped into memory."""
        return self.passages.numbers, self.sentences.numbers, *self._frequencies.mapped

    def ask(self, terms: Mapping[float, Sequence[str]]) -> AskedTerms:
        """Look up lists of terms by what they weigh; those in no row count nothing."""
        found: dict[int, float] = {}
        pairs: dict[tuple[int, int], float] = {}
        for weight, wanted in terms.items():
            numbers = [self._number(term) for term in wanted]
            for number in numbers:
                if number is not None:
                    found[number] = found.get(number, 0) + weight
            for first, second in pairwise(numbers):
                if first is not None and second is not None:
                    pairs[first, second] = pairs.get((first, second), 0) + weight
        return AskedTerms(found, pairs)

    def score_all(self, asked: AskedTerms) -> Scores:
        """Score every passage by its terms."""
        scores = np.zeros(len(self.passages), np.float32)
        for number, weight in asked.terms.items():
            rows, weights = self._frequencies.postings(number)
            scores[rows] += np.float32(weight * self._rarity(len(self.passages), len(rows))) * weights
        return scores

    def score_sentences(self, asked: AskedTerms, some: TermRows) -> Scores:
        """Score some of the sentences by their terms."""
        scores, norms = np.zeros(len(some), np.float32), _norms(some.lengths, _mean_length(self.sentences))
        for number, weight in asked.terms.items():
            counts = some.count(number)
            rarity = self._rarity(len(self.sentences), int(self._frequencies.sentences[number]))
            scores += np.float32(weight * rarity) * _saturate(counts, norms)
        return scores

    def score_pairs(self, asked: AskedTerms, some: TermRows) -> Scores:
        """Score some of the passages by their pairs of terms that follow one another."""
        scores = np.zeros(len(some), np.float32)
        norms = _norms(np.maximum(some.lengths - 1, 0), self._frequencies.pair_count / max(len(self.passages), 1))
        for (first, second), weight in asked.pairs.items():
            rarity = self._rarity(len(self.passages), self._frequencies.pair(first, second))
            scores += np.float32(weight * rarity) * _saturate(some.count_pair(first, second), norms)
        return scores

    def passage_terms(self, row: int) -> list[str]:
        """List the terms of a passage, in order."""
        return self._named(self.passages, row, row + 1)[0]

    def sentence_terms(self, first: int, last: int) -> list[list[str]]:
        """List the terms of each of the sentences from the first to before the last, in order."""
        return self._named(self.sentences, first, last)

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency among passages; a term in none is the rarest."""
        number = self._number(term)
        frequency = 0 if number is None else len(self._frequencies.postings(number)[0])
        return self._rarity(len(self.passages), frequency)

    def find(self, terms: Iterable[str], sentences: slice) -> list[set[str]]:
        """Find which of some terms each of some sentences has."""
        names = {self._number(term): term for term in terms}
        starts = self.sentences.starts[sentences.start : sentences.stop + 1].tolist()
        numbers = self.sentences.numbers[starts[0] : starts[-1]].tolist()
        return [
            {names[number] for number in names.keys() & numbers[first - starts[0] : last - starts[0]]}
            for first, last in pairwise(starts)
        ]

    def _named(self, some: TermRows, first: int, last: int) -> list[list[str]]:
        starts = some.starts[first : last + 1].tolist()
        named = [*map(self._vocabulary.terms.__getitem__, some.numbers[starts[0] : starts[-1]].tolist())]
        return [named[start - starts[0] : end - starts[0]] for start, end in pairwise(starts)]

    @staticmethod
    def _rarity(rows: int, frequency: int) -> float:
        return float(np.log(1 + (rows - frequency + 0.5) / (frequency + 0.5)))


class TermsWriter:
    """Write the terms of passages and of their sentences into a new folder, some passages at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._vocabulary: defaultdict[str, int] = defaultdict()
        self._vocabulary.default_factory = self._vocabulary.__len__  # every new term gets the next number
        self._passages, self._sentences = (_RowsWriter(folder, name) for name in ROWS_FILES)

    def add(self, passages: Sequence[Sequence[str]], sentences: Sequence[Sequence[Sequence[str]]]) -> None:
        """Add the terms of passages, and of each of their sentences."""
        for passage, parts in zip(passages, sentences, strict=True):
            self._passages.add(self._numbered(passage))
            for sentence in parts:
                self._sentences.add(self._numbered(sentence))
        self._passages.flush()
        self._sentences.flush()

    def finish(self) -> None:
        """Write the vocabulary, the postings and in how many rows every term and pair is."""
        counts = [rows.finish() for rows in (self._passages, self._sentences)]
        _write_vocabulary(self._folder, self._vocabulary)
        passages, sentences = (
            _read_rows(self._folder, name, count) for name, count in zip(ROWS_FILES, counts, strict=True)
        )
        _write_postings(self._folder, passages, len(self._vocabulary))
        _write_sentence_frequency(self._folder, sentences, len(self._vocabulary))
        _write_pairs(self._folder, passages, len(self._vocabulary))

    def _numbered(self, terms: Sequence[str]) -> list[int]:
        return [*map(self._vocabulary.__getitem__, terms)]


def spans(starts: Starts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Starts]:
    """List the places of the parts of an array that belong to rows, and where each part starts among them."""
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    places = np.repeat(starts[rows] - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
    return places, np.concatenate([[0], ends]).astype(np.int64)


class _Vocabulary:
    """The number of every term, found by halving the sorted terms."""

    def __init__(self, text: NDArray[np.uint8], starts: Starts, numbers: Numbers) -> None:
        self._text = text
        self._starts = starts
        self._numbers = numbers

    @classmethod
    def read(cls, folder: Path) -> "_Vocabulary":
        numbers = map_array(folder / NUMBERS_FILE, np.uint32)
        starts = map_starts(folder / VOCABULARY_STARTS_FILE, len(numbers))
        return cls(map_array(folder / VOCABULARY_FILE, np.uint8, int(starts[-1]), scattered=True), starts, numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    @cached_property
    def terms(self) -> list[str]:
        """All terms by their numbers."""
        by_number = sorted(zip(self._numbers.tolist(), pairwise(self._starts.tolist()), strict=True))
        text = self._text.tobytes()
        return [_decode(text[start:end]) for _, (start, end) in by_number]

    def number(self, term: str) -> int | None:
        """Return the number of a term; none if it is in no row."""
        wanted = _encode(term)
        place = bisect_left(range(len(self)), wanted, key=self._word)
        found = place < len(self) and self._word(place) == wanted
        return int(self._numbers[place]) if found else None

    def _word(self, place: int) -> bytes:
        return self._text[self._starts[place] : self._starts[place + 1]].tobytes()


class _Frequencies:
    """Which passages have a term, what it is worth there, and how many sentences have it and passages a pair."""

    def __init__(
        self,
        posting_starts: Starts,
        postings: tuple[NDArray[np.int32], Scores],
        sentences: NDArray[np.uint32],
        pairs: NDArray[np.uint64],
        pair_frequency: NDArray[np.uint32],
        pair_count: int,
    ) -> None:
        self._posting_starts = posting_starts
        self._rows, self._weights = postings
        self._pairs = pairs
        self._pair_frequency = pair_frequency
        self.sentences = sentences
        self.pair_count = pair_count

    @classmethod
    def read(cls, folder: Path, terms: int) -> "_Frequencies":
        starts = map_starts(folder / POSTING_STARTS_FILE, terms)
        pairs = map_array(folder / PAIRS_FILE, np.uint64)
        return cls(
            starts,
            (
                map_array(folder / POSTING_ROWS_FILE, np.int32, int(starts[-1])),
                map_array(folder / POSTING_WEIGHTS_FILE, np.float32, int(starts[-1])),
            ),
            map_array(folder / SENTENCE_FREQUENCY_FILE, np.uint32, terms),
            pairs,
            map_array(folder / PAIR_FREQUENCY_FILE, np.uint32, len(pairs)),
            int(map_array(folder / PAIR_COUNT_FILE, np.int64, 1)[0]),
        )

    @property
    def mapped(self) -> tuple[NDArray[Any], ...]:
        """Return the large arrays that are mapped into memory."""
        return self._rows, self._weights, self._pairs

    def postings(self, number: int) -> tuple[NDArray[np.int32], Scores]:
        """Return the passages that have a term, and what it is worth there before its rarity."""
        span = slice(self._posting_starts[number], self._posting_starts[number + 1])
        return self._rows[span], self._weights[span]

    def pair(self, first: int, second: int) -> int:
        """Return how many passages have a pair; only those in two and more are written down."""
        wanted = np.uint64(first << 32 | second)
        place = int(np.searchsorted(self._pairs, wanted))
        found = place < len(self._pairs) and self._pairs[place] == wanted
        return int(self._pair_frequency[place]) if found else 1


class _RowsWriter:
    """Write rows of terms by their numbers."""

    def __init__(self, folder: Path, name: str) -> None:
        numbers, starts = ROWS_FILES[name]
        self._numbers = ArrayWriter(folder / numbers, np.uint32)
        self._starts = ArrayWriter(folder / starts, np.int64)
        self._pending, self._ends = array("I"), array("q", [0])
        self.flush()

    def add(self, numbers: Sequence[int]) -> None:
        self._pending.extend(numbers)
        self._ends.append(len(self._numbers) + len(self._pending))

    def flush(self) -> None:
        self._numbers.append(np.array(self._pending, np.uint32))
        self._starts.append(np.array(self._ends, np.int64))
        self._pending, self._ends = array("I"), array("q")

    def finish(self) -> int:
        """Finish the files, and return how many rows they hold."""
        self._numbers.finish()
        self._starts.finish()
        return len(self._starts) - 1


def _read_rows(folder: Path, name: str, rows: int) -> TermRows:
    numbers_file, starts_file = ROWS_FILES[name]
    starts = map_starts(folder / starts_file, rows)
    return TermRows(map_array(folder / numbers_file, np.uint32, int(starts[-1]), scattered=True), starts)


def _write_vocabulary(folder: Path, vocabulary: Mapping[str, int]) -> None:
    words = sorted((_encode(term), number) for term, number in vocabulary.items())
    write_array(folder / VOCABULARY_FILE, np.frombuffer(b"".join(word for word, _ in words), np.uint8))
    write_array(folder / VOCABULARY_STARTS_FILE, np.cumsum([0, *(len(word) for word, _ in words)], dtype=np.int64))
    write_array(folder / NUMBERS_FILE, np.array([number for _, number in words], np.uint32))


def _write_postings(folder: Path, passages: TermRows, terms: int) -> None:
    norms = _norms(passages.lengths, _mean_length(passages))
    frequency = np.zeros(terms, np.int64)
    rows_writer = ArrayWriter(folder / POSTING_ROWS_FILE, np.int32)
    weights_writer = ArrayWriter(folder / POSTING_WEIGHTS_FILE, np.float32)
    for numbers, rows, counts in _invert(passages, terms, _single):
        frequency += np.bincount(numbers.astype(np.int64), minlength=terms)
        rows_writer.append(rows)
        weights_writer.append(_saturate(counts, norms[rows]))
    rows_writer.finish()
    weights_writer.finish()
    write_array(folder / POSTING_STARTS_FILE, np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64))


def _write_sentence_frequency(folder: Path, sentences: TermRows, terms: int) -> None:
    frequency = np.zeros(terms, np.int64)
    for numbers, _, _ in _invert(sentences, terms, _single):
        frequency += np.bincount(numbers.astype(np.int64), minlength=terms)
    write_array(folder / SENTENCE_FREQUENCY_FILE, frequency.astype(np.uint32))


def _write_pairs(folder: Path, passages: TermRows, terms: int) -> None:
    pairs_writer = ArrayWriter(folder / PAIRS_FILE, np.uint64)
    frequency_writer = ArrayWriter(folder / PAIR_FREQUENCY_FILE, np.uint32)
    for keys, _, _ in _invert(passages, terms, _paired):
        pairs, frequency = np.unique_counts(keys)
        pairs_writer.append(pairs[frequency > 1])
        frequency_writer.append(frequency[frequency > 1])
    pair_count = len(passages.numbers) - np.count_nonzero(passages.lengths)
    write_array(folder / PAIR_COUNT_FILE, np.array([pair_count], np.int64))
    pairs_writer.finish()
    frequency_writer.finish()


def _invert(
    some: TermRows, terms: int, key: Callable[[TermRows, Starts], tuple[NDArray[np.uint64], Starts]]
) -> Iterator[tuple[NDArray[np.uint64], Starts, Starts]]:
    """Yield keys in order, each with its rows in order, and how often it stands there; some keys at a time."""
    for first, last in _parts(some.numbers, terms):
        within = [np.flatnonzero((chunk >= first) & (chunk < last)) + start for start, chunk in _chunks(some.numbers)]
        keys, places = key(some, np.concatenate(within, dtype=np.int64))
        rows = some.rows_of(places)
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
        is_new = np.ones(len(keys), np.bool_)
        is_new[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
        new = np.flatnonzero(is_new)
        yield keys[new], rows[new], np.diff(new, append=len(keys))


def _parts(numbers: Numbers, terms: int) -> Iterator[tuple[int, int]]:
    """Divide the terms so that each part occurs about as often."""
    if not len(numbers):
        return iter(())
    occurrences = np.zeros(terms, np.int64)
    for _, chunk in _chunks(numbers):
        occurrences += np.bincount(chunk, minlength=terms)
    ends = np.cumsum(occurrences)
    cuts = np.searchsorted(ends, np.arange(PART, len(numbers), PART)) + 1
    return pairwise(np.unique([0, *cuts.tolist(), terms]).tolist())


def _chunks(numbers: Numbers) -> Iterator[tuple[int, Numbers]]:
    return ((start, numbers[start : start + CHUNK]) for start in range(0, len(numbers), CHUNK))


def _single(some: TermRows, places: Starts) -> tuple[NDArray[np.uint64], Starts]:
    return some.numbers[places].astype(np.uint64), places


def _paired(some: TermRows, places: Starts) -> tuple[NDArray[np.uint64], Starts]:
    places = places[~some.is_last(places)]
    first, second = some.numbers[places].astype(np.uint64), some.numbers[places + 1].astype(np.uint64)
    return first << np.uint64(32) | second, places


def _encode(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")


def _decode(word: bytes) -> str:
    return word.decode("utf-8", "surrogatepass")


def _mean_length(some: TermRows) -> float:
    return float(some.starts[-1]) / max(len(some), 1)


def _norms(lengths: Starts, mean_length: float) -> Scores:
    """Compute how many occurrences of a term are worth half of what endless ones are, in rows of these lengths."""
    relative = lengths / max(mean_length, 1e-9)
    return np.asarray(SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * relative), np.float32)


def _saturate(counts: NDArray[np.int64], norms: Scores) -> Scores:
    return np.asarray(counts / (counts + norms), np.float32)
