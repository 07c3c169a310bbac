"""The index: passages in FAISS, embeddings of their sentences and tokens, and BM25.

An index never changes once written. Row i is passage i; the sentences of passage i are the rows ``starts[i]`` to
``starts[i + 1]`` of the sentence embeddings, and the tokens of sentence j are those from ``token_starts[j]`` to
``token_starts[j + 1]``. All of it is mapped into memory; of sentences and tokens only those of candidates are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.arrays import ArrayWriter, map_array, map_starts, release, widen, write_array
from docqa.bm25 import AskedTerms, Terms, TermsWriter, spans
from docqa.nearest import Nearest, write_nearest
from docqa.types import Embeddings, PassageEmbeddings, TokenEmbeddings

CANDIDATES = 100
"""How many rows are proposed by the embedding of the passage, and as many by its terms, well above the number that is
compared token by token afterwards."""
NEAR = 500
"""How many rows FAISS proposes, of which the nearest are then found exactly. An index of no more does without FAISS,
which takes longer to load than such an index to ask."""
KEPT_SEARCHES = 32
"""After so many searches memory is given back: one in a large index touches some 15 MB of it, here and there."""
BACKGROUND_ROWS = 1_000
"""How many rows, evenly spaced, stand for all when a signal's mean and deviation are taken."""

NEAREST_FILE = "passages.faiss"
PASSAGES_FILE = "passages.npy"
SENTENCES_FILE = "sentences.npy"
STARTS_FILE = "starts.npy"
TOKENS_FILE = "tokens.npy"
TOKEN_IDS_FILE = "token_ids.npy"
TOKEN_STARTS_FILE = "token_starts.npy"
TOKEN_FREQUENCY_FILE = "token_frequency.npy"
TERMS_FOLDER = "terms"

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
    """Rows that are proposed for a query, in order, each scored by every signal.

    ``sentence`` and ``sentence_terms`` are of a row's best sentence, by embedding and by BM25; ``pairs`` is BM25 over
    pairs of terms that follow one another.
    """

    rows: Rows
    passage: Signal
    sentence: Signal
    terms: Signal
    sentence_terms: Signal
    pairs: Signal
    sentences: Scores
    """Of each of the candidates' sentences in order, by embedding and by BM25, ``(2, m)``."""
    starts: Rows
    """Where the sentences of each candidate start among these."""

    def sentences_of(self, i: int) -> Scores:
        """Return the scores of the sentences of candidate i, by embedding and by BM25, ``(2, m)``."""
        return self.sentences[:, self.starts[i] : self.starts[i + 1]]


