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
TERMS_FOLDER = "terms"
PAIRS_FOLDER = "pairs"
NO_TERMS_FILE = "none"

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

    ``pairs`` is BM25 over pairs of terms that follow one another.
    """

    rows: Rows
    passage: Signal
    sentence: Signal
    terms: Signal
    pairs: Signal


class Index:
    """Search passages by the embedding of the passage, of its best sentence, and by its terms."""

    def __init__(
        self, passages: Any, sentences: Embeddings, starts: Rows, tokens: "_Tokens", terms: "_Terms", pairs: "_Terms"
    ) -> None:
        if not passages.ntotal == len(starts) - 1 == len(terms):
            raise ValueError(f"{passages.ntotal} passages, {len(starts) - 1} starts and {len(terms)} rows of terms")
        if starts[-1] != len(sentences):
            raise ValueError(f"{len(sentences)} rows of sentences instead of {starts[-1]}")
        self._passages = passages
        self._sentences = sentences
        self._starts = starts
        self._tokens = tokens
        self._terms = terms
        self._pairs = pairs

    @classmethod
    def build(
        cls, embeddings: PassageEmbeddings, sentence_counts: Sequence[int], terms: Sequence[Sequence[str]]
    ) -> "Index":
        """Build an index from the embeddings of n passages, their numbers of sentences and their terms in order.

        The tokens are stored as they are given, so compress them before.
        """
        passages = _faiss().IndexFlatIP(embeddings.passages.shape[1])
        passages.add(np.ascontiguousarray(embeddings.passages, np.float32))
        starts = np.concatenate([[0], np.cumsum(sentence_counts, dtype=np.int64)]).astype(np.int64)
        tokens = _Tokens.build(embeddings, starts)
        return cls(passages, embeddings.sentences, starts, tokens, _Terms.build(terms), _Terms.build(_paired(terms)))

    def write(self, folder: Path) -> None:
        """Write the index as files into a folder; the same index always gives the same bytes."""
        _faiss().write_index(self._passages, str(folder / PASSAGES_FILE))
        np.save(folder / SENTENCES_FILE, self._sentences)
        np.save(folder / STARTS_FILE, self._starts)
        self._tokens.write(folder)
        self._terms.write(folder / TERMS_FOLDER)
        self._pairs.write(folder / PAIRS_FOLDER)

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Read an index from a folder, the sentence embeddings mapped into memory.

        Raises:
            RuntimeError, ValueError, OSError: a file is missing or not what it should be.
        """
        passages = _faiss().read_index(str(folder / PASSAGES_FILE))
        sentences = np.load(folder / SENTENCES_FILE, mmap_mode="r")
        starts = np.load(folder / STARTS_FILE)
        terms, pairs = (_Terms.read(folder / name, passages.ntotal) for name in (TERMS_FOLDER, PAIRS_FOLDER))
        return cls(passages, sentences, starts, _Tokens.read(folder, starts), terms, pairs)

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

    def tokens(self, row: int) -> list[TokenEmbeddings]:
        """Return the tokens of each sentence of one row."""
        return [self._tokens.of(i, i + 1)[0] for i in range(self._starts[row], self._starts[row + 1])]

    def token_rarity(self, ids: NDArray[np.int32]) -> Scores:
        """Return the inverse document frequency of tokens, counted in passages; one in no passage is the rarest."""
        return self._tokens.rarity(ids, len(self))

    def sentence_scores(self, row: int, query: Embeddings) -> Scores:
        """Return the inner product of the query with each sentence of one row."""
        return np.asarray(self._sentences[self._starts[row] : self._starts[row + 1]] @ query, np.float32)

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency, as BM25 counts it; a term in no passage is the rarest."""
        return self._terms.rarity(term)

    def search(self, query: Embeddings, terms: Mapping[float, Sequence[str]], k: int) -> Candidates:
        """Propose rows for a query and score them by each signal.

        Args:
            query: the query's embedding, ``(d,)``.
            terms: lists of terms by what they weigh; the query's own weigh 1.
            k: at least how many rows are wanted; fewer come when the index is smaller.
        """
        wanted = min(len(self), max(k, CANDIDATES))
        _, passage_rows = self._passages.search(query[None], wanted)
        by_sentence = np.maximum.reduceat(self._sentences @ query, self._starts[:-1])
        none = np.zeros(len(self), np.float32)
        by_terms = sum((weight * self._terms.scores(row) for weight, row in terms.items()), none)
        by_pairs = sum((weight * self._pairs.scores(_paired([row])[0]) for weight, row in terms.items()), none)
        rows = np.unique(np.concatenate([passage_rows[0], _best(by_sentence, wanted), _best(by_terms, wanted)]))
        background = np.unique(np.linspace(0, len(self) - 1, min(len(self), BACKGROUND_ROWS)).astype(np.int64))
        by_passage, by_passage_background = (self._passages.reconstruct_batch(r) @ query for r in (rows, background))
        return Candidates(
            rows,
            _signal(by_passage, by_passage_background),
            _signal(by_sentence[rows], by_sentence[background]),
            _signal(by_terms[rows], by_terms[background]),
            _signal(by_pairs[rows], by_pairs[background]),
        )


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


class _Terms:
    """BM25 over the passages' terms, by bm25s (Lucene's variant, k1 = 1.5, b = 0.75)."""

    def __init__(self, scorer: Any, rows: int) -> None:
        self._scorer = scorer
        self._vocabulary: dict[str, int] = scorer.vocab_dict if scorer else {}
        self._rows = rows

    @classmethod
    def build(cls, terms: Sequence[Sequence[str]]) -> "_Terms":
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
        if self._scorer:
            self._scorer.save(folder, show_progress=False)
        else:
            folder.mkdir()
            (folder / NO_TERMS_FILE).touch()

    @classmethod
    def read(cls, folder: Path, rows: int) -> "_Terms":
        import bm25s

        if (folder / NO_TERMS_FILE).exists():
            return cls(None, rows)
        return cls(bm25s.BM25.load(folder, mmap=True, show_progress=False), rows)

    def __len__(self) -> int:
        return self._rows

    def scores(self, terms: Sequence[str]) -> Scores:
        numbers = [self._vocabulary[term] for term in terms if term in self._vocabulary]
        if not numbers:
            return np.zeros(self._rows, np.float32)
        return np.asarray(self._scorer.get_scores_from_ids(numbers), np.float32)

    def rarity(self, term: str) -> float:
        number = self._vocabulary.get(term)
        frequency = 0
        if number is not None:
            begin, end = self._scorer.scores["indptr"][number : number + 2]
            frequency = int(end - begin)
        return float(np.log(1 + (self._rows - frequency + 0.5) / (frequency + 0.5)))


def _paired(terms: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[f"{first} {second}" for first, second in pairwise(row)] for row in terms]


def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)  # one query at a time is faster on one thread, and leaves the cores to the model
    return faiss


def _best(scores: Scores, count: int) -> Rows:
    return np.argpartition(-scores, count - 1)[:count]


def _signal(scores: Scores, background: Scores) -> Signal:
    return Signal(scores, float(background.mean()), float(background.std()))
