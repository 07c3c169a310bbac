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
    """The numbers of a query's terms, ``(n,)``, and of its pairs of terms that follow one another, ``(m, 2)``.

    Beside them what each is worth, its rarity included: a term in a passage and in a sentence, and a pair.
    """

    terms: Numbers
    in_passages: Scores
    in_sentences: Scores
    pairs: Numbers
    of_pairs: Scores


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
        return TermRows(self.numbers.take(places), starts)

    def count(self, terms: Numbers) -> NDArray[np.int64]:
        """Count each of n terms in each row, ``(n, rows)``."""
        return self._count(len(terms), *_find(self.numbers, terms))

    def count_pairs(self, pairs: Numbers) -> NDArray[np.int64]:
        """Count for each of m pairs, ``(m, 2)``, in each row how often its first term is followed by its second."""
        which, places = _find(self.numbers[:-1], pairs[:, 0])
        follow = (self.numbers[places + 1] == pairs[which, 1]) & ~self.is_last(places)
        return self._count(len(pairs), which[follow], places[follow])

    def is_last(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of places among all numbers whether they are the last of their row."""
        return np.asarray(self.starts[self.rows_of(places) + 1] == places + 1)

    def rows_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the rows that places among all numbers belong to."""
        return np.searchsorted(self.starts, places, "right") - 1

    def _count(self, count: int, which: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count in each row the places at which each of so many things was found, ``(count, rows)``."""
        found = which * len(self) + self.rows_of(places)
        return np.bincount(found, minlength=count * len(self)).reshape(count, len(self))


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
        return self._weigh(found, pairs)

    def score_all(self, asked: AskedTerms) -> Scores:
        """Score every passage by its terms."""
        scores = np.zeros(len(self.passages), np.float32)
        for number, weight in zip(asked.terms.tolist(), asked.in_passages, strict=True):
            rows, weights = self._frequencies.postings(number)
            scores[rows] += weight * weights
        return scores

    def score_sentences(self, asked: AskedTerms, some: TermRows) -> Scores:
        """Score some of the sentences by their terms."""
        return _sum(asked.in_sentences, _saturate(some.count(asked.terms), self._sentence_norms(some)))

    def score_pairs(self, asked: AskedTerms, some: TermRows) -> Scores:
        """Score some of the passages by their pairs of terms that follow one another."""
        return _sum(asked.of_pairs, _saturate(some.count_pairs(asked.pairs), self._pair_norms(some)))

    def count_once(self, passages: TermRows, sentences: TermRows) -> "CountedTerms":
        """Count the terms of some sentences and the pairs of some passages once for many queries."""
        return CountedTerms(
            _Postings(sentences, _single, self._sentence_norms(sentences)),
            _Postings(passages, _paired, self._pair_norms(passages)),
        )

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
        return float(_rarity(len(self.passages), frequency))

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

    def _sentence_norms(self, some: TermRows) -> Scores:
        return _norms(some.lengths, _mean_length(self.sentences))

    def _pair_norms(self, some: TermRows) -> Scores:
        mean_length = self._frequencies.pair_count / max(len(self.passages), 1)
        return _norms(np.maximum(some.lengths - 1, 0), mean_length)

    def _weigh(self, terms: Mapping[int, float], pairs: Mapping[tuple[int, int], float]) -> AskedTerms:
        """Multiply what terms and pairs weigh by how rare they are."""
        numbers, paired = np.array([*terms], np.uint32), np.array([*pairs], np.uint32).reshape(-1, 2)
        passages, sentences, frequencies = len(self.passages), len(self.sentences), self._frequencies
        return AskedTerms(
            numbers,
            _weights(terms, _rarity(passages, frequencies.passages(numbers))),
            _weights(terms, _rarity(sentences, frequencies.sentences[numbers])),
            paired,
            _weights(pairs, _rarity(passages, frequencies.pairs(paired))),
        )


class CountedTerms:
    """The terms of some sentences and the pairs of some passages, counted once for many queries."""

    def __init__(self, sentences: "_Postings", pairs: "_Postings") -> None:
        self._sentences = sentences
        self._pairs = pairs

    def score(self, asked: AskedTerms) -> tuple[Scores, Scores]:
        """Score the sentences by their terms and the passages by their pairs, as `Terms` does."""
        sentences = self._sentences.score(asked.terms.astype(np.uint64), asked.in_sentences)
        return sentences, self._pairs.score(_pair_keys(asked.pairs[:, 0], asked.pairs[:, 1]), asked.of_pairs)


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


def _find(numbers: Numbers, wanted: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find which of the numbers that are wanted stands where."""
    found = np.flatnonzero(numbers == wanted[:, None])  # np.nonzero takes ten times as long of two axes
    which, places = np.divmod(found, max(len(numbers), 1))
    return which, places


def spans(starts: Starts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Starts]:
    """List the places of the parts of an array that belong to rows, and where each part starts among them.

    Raises:
        ValueError: parts lie outside the array, as those of an altered file may.
    """
    firsts, lengths = starts[rows], starts[rows + 1] - starts[rows]
    if len(rows) and (firsts.min() < 0 or lengths.min() < 0 or (firsts + lengths).max() > starts[-1]):
        raise ValueError("parts of an array lie outside it")
    ends = np.cumsum(lengths)
    places = np.repeat(firsts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
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

    def passages(self, numbers: Numbers) -> NDArray[np.int64]:
        """Return how many passages have each of some terms."""
        return np.asarray(self._posting_starts[numbers + 1] - self._posting_starts[numbers])

    def pairs(self, pairs: Numbers) -> NDArray[np.int64]:
        """Return how many passages have each of some pairs, ``(n, 2)``; only those in two and more are written down."""
        wanted = _pair_keys(pairs[:, 0], pairs[:, 1])
        first, last = (np.searchsorted(self._pairs, wanted, side) for side in ("left", "right"))
        frequency = np.ones(len(pairs), np.int64)
        frequency[first < last] = self._pair_frequency[first[first < last]]
        return frequency


class _Postings:
    """For each term or pair the rows that have it, and what it is worth there before its rarity."""

    def __init__(self, some: TermRows, key: "_Key", norms: Scores) -> None:
        keys, places = key(some, np.arange(len(some.numbers)))
        self._keys, self._rows, counts = _group(keys, some.rows_of(places))
        self._weights = _saturate(counts, norms[self._rows])
        self._count = len(some)

    def score(self, wanted: NDArray[np.uint64], weights: Scores) -> Scores:
        """Score every row by what is wanted, each weighing so much."""
        scores = np.zeros(self._count, np.float32)
        bounds = (np.searchsorted(self._keys, wanted, side).tolist() for side in ("left", "right"))
        for weight, start, end in zip(weights, *bounds, strict=True):
            scores[self._rows[start:end]] += weight * self._weights[start:end]
        return scores


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


_Key = Callable[[TermRows, Starts], tuple[NDArray[np.uint64], Starts]]
"""Makes keys of what stands at some places, and lists the places that have one."""


def _invert(some: TermRows, terms: int, key: _Key) -> Iterator[tuple[NDArray[np.uint64], Starts, Starts]]:
    """Yield keys in order, each with its rows in order, and how often it stands there; some keys at a time."""
    for first, last in _parts(some.numbers, terms):
        within = [np.flatnonzero((chunk >= first) & (chunk < last)) + start for start, chunk in _chunks(some.numbers)]
        keys, places = key(some, np.concatenate(within, dtype=np.int64))
        yield _group(keys, some.rows_of(places))


def _group(keys: NDArray[np.uint64], rows: Starts) -> tuple[NDArray[np.uint64], Starts, Starts]:
    """Put keys in order, each once for each of its rows, and count how often it stands there."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    new = np.flatnonzero(is_new)
    return keys[new], rows[new], np.diff(new, append=len(keys))


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
    return _pair_keys(some.numbers[places], some.numbers[places + 1]), places


def _pair_keys(first: Numbers, second: Numbers) -> NDArray[np.uint64]:
    return first.astype(np.uint64) << np.uint64(32) | second


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


def _rarity(rows: int, frequency: NDArray[np.integer[Any]] | int) -> NDArray[np.float64]:
    """Compute the inverse document frequency of what so many of some rows have."""
    return np.asarray(np.log(1 + (rows - frequency + 0.5) / (frequency + 0.5)))


def _weights(asked: Mapping[Any, float], rarity: NDArray[np.float64]) -> Scores:
    return np.asarray(np.array([*asked.values()]) * rarity, np.float32)


def _sum(weights: Scores, counted: Scores) -> Scores:
    """Sum what the terms are worth, ``(n,)``, in each row, ``(n, rows)``, every row as if it were alone."""
    return np.asarray(np.einsum("i,ij->j", weights, counted), np.float32)
