"""Retrieval: query → hits, by three readings of the corpus fused into one score, and the answer drawn from them."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docqa.answering import ANSWERED_FROM, CONFIDENCE_HITS, Evidence, Information, answer, select_evidence
from docqa.embedding import Embedder, Reranker, SentenceTransformerEmbedder
from docqa.errors import EmbeddingError
from docqa.index import Candidates, Scores
from docqa.matching import compress_tokens, match_sentences, match_tokens
from docqa.store import Generation, check_model, open_generation, read_manifest
from docqa.terms import extract_terms
from docqa.texts import embedded_text
from docqa.types import (
    Answer,
    Document,
    Embeddings,
    Exchange,
    Hit,
    IndexedDocument,
    Passage,
    QueryEmbeddings,
    Span,
    StoreSummary,
    TokenEmbeddings,
)

PASSAGE_WEIGHT, SENTENCE_WEIGHT, TERMS_WEIGHT = 0.2, 0.4, 0.4
"""Of the standardised scores that choose the candidates, see docs/retrieval.md."""
RERANKED = 20
"""How many candidates are compared with the query token by token, and then by the reranker if there is one; token by
token, 50 gain at most 0.2 points."""
RERANK_WEIGHTS = (0.125, 0.15, 0.1)
"""Of the same standardised scores when the candidates are put in order ..."""
PAIRS_WEIGHT = 0.2
MATCH_WEIGHTS = np.array([6, 3, 3], np.float32)
"""... and of token matches anywhere, in order and together. These are cosines and not standardised, so that they decide
where they differ much, as with questions that one sentence answers, and hardly do for broad topics."""

CARRIED_QUERY, CARRIED_REPLY = 0.3, 0.1
"""What the question before and its reply weigh beside a question that leans on them."""
CARRIED_TOKENS = 0.4
"""What the tokens of the question before weigh beside those of one that leans on it."""
CARRIED_TERMS = 0.15
"""What the terms of the questions before that weigh."""
FEW_TERMS = 2
"""A question with more terms stands alone, unless it points back."""
POINTING_BACK = re.compile(
    r"^\s*(?:and|but|so|also|then|what about|how about|why not)\b"
    r"|\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|ones?|else|others?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Query:
    """A query as the index is asked: its text and embedding, its tokens with their weights, and its terms by weight."""

    text: str
    embedding: Embeddings
    tokens: TokenEmbeddings
    weights: Scores
    terms: dict[float, list[str]]
    asking_about: str = ""


class Retriever:
    """Find the passages of a store that answer queries.

    A retriever reads one generation. Keep it for many queries; threads may share it.
    """

    def __init__(self, generation: Generation, embedder: Embedder, reranker: Reranker | None = None) -> None:
        check_model(generation.manifest, embedder)
        self._generation = generation
        self._embedder = embedder
        self._reranker = reranker
        self._document = lru_cache(8)(generation.texts.document)

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
        """
        return self._document(path)

    def retrieve(self, query: str, k: int = 5) -> list[Hit]:
        """Find the k passages that answer a query best, best first; fewer when the index is smaller.

        Raises:
            TypeError: the query is no string, or k no integer.
            ValueError: the query is blank, or k is below 1.
            ModelNotFoundError: a model cannot be loaded.
            EmbeddingError: a model gave embeddings or scores of a wrong shape or that are not finite.
        """
        query = _checked(query, k)
        return [hit for hit, _ in self._search(self._understand(query, ()), k)] if len(self._generation.index) else []

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
            ModelNotFoundError: a model cannot be loaded.
            EmbeddingError: a model gave embeddings or scores of a wrong shape or that are not finite.
        """
        query = _checked(query, k)
        least = ANSWERED_FROM if min_confidence is None else min_confidence
        if not 0 <= least <= 1:
            raise ValueError(f"the least confidence must be between 0 and 1, not {least}")
        if not len(self._generation.index):
            return answer(query, [], k, self._cite)
        asked = self._understand(query, history)
        found = self._search(asked, max(k, CONFIDENCE_HITS))
        return answer(query, found, k, self._cite, min_confidence=least, asking_about=asked.asking_about)

    def _search(self, query: _Query, k: int) -> list[tuple[Hit, Evidence]]:
        candidates = self._generation.index.search(query.embedding, query.terms, k)
        scores = _fuse(candidates, (PASSAGE_WEIGHT, SENTENCE_WEIGHT, TERMS_WEIGHT))
        order = np.lexsort((candidates.rows, -scores))[: max(k, RERANKED)]
        scores = self._rerank(query, candidates, scores, order)
        order = order[np.lexsort((candidates.rows[order], -scores[order]))]
        order, scores = self._reorder(query, candidates, order, scores)
        found = []
        for rank, i in enumerate(order[:k], start=1):
            row = int(candidates.rows[i])
            passage = self._generation.texts.passage(row)
            evidence = self._evidence(passage, row, query, float(candidates.passage.scores[i]))
            found.append((Hit(passage, float(scores[i]), rank, evidence.spans), evidence))
        return found

    def _rerank(self, query: _Query, candidates: Candidates, scores: Scores, order: NDArray[np.intp]) -> Scores:
        """Score the first candidates anew, token by token; the others stay below them in their order."""
        first, rest = order[:RERANKED], order[RERANKED:]
        passages = [self._generation.index.embeddings(int(row)).tokens for row in candidates.rows[first]]
        matches = np.array([match_tokens(query.tokens, query.weights, tokens)[1] for tokens in passages])
        final = _fuse(candidates, RERANK_WEIGHTS) + PAIRS_WEIGHT * candidates.pairs.scores
        final[first] += matches @ MATCH_WEIGHTS
        final[rest] = final[first].min() - scores[first].min() + scores[rest]
        return np.asarray(final, np.float32)

    def _reorder(
        self, query: _Query, candidates: Candidates, order: NDArray[np.intp], scores: Scores
    ) -> tuple[NDArray[np.intp], Scores]:
        """Put the first candidates in the reranker's order, ties as before; the others stay below them in theirs."""
        if not self._reranker:
            return order, scores
        first, rest = order[:RERANKED], order[RERANKED:]
        texts = [embedded_text(self._generation.texts.passage(int(row)))[0] for row in candidates.rows[first]]
        judged = self._reranker.score(_as_text(f"{query.asking_about} {query.text}".strip()), texts)
        if judged.shape != first.shape or not np.isfinite(judged).all():
            raise EmbeddingError(f"the model '{self._reranker.name}' gave scores of a wrong shape or value")
        final = scores.copy()
        final[first] = judged
        final[rest] = judged.min() + (scores[rest] - scores[first].min())
        return np.concatenate([first[np.argsort(-judged, kind="stable")], rest]), final

    def _understand(self, query: str, history: Sequence[Exchange]) -> _Query:
        embedded, terms = self._embed(query), extract_terms(query)
        tokens, weights = self._weigh(embedded)
        history = [exchange for exchange in history if extract_terms(exchange.query)]
        if not history or not _leans(query, terms):
            return _Query(query, embedded.query, tokens, weights, {1.0: terms})
        last = history[-1]
        before = self._embed(last.query)
        reply = self._embed(last.reply).query if last.reply.strip() else 0 * embedded.query
        carried = embedded.query + CARRIED_QUERY * before.query + CARRIED_REPLY * reply
        texts = (last.query, last.reply, " ".join(exchange.query for exchange in history[:-1]))
        weighed = zip((CARRIED_QUERY, CARRIED_REPLY, CARRIED_TERMS), map(extract_terms, texts), strict=True)
        new = {weight: sorted(set(found) - set(terms)) for weight, found in weighed}
        more, less = self._weigh(before)
        tokens = TokenEmbeddings(np.concatenate([tokens.ids, more.ids]), np.concatenate([tokens.rows, more.rows]))
        weights = np.concatenate([(1 - CARRIED_TOKENS) * weights, CARRIED_TOKENS * less])
        weights = weights / max(float(weights.sum()), 1e-9)
        carried /= np.linalg.norm(carried)
        return _Query(query, carried, tokens, weights, {1.0: terms} | new, _subject(history))

    def _weigh(self, embedded: QueryEmbeddings) -> tuple[TokenEmbeddings, Scores]:
        """Compress a query's tokens and weigh each by its rarity; the weights' sum is 1."""
        tokens = compress_tokens(embedded.tokens)
        rarity = self._generation.index.token_rarity(tokens.ids)
        return tokens, np.asarray(rarity / max(float(rarity.sum()), 1e-9), np.float32)

    def _embed(self, query: str) -> QueryEmbeddings:
        embedded = self._embedder.embed_query(_as_text(query))
        shape = (self._generation.index.dimension,)
        if embedded.query.shape != shape or not np.isfinite(embedded.query).all():
            raise EmbeddingError(f"the model '{self._embedder.name}' gave an embedding of a wrong shape or value")
        return embedded

    def _evidence(self, passage: Passage, row: int, query: _Query, similarity: float) -> Evidence:
        index = self._generation.index
        information = Information(query.terms[1.0], index.rarity)
        context = set(extract_terms("\n".join([passage.title, *passage.headings])))
        coverages = [information.coverage(context | set(extract_terms(passage.quote(s)))) for s in passage.sentences]
        evidence = select_evidence(
            passage.sentences,
            index.sentence_scores(row, query.embedding),
            np.array(coverages, np.float32),
            match_sentences(query.tokens, index.tokens(row)),
            query.weights,
        )
        # the passage has seen its headings, which may hold most of the question
        return replace(evidence, similarity=max(evidence.similarity, similarity))

    def _cite(self, path: str, span: Span) -> str:
        document = self._document(path)
        return f"{document.title}, {document.locate(span)}"


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
    """Replace lone surrogates: a terminal passes bytes that are no text on as such, and no tokenizer takes them."""
    return query.encode("utf-8", "replace").decode()


def _fuse(candidates: Candidates, weights: tuple[float, float, float]) -> Scores:
    signals = (candidates.passage, candidates.sentence, candidates.terms)
    return np.asarray(sum(w * signal.standardised() for w, signal in zip(weights, signals, strict=True)), np.float32)


def _subject(history: Sequence[Exchange]) -> str:
    """Find the last question that stood alone: what the ones since then were about."""
    alone = (
        exchange.query for exchange in reversed(history) if not _leans(exchange.query, extract_terms(exchange.query))
    )
    return next(alone, history[0].query)


def _leans(query: str, terms: Sequence[str]) -> bool:
    """Tell whether a question needs what was said before: it points back to it, or says little by itself."""
    return bool(POINTING_BACK.search(query)) or len(set(terms)) <= FEW_TERMS