class IndexWriter:
    """Write an index into a folder, some passages at a time; the same passages always give the same bytes."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._passages = ArrayWriter(folder / PASSAGES_FILE, np.float16)
        self._sentences = ArrayWriter(folder / SENTENCES_FILE, np.float16)
        self._starts = ArrayWriter(folder / STARTS_FILE, np.int64)
        self._tokens = ArrayWriter(folder / TOKENS_FILE, np.uint8)
        self._token_ids = ArrayWriter(folder / TOKEN_IDS_FILE, np.int32)
        self._token_starts = ArrayWriter(folder / TOKEN_STARTS_FILE, np.int64)
        self._token_frequency = np.zeros(0, np.int64)
        self._terms = TermsWriter(folder / TERMS_FOLDER)
        for rows in (self._passages, self._sentences):
            rows.append(np.empty((0, dimension)))
        for starts in (self._starts, self._token_starts):
            starts.append(np.zeros(1))

    def add(
        self,
        embeddings: PassageEmbeddings,
        terms: Sequence[Sequence[str]],
        sentence_terms: Sequence[Sequence[Sequence[str]]],
    ) -> None:
        """Add the embeddings of n passages, their terms, and those of each of their sentences, at least one.

        The tokens are stored as they are given, so compress them before; the embeddings in float16.

        Raises:
            ValueError: the parts do not belong together; the index is then not to be finished.
        """
        counts = np.array([len(rows) for rows in sentence_terms], np.int64)
        _check(embeddings, terms, counts, self._dimension)
        sentence_ends, token_ends = np.cumsum(counts), np.cumsum(embeddings.token_counts)
        self._count_tokens(embeddings.tokens.ids, np.repeat(np.arange(len(counts)), counts), embeddings.token_counts)
        self._starts.append(len(self._sentences) + sentence_ends)
        self._token_starts.append(len(self._token_ids) + token_ends)
        self._passages.append(embeddings.passages)
        self._sentences.append(embeddings.sentences)
        self._tokens.append(embeddings.tokens.rows)
        self._token_ids.append(embeddings.tokens.ids)
        self._terms.add(terms, sentence_terms)

    def finish(self) -> None:
        """Write what depends on all passages: FAISS, BM25, and how often each token occurs."""
        for rows in (
            self._passages,
            self._sentences,
            self._starts,
            self._tokens,
            self._token_ids,
            self._token_starts,
        ):
            rows.finish()
        write_array(self._folder / TOKEN_FREQUENCY_FILE, self._token_frequency)
        self._terms.finish()
        write_nearest(self._folder / NEAREST_FILE, map_array(self._folder / PASSAGES_FILE, np.float16))

    def _count_tokens(self, ids: NDArray[np.int32], passages: Rows, token_counts: Rows) -> None:
        """Count in how many passages each token is."""
        keys = np.sort(np.repeat(passages, token_counts) << 32 | ids)  # which is a tenth of the work of np.unique
        found = np.bincount(keys[np.diff(keys, prepend=-1) != 0] & 0xFFFFFFFF)
        longer, shorter = sorted([found, self._token_frequency], key=len, reverse=True)
        longer[: len(shorter)] += shorter
        self._token_frequency = longer


class StoredEmbeddings:
    """The embeddings of passages, of their sentences and tokens, as they are stored: what the rest follows from."""

    FILES = (PASSAGES_FILE, SENTENCES_FILE, STARTS_FILE, TOKENS_FILE, TOKEN_IDS_FILE, TOKEN_STARTS_FILE)

    def __init__(
        self, passages: NDArray[np.float16], sentences: NDArray[np.float16], starts: Rows, tokens: "_Tokens"
    ) -> None:
        self._passages = passages
        self._sentences = sentences
        self._starts = starts
        self._tokens = tokens

    @classmethod
    def read(cls, folder: Path) -> "StoredEmbeddings":
        """Read the embeddings of an index from its folder, mapped into memory.

        Raises:
            ValueError, IndexError, OSError: a file is missing or not what it should be.
        """
        return cls(*_map_embeddings(folder))

    def __len__(self) -> int:
        return len(self._passages)

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        return int(self._passages.shape[1])

    def embeddings(self, row: int, count: int = 1) -> PassageEmbeddings:
        """Return the embeddings of one row or more as they are stored; stored again, they are the same bit for bit."""
        first, last = self._starts[row], self._starts[row + count]
        tokens, counts = self._tokens.of(first, last)
        passages, sentences = self._passages[row : row + count], self._sentences[first:last]
        return PassageEmbeddings(passages.astype(np.float32), sentences.astype(np.float32), tokens, counts)


class StoredTerms:
    """The terms of passages and of their sentences as they are stored."""

    def __init__(self, terms: Terms, starts: Rows) -> None:
        self._terms = terms
        self._starts = starts

    @classmethod
    def read(cls, folder: Path) -> "StoredTerms":
        """Read the terms of an index from its folder, mapped into memory.

        Raises:
            ValueError, IndexError, OSError: a file is missing or not what it should be.
        """
        starts = map_array(folder / STARTS_FILE, np.int64)
        return cls(Terms.read(folder / TERMS_FOLDER, len(starts) - 1, int(starts[-1])), starts)

    def terms(self, row: int) -> tuple[list[str], list[list[str]]]:
        """List the terms of one row, and those of each of its sentences, as they were added."""
        return self._terms.passage_terms(row), self._terms.sentence_terms(*self._starts[row : row + 2].tolist())


class Index(StoredEmbeddings):
    """Search passages by the embedding of the passage, of its best sentence, and by its terms."""

    def __init__(
        self,
        passages: NDArray[np.float16],
        sentences: NDArray[np.float16],
        starts: Rows,
        tokens: "_Tokens",
        token_frequency: NDArray[np.int64],
        nearest: Nearest | None,
        terms: Terms,
    ) -> None:
        super().__init__(passages, sentences, starts, tokens)
        self._token_frequency = token_frequency
        self._nearest = nearest
        self._terms = terms
        self._searches = 0
        self._background = self._gather(_spread(len(self), BACKGROUND_ROWS))
        self._background_terms = terms.count_once(
            terms.passages.select(self._background.rows), terms.sentences.select(self._background.sentence_rows)
        )

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Read an index from a folder, mapped into memory.

        Raises:
            RuntimeError, ValueError, IndexError, OSError: a file is missing or not what it should be.
        """
        passages, sentences, starts, tokens = _map_embeddings(folder)
        rows, dimension = passages.shape
        return cls(
            passages,
            sentences,
            starts,
            tokens,
            map_array(folder / TOKEN_FREQUENCY_FILE, np.int64),
            Nearest.read(folder / NEAREST_FILE, rows, dimension) if rows > NEAR else None,
            Terms.read(folder / TERMS_FOLDER, rows, len(sentences)),
        )

    def tokens(self, rows: Sequence[int]) -> tuple[NDArray[np.uint8], list[NDArray[np.int64]]]:
        """Return the tokens of some rows, one after another, and for each row how many each of its sentences has.

        Raises:
            ValueError: these numbers do not belong together, as in an altered file.
        """
        found = [self._tokens.of(self._starts[row], self._starts[row + 1]) for row in rows]
        return np.concatenate([tokens.rows for tokens, _ in found]), [counts for _, counts in found]

    def token_rarity(self, ids: NDArray[np.int32]) -> Scores:
        """Return the inverse document frequency of tokens, counted in passages; one in no passage is the rarest."""
        known = ids < len(self._token_frequency)
        frequency = np.zeros(len(ids), np.int64)
        frequency[known] = self._token_frequency[ids[known]]
        return np.asarray(np.log(1 + (len(self) - frequency + 0.5) / (frequency + 0.5)), np.float32)

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency, as BM25 counts it; a term in no passage is the rarest."""
        return self._terms.rarity(term)

    def find_terms(self, terms: Iterable[str], row: int) -> list[set[str]]:
        """Find which of some terms each sentence of a row has."""
        return self._terms.find(terms, slice(int(self._starts[row]), int(self._starts[row + 1])))

    def search(self, query: Embeddings, terms: Mapping[float, Sequence[str]], k: int) -> Candidates:
        """Propose rows for a query and score them by each signal.

        Args:
            query: the query's embedding, ``(d,)``.
            terms: lists of terms by what they weigh; the query's own weigh 1.
            k: at least how many rows are wanted; fewer come when the index is smaller.
        """
        asked = self._terms.ask(terms)
        by_terms = self._terms.score_all(asked)
        wanted = min(len(self), max(k, CANDIDATES))
        found = self._gather(np.union1d(self._find_nearest(query, wanted), _best(by_terms, wanted)))
        sentences, signals = self._score(found, query, by_terms, self._score_terms(found, asked))
        _, background = self._score(self._background, query, by_terms, self._background_terms.score(asked))
        self._give_back()
        passage, sentence, of_terms, sentence_terms, pairs = _signals(signals, background)
        return Candidates(found.rows, passage, sentence, of_terms, sentence_terms, pairs, sentences, found.starts)

    def _find_nearest(self, query: Embeddings, count: int) -> Rows:
        near = self._nearest.search(query, min(len(self), max(count, NEAR))) if self._nearest else np.arange(len(self))
        return near[_best(np.vecdot(widen(self._passages.take(near, axis=0)), query), count)]

    def _give_back(self) -> None:
        self._searches += 1
        if self._searches % KEPT_SEARCHES == 0:
            for mapped in (self._passages, self._sentences, *self._tokens.mapped, *self._terms.mapped):
                release(mapped)

    def _gather(self, rows: Rows) -> "_Gathered":
        """Read what is needed to score some rows."""
        places, starts = spans(self._starts, rows)
        return _Gathered(
            rows,
            widen(self._passages.take(rows, axis=0)),  # in half the time of self._passages[rows]
            widen(self._sentences.take(places, axis=0)),
            places,
            starts,
        )

    def _score_terms(self, some: "_Gathered", asked: AskedTerms) -> tuple[Scores, Scores]:
        """Score the sentences of some rows by their terms, and the rows by their pairs of terms."""
        sentences = self._terms.score_sentences(asked, self._terms.sentences.select(some.sentence_rows))
        return sentences, self._terms.score_pairs(asked, self._terms.passages.select(some.rows))

    def _score(
        self, some: "_Gathered", query: Embeddings, by_terms: Scores, more: tuple[Scores, Scores]
    ) -> tuple[Scores, tuple[Scores, ...]]:
        """Score the sentences of some rows, and the rows by every signal; ``more`` are those by `_score_terms`."""
        by_embedding = np.vecdot(some.sentences, query)  # unlike a product of matrices, equal rows have equal scores
        by_terms_of_sentence, by_pairs = more
        sentences = np.stack([by_embedding, by_terms_of_sentence])
        by_sentence, by_sentence_terms = np.maximum.reduceat(sentences, some.starts[:-1], axis=1)
        by_passage = np.vecdot(some.passages, query)
        return sentences, (by_passage, by_sentence, by_terms[some.rows], by_sentence_terms, by_pairs)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Some rows, and their embeddings and those of their sentences read into memory."""

    rows: Rows
    passages: Embeddings
    sentences: Embeddings
    sentence_rows: Rows
    starts: Rows


