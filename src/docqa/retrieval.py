"""Retrieval: query → hits, by three readings of the corpus fused into one score, and the answer drawn from them."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docqa.answering import ANSWERED_FROM, CONFIDENCE_HITS, answer
from docqa.confidence import CALIBRATED_FOR
from docqa.embedding import Embedder, Reranker, SentenceTransformerEmbedder
from docqa.errors import EmbeddingError
from docqa.evidencing import Found, HitMaker, cite
from docqa.framing import MOST_PASSAGES, Comparison, Run, drop_repeated, frame, keep_whole
from docqa.index import Candidates, Scores
from docqa.matching import match_tokens
from docqa.queueing import Queue
from docqa.store import Generation, check_model, open_generation, read_manifest
from docqa.texts import embedded_text
from docqa.types import Answer, Document, Exchange, Hit, IndexedDocument, StoreSummary
from docqa.understanding import Understood, understand

KEPT_DOCUMENTS = 64
"""How many documents a retriever keeps in memory, to show them beside their hits."""
KEPT_PASSAGES = 256
"""How many passages it keeps: of a query's candidates a few are looked at, some of them several times."""
CANDIDATE_WEIGHTS = (0.25, 0.3, 0.2, 0.25)
"""Of the standardised scores that choose the candidates: passage, best sentence, terms of the passage and of the best
sentence, see docs/retrieval.md."""
RERANKED = 20
"""How many candidates are compared with the query token by token, and then by the reranker if there is one; token by
token, 50 gain at most 0.2 points."""
RERANK_WEIGHTS = (0.125, 0.15, 0.1, 0.06)
"""Of the same standardised scores when the candidates are put in order ..."""
PAIRS_WEIGHT = 0.2
MATCH_WEIGHTS = np.array([6, 3, 3], np.float32)
"""... and of token matches anywhere, in order and together. These are cosines and not standardised, so that they decide
where they differ much, as with questions that one sentence answers, and hardly do for broad topics."""


_queue = Queue()


