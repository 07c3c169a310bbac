"""The index: passages in FAISS, embeddings of their sentences and tokens, and BM25. Only this module imports faiss.

An index never changes once built. Row i is passage i; the sentences of passage i are the rows ``starts[i]`` to
``starts[i + 1]`` of the sentence embeddings, and the tokens of sentence j are those from ``token_starts[j]`` to
``token_starts[j + 1]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.bm25 import Bm25
from docqa.types import Embeddings, PassageEmbeddings, TokenEmbeddings

CANDIDATES = 100
"""How many rows each signal proposes, well above the number that is compared token by token afterwards."""
BACKGROUND_ROWS = 1_000
"""How many rows, evenly spaced, stand for all when a signal's mean and deviation are taken."""

PASSAGES_FILE = "passages.faiss"
SENTENCES_FILE = "sentences.npy"
STARTS_FILE = "starts.npy"
TOKENS_FILE = "tokens.npy"
TOKEN_IDS_FILE = "token_ids.npy"
TOKEN_STARTS_FILE = "token_starts.npy"
TERMS_FOLDERS = ("terms", "pairs", "sentence_terms")

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signal:
    """One way of scoring candidate rows, with the mean and deviation of the same score over the background."""

    scores: Scores
    mean: float
    deviation: float

    def standardised(self) -> Scores:
        """Return the scores as deviations from the background's mean (z-scores)."""
        return np.asarray((self.scores - self.mean) / max(self.deviation, 1e-6), np.float32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that some signal proposes for a query, each scored by every signal.

    ``sentence`` and ``sentence_terms`` are of a row's best sentence, by embedding and by BM25; ``pairs`` is BM25 over
    pairs of terms that follow one another. ``every_sentence`` are the scores by embedding and by BM25 of all sentences
    of the index, ``(2, m)``.
    """

    rows: Rows
    passage: Signal
    sentence: Signal
    terms: Signal
    sentence_terms: Signal
    pairs: Signal
    every_sentence: Scores


class Index:
    """Search passages by the embedding of the passage, of its best sentence, and by its terms."""

    def __init__(self, passages: Any, sentences: Embeddings, starts: Rows, tokens: "_Tokens", terms: "_Terms") -> None:
        if not passages.ntotal == len(starts) - 1 == len(terms.passages):
            counts = f"{passages.ntotal} passages, {len(starts) - 1} starts and {len(terms.passages)} rows of terms"
            raise ValueError(counts)
        if not starts[-1] == len(sentences) == len(terms.sentences):
            counts = f"{len(sentences)} rows of sentences and {len(terms.sentences)} of their terms"
            raise ValueError(f"{counts} instead of {starts[-1]}")
        self._passages = passages
        self._sentences = sentences
        self._starts = starts
        self._tokens = tokens
        self._terms = terms

    @classmethod
    def build(
        cls,
        embeddings: PassageEmbeddings,
        terms: Sequence[Sequence[str]],
        sentence_terms: Sequence[Sequence[Sequence[str]]],
    ) -> "Index":
        """Build an index from the embeddings of n passages, their terms, and those of each of their sentences.

        The tokens are stored as they are given, so compress them before.
        """
        passages = _faiss().IndexFlatIP(embeddings.passages.shape[1])
        passages.add(np.ascontiguousarray(embeddings.passages, np.float32))
        starts = np.cumsum([0, *map(len, sentence_terms)], dtype=np.int64)
        every_sentence = [row for rows in sentence_terms for row in rows]
        tokens = _Tokens.build(embeddings, starts)
        return cls(passages, embeddings.sentences, starts, tokens, _Terms.build(terms, every_sentence))

    def write(self, folder: Path) -> None:
        """Write the index as files into a folder; the same index always gives the same bytes."""
        _faiss().write_index(self._passages, str(folder / PASSAGES_FILE))
        np.save(folder / SENTENCES_FILE, self._sentences)
        np.save(folder / STARTS_FILE, self._starts)
        self._tokens.write(folder)
        self._terms.write(folder)

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Read an index from a folder, the sentence embeddings mapped into memory.

        Raises:
            RuntimeError, ValueError, OSError: a file is missing or not what it should be.
        """
        passages = _faiss().read_index(str(folder / PASSAGES_FILE))
        sentences = np.load(folder / SENTENCES_FILE, mmap_mode="r")
        starts = np.load(folder / STARTS_FILE)
        terms = _Terms.read(folder, passages.ntotal, len(sentences))
        return cls(passages, sentences, starts, _Tokens.read(folder, starts), terms)

    def __len__(self) -> int:
        return int(self._passages.ntotal)

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        return int(self._passages.d)

    def embeddings(self, row: int) -> PassageEmbeddings:
        """Return the embeddings of one row, bit for bit as they were given."""
        passage = self._passages.reconstruct(row)[None]
        first, last = self._starts[row], self._starts[row + 1]
        tokens, counts = self._tokens.of(first, last)
        return PassageEmbeddings(passage, self._sentences[first:last], tokens, counts)

    def sentences(self, row: int) -> slice:
        """Return where the sentences of one row stand among all sentences of the index."""
        return slice(int(self._starts[row]), int(self._starts[row + 1]))

    def token_rarity(self, ids: NDArray[np.int32]) -> Scores:
        """Return the inverse document frequency of tokens, counted in passages; one in no passage is the rarest."""
        return self._tokens.rarity(ids, len(self))

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency, as BM25 counts it; a term in no passage is the rarest."""
        return self._terms.passages.rarity(term)

    def search(self, query: Embeddings, terms: Mapping[float, Sequence[str]], k: int) -> Candidates:
        """Propose rows for a query and score them by each signal.

        Args:
            query: the query's embedding, ``(d,)``.
            terms: lists of terms by what they weigh; the query's own weigh 1.
            k: at least how many rows are wanted; fewer come when the index is smaller.
        """
        wanted = min(len(self), max(k, CANDIDATES))
        _, passage_rows = self._passages.search(query[None], wanted)
        every_sentence = np.stack([self._sentences @ query, self._terms.sentences.scores(terms)])
        by_sentence, by_sentence_terms = np.maximum.reduceat(every_sentence, self._starts[:-1], axis=1)
        by_terms = self._terms.passages.scores(terms)
        by_pairs = self._terms.pairs.scores({weight: _paired(row) for weight, row in terms.items()})
        rows = np.unique(np.concatenate([passage_rows[0], _best(by_sentence, wanted), _best(by_terms, wanted)]))
        background = np.unique(np.linspace(0, len(self) - 1, min(len(self), BACKGROUND_ROWS)).astype(np.int64))
        by_passage, by_passage_background = (self._passages.reconstruct_batch(r) @ query for r in (rows, background))
        return Candidates(
            rows,
            _signal(by_passage, by_passage_background),
            _signal(by_sentence[rows], by_sentence[background]),
            _signal(by_terms[rows], by_terms[background]),
            _signal(by_sentence_terms[rows], by_sentence_terms[background]),
            _signal(by_pairs[rows], by_pairs[background]),
            every_sentence,
        )


class IndexWriter:
    """Write an index into a folder, some passages at a time."""

    def __init__(self, folder: Path, dimension: int) -> None:
        none = np.empty((0, dimension), np.float32)
        no_tokens = TokenEmbeddings(np.empty(0, np.int32), np.empty((0, (dimension + 3) // 4), np.uint8))
        self._folder = folder
        self._parts = [PassageEmbeddings(none, none, no_tokens, np.empty(0, np.int64))]
        self._terms: list[Sequence[str]] = []
        self._sentence_terms: list[Sequence[Sequence[str]]] = []

    def add(
        self,
        embeddings: PassageEmbeddings,
        terms: Sequence[Sequence[str]],
        sentence_terms: Sequence[Sequence[Sequence[str]]],
    ) -> None:
        """Append the embeddings of some passages, their terms, and those of each of their sentences."""
        self._parts.append(embeddings)
        self._terms += terms
        self._sentence_terms += sentence_terms

    def finish(self) -> None:
        """Complete the files."""
        Index.build(PassageEmbeddings.join(self._parts), self._terms, self._sentence_terms).write(self._folder)


class _Tokens:
    """The compressed tokens of all sentences, mapped into memory, and in how many passages each id occurs."""

    def __init__(self, tokens: TokenEmbeddings, token_starts: Rows, starts: Rows) -> None:
        if len(token_starts) != starts[-1] + 1 or not len(tokens) == len(tokens.rows) == token_starts[-1]:
            raise ValueError(f"{len(tokens)} tokens in {len(token_starts) - 1} sentences instead of {starts[-1]}")
        self._tokens = tokens
        self._token_starts = token_starts
        bounds = token_starts[starts]
        found = [np.unique(tokens.ids[first:last]) for first, last in pairwise(bounds)]
        self._frequency = np.bincount(np.concatenate([np.empty(0, np.int64), *found]))

    @classmethod
    def build(cls, embeddings: PassageEmbeddings, starts: Rows) -> "_Tokens":
        token_starts = np.concatenate([[0], np.cumsum(embeddings.token_counts, dtype=np.int64)]).astype(np.int64)
        return cls(embeddings.tokens, token_starts, starts)

    def write(self, folder: Path) -> None:
        np.save(folder / TOKENS_FILE, self._tokens.rows)
        np.save(folder / TOKEN_IDS_FILE, self._tokens.ids)
        np.save(folder / TOKEN_STARTS_FILE, self._token_starts)

    @classmethod
    def read(cls, folder: Path, starts: Rows) -> "_Tokens":
        ids, rows = (np.load(folder / name, mmap_mode="r") for name in (TOKEN_IDS_FILE, TOKENS_FILE))
        return cls(TokenEmbeddings(ids, rows), np.load(folder / TOKEN_STARTS_FILE), starts)

    def of(self, first: int, last: int) -> tuple[TokenEmbeddings, NDArray[np.int64]]:
        """Return the tokens of some sentences and how many each has."""
        bounds = self._token_starts[first : last + 1]
        span = slice(bounds[0], bounds[-1])
        return TokenEmbeddings(self._tokens.ids[span], self._tokens.rows[span]), np.diff(bounds)

    def rarity(self, ids: NDArray[np.int32], passages: int) -> Scores:
        known = ids < len(self._frequency)
        frequency = np.where(known, self._frequency[np.where(known, ids, 0)], 0) if len(self._frequency) else 0 * ids
        return np.log(1 + (passages - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Terms:
    """BM25 over the terms of passages, over their pairs of terms, and over the terms of sentences."""

    passages: Bm25
    pairs: Bm25
    sentences: Bm25

    @classmethod
    def build(cls, passages: Sequence[Sequence[str]], sentences: Sequence[Sequence[str]]) -> "_Terms":
        return cls(Bm25.build(passages), Bm25.build([_paired(row) for row in passages]), Bm25.build(sentences))

    def write(self, folder: Path) -> None:
        for name, terms in zip(TERMS_FOLDERS, (self.passages, self.pairs, self.sentences), strict=True):
            terms.write(folder / name)

    @classmethod
    def read(cls, folder: Path, passages: int, sentences: int) -> "_Terms":
        rows = (passages, passages, sentences)
        return cls(*(Bm25.read(folder / name, count) for name, count in zip(TERMS_FOLDERS, rows, strict=True)))


def _paired(terms: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(terms)]


def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)  # one query at a time is faster on one thread, and leaves the cores to the model
    return faiss


def _best(scores: Scores, count: int) -> Rows:
    return np.argpartition(-scores, count - 1)[:count]


def _signal(scores: Scores, background: Scores) -> Signal:
    return Signal(scores, float(background.mean()), float(background.std()))