class _Tokens:
    """The compressed tokens of all sentences."""

    def __init__(self, tokens: TokenEmbeddings, starts: Rows) -> None:
        self._tokens = tokens
        self._starts = starts

    @classmethod
    def read(cls, folder: Path, sentences: int) -> "_Tokens":
        starts = map_starts(folder / TOKEN_STARTS_FILE, sentences)
        ids = map_array(folder / TOKEN_IDS_FILE, np.int32, int(starts[-1]))
        rows = map_array(folder / TOKENS_FILE, np.uint8, int(starts[-1]))
        return cls(TokenEmbeddings(ids, rows), starts)

    @property
    def mapped(self) -> tuple[NDArray[Any], ...]:
        """Return the large arrays that are mapped into memory."""
        return self._tokens.ids, self._tokens.rows

    def of(self, first: int, last: int) -> tuple[TokenEmbeddings, NDArray[np.int64]]:
        """Return the tokens of some sentences and how many each has."""
        bounds = self._starts[first : last + 1]
        counts, span = np.diff(bounds), slice(bounds[0], bounds[-1])
        if bounds[0] < 0 or counts.min() < 0 or bounds[-1] > len(self._tokens):
            raise ValueError("tokens of sentences lie outside their array")
        return TokenEmbeddings(self._tokens.ids[span], self._tokens.rows[span]), counts