class Retriever:
    """Find the passages of a store that answer queries.

    A retriever reads one generation. Keep it for many queries; threads may share it, and hardly more are served at once
    than there are processors.
    """

    def __init__(self, generation: Generation, embedder: Embedder, reranker: Reranker | None = None) -> None:
        check_model(generation.manifest, embedder)
        self._generation = generation
        self._embedder = embedder
        self._reranker = reranker
        self._document = lru_cache(KEPT_DOCUMENTS)(generation.document)
        self._passage = lru_cache(KEPT_PASSAGES)(generation.texts.passage)

    @classmethod
    def open(
        cls,
        embeddings_dir: str | PathLike[str] = "embeddings",
        *,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> "Retriever":
        """Open the current generation of a store; the models are loaded with the first query.

        Args:
            embeddings_dir: the folder of the store.
            embedder: the store's model; else it is found by its name.
            reranker: puts the best candidates in order, after all else; else they stay as they are.

        Raises:
            IndexNotFoundError: nothing has been synced yet.
            IndexMismatchError: the embedder is another than the store's.
            CorruptIndexError: the store's files disagree with its manifest.
            StoreError: the system refuses to read them.
            ModelNotFoundError: the model is not on this machine.
        """
        generation = open_generation(Path(embeddings_dir))
        return cls(generation, embedder or _embedder(generation.manifest.model), reranker)

    @property
    def generation(self) -> str:
        """Return the name of the generation that is read."""
        return self._generation.manifest.generation

    @property
    def summary(self) -> StoreSummary:
        """Return what the store holds."""
        return self._generation.manifest.summary()

    @property
    def reranker(self) -> str | None:
        """Return the name of the reranker, if there is one."""
        return self._reranker.name if self._reranker else None

    def documents(self) -> list[IndexedDocument]:
        """List the indexed documents by path."""
        return self._generation.texts.documents()

    def document(self, path: str) -> Document:
        """Return an indexed document, as it was when it was synced.

        Raises:
            KeyError: there is none of that path.
            CorruptIndexError: it is damaged.
        """
        return self._document(path)

    def retrieve(self, query: str, k: int = 5) -> list[Hit]:
        """Find the k passages that answer a query best, best first; fewer when there is no more to show.

        Raises:
            TypeError: the query is no string, or k no integer.
            ValueError: the query is blank, or k is below 1.
            ModelNotFoundError: the model cannot be loaded.
            EmbeddingError: the model gave an embedding of a wrong shape or that is not finite.
        """
        query = _checked(query, k)
        if not len(self._generation.index):
            return []
        _, found = _queue.run(lambda: self._find(query, (), k))
        return [one.hit for one in found]

    def ask(
        self, query: str, k: int = 5, *, history: Sequence[Exchange] = (), min_confidence: float | None = None
    ) -> Answer:
        """Answer a query by quoting from the k passages that answer it best.

        Args:
            query: the question.
            k: how many passages at most.
            history: the questions and replies before it in the same conversation, oldest first; a question that leans
                on them is understood with them.
            min_confidence: from which confidence on the query counts as answered, in [0, 1]; else 0.3.

        Raises:
            TypeError: the query is no string, or k no integer.
            ValueError: the query is blank, k is below 1, or the confidence not in [0, 1].
            ModelNotFoundError: the model cannot be loaded.
            EmbeddingError: the model gave an embedding of a wrong shape or that is not finite.
        """
        query = _checked(query, k)
        least = ANSWERED_FROM if min_confidence is None else min_confidence
        if not 0 <= least <= 1:
            raise ValueError(f"min_confidence must be between 0 and 1, not {least}")
        if not len(self._generation.index):
            return answer(query, [], k, partial(cite, [], self._generation.texts))
        asked, found = _queue.run(lambda: self._find(query, history, max(k, CONFIDENCE_HITS)))
        pairs, citing = [(one.hit, one.evidence()) for one in found], partial(cite, found, self._generation.texts)
        answered = answer(query, pairs, k, citing, min_confidence=least, asking_about=asked.asking_about)
        return replace(answered, calibrated=self._embedder.name == CALIBRATED_FOR)

    def _find(self, query: str, history: Sequence[Exchange], k: int) -> tuple[Understood, list[Found]]:
        with self._generation.blaming_damage():
            asked = understand(query, history, self._embedder, self._generation.index)
            return asked, self._search(asked, k)

    def _search(self, query: Understood, k: int) -> list[Found]:
        candidates = self._generation.index.search(query.embedding, query.terms, k)
        scores = _fuse(candidates, CANDIDATE_WEIGHTS)
        order = np.lexsort((candidates.rows, -scores))
        first = self._reorder(query, self._rerank(query, candidates, order[:RERANKED]))
        below = min(one.score for one in first) - scores[order[: len(first)]].min()
        chunking = self._generation.manifest.chunking
        rest = order[RERANKED:]
        whole = (self._keep_whole(query, candidates, rest[i : i + 1], below + scores) for i in range(len(rest)))
        framed = frame(first, query.weights, MOST_PASSAGES * chunking.size, overlap=chunking.overlap)
        runs = islice(drop_repeated(_merge(framed, whole, (below + scores[rest]).tolist())), k)
        hits = HitMaker(query, self._generation.index, self._generation.texts)
        return [hits.make(run, rank) for rank, run in enumerate(runs, start=1)]

    def _rerank(self, query: Understood, candidates: Candidates, order: NDArray[np.intp]) -> list[Comparison]:
        """Compare the first candidates with the query; token by token, they stay above the others."""
        scores = _fuse(candidates, RERANK_WEIGHTS) + PAIRS_WEIGHT * candidates.pairs.scores
        return self._compare(
            query, candidates, order, lambda means: scores[order] + (means * MATCH_WEIGHTS).sum(axis=1)
        )

    def _keep_whole(self, query: Understood, candidates: Candidates, chosen: NDArray[np.intp], scores: Scores) -> Run:
        return keep_whole(self._compare(query, candidates, chosen, lambda _: scores[chosen])[0], query.weights)

    def _reorder(self, query: Understood, first: list[Comparison]) -> list[Comparison]:
        """Deal the scores out anew in the reranker's order; what it holds for equal stays as it was."""
        if not self._reranker:
            return first
        first = sorted(first, key=lambda one: (-one.score, one.row))
        texts = [embedded_text(one.passage)[0] for one in first]
        judged = self._reranker.score(_as_text(f"{query.asking_about} {query.text}".strip()), texts)
        if judged.shape != (len(first),) or not np.isfinite(judged).all():
            raise EmbeddingError(f"the model '{self._reranker.name}' gave scores of a wrong shape or value")
        scores = [one.score for one in first]
        return [
            replace(first[i], score=score) for i, score in zip(np.argsort(-judged, kind="stable"), scores, strict=True)
        ]

    def _compare(
        self,
        query: Understood,
        candidates: Candidates,
        chosen: NDArray[np.intp],
        score: Callable[[Scores], Scores],
    ) -> list[Comparison]:
        """Look at the sentences and tokens of some candidates, and score them by their means of matches, ``(n, 3)``."""
        index, rows = self._generation.index, candidates.rows[chosen].tolist()
        tokens, sizes = index.tokens(rows)
        matches, means = match_tokens(query.tokens, query.weights, tokens, sizes)
        sentences = [candidates.sentences_of(int(i)) for i in chosen]
        similarities, terms = zip(*sentences, strict=True)
        whole = candidates.passage.scores[chosen].tolist()
        columns = zip(rows, score(means).tolist(), whole, sizes, similarities, terms, matches, strict=True)
        return [Comparison(self._passage, *fields) for fields in columns]


def retrieve(query: str, k: int = 5, *, embeddings_dir: str | PathLike[str] = "embeddings") -> list[Hit]:
    """Find the k passages that answer a query best; see `Retriever.retrieve` and `Retriever.open` for what is raised.

    The first call loads the model; later ones take milliseconds and notice when the store has been synced anew.
    """
    return open_retriever(embeddings_dir).retrieve(query, k)


def ask(query: str, k: int = 5, *, embeddings_dir: str | PathLike[str] = "embeddings") -> Answer:
    """Answer a query by quoting; see `Retriever.ask` and `Retriever.open` for what is raised.

    The first call loads the model; later ones take milliseconds and notice when the store has been synced anew.
    """
    return open_retriever(embeddings_dir).ask(query, k)


_opened: dict[tuple[Path, int, int], Retriever] = {}
_open_lock = threading.Lock()


def open_retriever(
    embeddings_dir: str | PathLike[str], embedder: Embedder | None = None, *, reranker: Reranker | None = None
) -> Retriever:
    """Open a store, or return the retriever opened before with the same models while its generation is the current one.

    Raises:
        IndexNotFoundError, IndexMismatchError, CorruptIndexError: as `Retriever.open`.
    """
    key = (Path(embeddings_dir).resolve(), id(embedder), id(reranker))
    generation = read_manifest(Path(embeddings_dir)).generation
    with _open_lock:
        retriever = _opened.get(key)
        if retriever is None or retriever.generation != generation:
            retriever = _opened[key] = Retriever.open(embeddings_dir, embedder=embedder, reranker=reranker)
        return retriever


@lru_cache(1)
def _embedder(model: str) -> SentenceTransformerEmbedder:
    """Keep the model that is loaded: a new generation is mostly made with the same one."""
    return SentenceTransformerEmbedder(model)


def _checked(query: str, k: int) -> str:
    if not isinstance(query, str):
        raise TypeError(f"the query must be a string, not {type(query).__name__}")
    if not isinstance(k, int) or isinstance(k, bool):
        raise TypeError(f"k must be an integer, not {type(k).__name__}")
    if not query.strip():
        raise ValueError("the query is blank; ask a question")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return _as_text(query)


def _as_text(query: str) -> str:
    """Replace lone surrogates, as which a terminal passes on bytes that are no text."""
    return query.encode("utf-8", "replace").decode()


def _fuse(candidates: Candidates, weights: tuple[float, float, float, float]) -> Scores:
    signals = (candidates.passage, candidates.sentence, candidates.terms, candidates.sentence_terms)
    return np.asarray(sum(w * signal.standardised() for w, signal in zip(weights, signals, strict=True)), np.float32)


def _merge(runs: Iterable[Run], others: Iterator[Run], values: Sequence[float]) -> Iterator[Run]:
    """Merge runs with others of known values, best first; each of the others is made only when its turn has come."""
    made = 0
    for run in runs:
        while made < len(values) and values[made] > run.best.value:
            yield next(others)
            made += 1
        yield run
    yield from others
