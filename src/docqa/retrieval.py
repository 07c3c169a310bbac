"""Retrieval: query → hits, by three readings of the corpus fused into one score, and the answer drawn from them."""

import threading
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np

from docqa.answering import CONFIDENCE_HITS, Evidence, Information, answer, select_evidence
from docqa.embedding import Embedder, SentenceTransformerEmbedder
from docqa.errors import EmbeddingError
from docqa.index import Candidates, Scores
from docqa.store import Generation, check_model, open_generation, read_manifest
from docqa.terms import extract_terms
from docqa.types import Answer, Document, Embeddings, Hit, IndexedDocument, Passage, Span, StoreSummary

PASSAGE_WEIGHT, SENTENCE_WEIGHT, TERMS_WEIGHT = 0.2, 0.4, 0.4
"""Of the standardised scores: measured on SQuAD 2.0 passages, see docs/retrieval.md."""


class Retriever:
    """Find the passages of a store that answer queries.

    A retriever reads one generation. Keep it for many queries; threads may share it.
    """

    def __init__(self, generation: Generation, embedder: Embedder) -> None:
        check_model(generation.manifest, embedder)
        self._generation = generation
        self._embedder = embedder
        self._document = lru_cache(8)(generation.texts.document)

    @classmethod
    def open(
        cls, embeddings_dir: str | PathLike[str] = "embeddings", *, embedder: Embedder | None = None
    ) -> "Retriever":
        """Open the current generation of a store; the model is loaded with the first query.

        Raises:
            IndexNotFoundError: nothing has been synced yet.
            IndexMismatchError: the embedder is another than the store's.
            CorruptIndexError: the store's files disagree with its manifest.
            StoreError: the system refuses to read them.
            ModelNotFoundError: the model is not on this machine.
        """
        generation = open_generation(Path(embeddings_dir))
        return cls(generation, embedder or _embedder(generation.manifest.model))

    @property
    def generation(self) -> str:
        """Return the name of the generation that is read."""
        return self._generation.manifest.generation

    @property
    def summary(self) -> StoreSummary:
        """Return what the store holds."""
        return self._generation.manifest.summary()

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
            ModelNotFoundError: the model cannot be loaded.
            EmbeddingError: the model gave an embedding of a wrong shape or that is not finite.
        """
        return [hit for hit, _ in self._search(_checked(query, k), k)]

    def ask(self, query: str, k: int = 5) -> Answer:
        """Answer a query by quoting from the k passages that answer it best.

        Raises:
            TypeError: the query is no string, or k no integer.
            ValueError: the query is blank, or k is below 1.
            ModelNotFoundError: the model cannot be loaded.
            EmbeddingError: the model gave an embedding of a wrong shape or that is not finite.
        """
        query = _checked(query, k)
        return answer(query, self._search(query, max(k, CONFIDENCE_HITS)), k, self._cite)

    def _search(self, query: str, k: int) -> list[tuple[Hit, Evidence]]:
        index = self._generation.index
        if not len(index):
            return []
        embedding, terms = self._embed(query), extract_terms(query)
        candidates = index.search(embedding, terms, k)
        scores, information = _fuse(candidates), Information(terms, index.rarity)
        best = np.lexsort((candidates.rows, -scores))[:k]
        found = []
        for rank, i in enumerate(best, start=1):
            row = int(candidates.rows[i])
            passage = self._generation.texts.passage(row)
            evidence = self._evidence(passage, row, embedding, information)
            found.append((Hit(passage, float(scores[i]), rank, evidence.spans), evidence))
        return found

    def _embed(self, query: str) -> Embeddings:
        embedding = self._embedder.embed_query(query)
        if embedding.shape != (self._generation.index.dimension,) or not np.isfinite(embedding).all():
            raise EmbeddingError(f"the model '{self._embedder.name}' gave an embedding of a wrong shape or value")
        return embedding

    def _evidence(self, passage: Passage, row: int, query: Embeddings, information: Information) -> Evidence:
        return select_evidence(
            passage.sentences,
            self._generation.index.sentence_scores(row, query).tolist(),
            [set(extract_terms(passage.quote(span))) for span in passage.sentences],
            context=set(extract_terms("\n".join([passage.title, *passage.headings]))),
            information=information,
        )

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


_opened: dict[tuple[Path, int], Retriever] = {}
_open_lock = threading.Lock()


def open_retriever(embeddings_dir: str | PathLike[str], embedder: Embedder | None = None) -> Retriever:
    """Open a store, or return the retriever opened before while its generation is the current one.

    Raises:
        IndexNotFoundError, IndexMismatchError, CorruptIndexError: as `Retriever.open`.
    """
    key = (Path(embeddings_dir).resolve(), id(embedder))
    generation = read_manifest(Path(embeddings_dir)).generation
    with _open_lock:
        retriever = _opened.get(key)
        if retriever is None or retriever.generation != generation:
            retriever = _opened[key] = Retriever.open(embeddings_dir, embedder=embedder)
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
    # a terminal passes bytes that are no text on as lone surrogates
    return query.encode("utf-8", "replace").decode()


def _fuse(candidates: Candidates) -> Scores:
    return np.asarray(
        PASSAGE_WEIGHT * candidates.passage.standardised()
        + SENTENCE_WEIGHT * candidates.sentence.standardised()
        + TERMS_WEIGHT * candidates.terms.standardised()
    )