def _map_embeddings(folder: Path) -> tuple[NDArray[np.float16], NDArray[np.float16], Rows, _Tokens]:
    passages = map_array(folder / PASSAGES_FILE, np.float16, scattered=True)
    starts = map_starts(folder / STARTS_FILE, len(passages))
    sentences = map_array(folder / SENTENCES_FILE, np.float16, int(starts[-1]), scattered=True)
    return passages, sentences, starts, _Tokens.read(folder, len(sentences))


def _check(embeddings: PassageEmbeddings, terms: Sequence[Sequence[str]], counts: Rows, dimension: int) -> None:
    """Check that the parts of passages belong together."""
    passages, sentences = embeddings.passages, embeddings.sentences
    if passages.shape != (len(counts), dimension) or len(terms) != len(counts):
        shape = f"{passages.shape} numbers of passages and {len(terms)} rows of terms"
        raise ValueError(f"{shape} for {len(counts)} passages of {dimension}")
    if sentences.shape != (counts.sum(), dimension) or not counts.all():
        raise ValueError(f"{sentences.shape} numbers of sentences for {counts.tolist()} sentences of {dimension}")
    tokens, token_counts = embeddings.tokens, embeddings.token_counts
    if not len(tokens) == len(tokens.rows) == token_counts.sum() or len(token_counts) != len(sentences):
        raise ValueError(f"{len(tokens)} tokens in {len(token_counts)} sentences instead of {len(sentences)}")


def _spread(rows: int, most: int) -> Rows:
    """Choose rows, evenly spaced."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def _best(scores: Scores, count: int) -> Rows:
    return np.argpartition(-scores, count - 1)[:count]


def _signals(scores: Sequence[Scores], background: Sequence[Scores]) -> list[Signal]:
    rows = np.stack(background)
    return [*map(Signal, scores, rows.mean(axis=1).tolist(), rows.std(axis=1).tolist())]
