"""Retrieval: query → hits, by three readings of the corpus fused into one score, and the answer drawn from them."""

import threading
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np

from docqa.answering import Evidence, Information, answer, select_evidence
from docqa.embedding import Embedder, SentenceTransformerEmbedder
from docqa.errors import IndexMismatchError
from docqa.index import Candidates, Scores
from docqa.store import Generation, open_generation, read_manifest
from docqa.terms import extract_terms
from docqa.types import Answer, Document, Embeddings, Hit, IndexedDocument, Passage, Span, StoreSummary

PASSAGE_WEIGHT, SENTENCE_WEIGHT, TERMS_WEIGHT = 0.2, 0.4, 0.4
"""Of the standardised scores: measured on SQuAD 2.0 passages, see docs/retrieval.md."""


class Retriever:
    """Find the passages of a store that answer queries.

    A retriever reads one generation. Keep it for many queries; threads may share it.
    """

    def __init__(self, generation: Generation, embedder: Embedder) -> None:
        manifest = generation.manifest
        if embedder.name != manifest.model:
            raise IndexMismatchError(manifest.model, embedder.name)
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
        """
        return [hit for hit, _ in self._search(query, k)]

    def ask(self, query: str, k: int = 5) -> Answer:
        """Answer a query by quoting from the k passages that answer it best.

        Raises:
            TypeError: the query is no string, or k no integer.
            ValueError: the query is blank, or k is below 1.
        """
        found = self._search(query, k)
        return answer(query, [hit for hit, _ in found], [evidence for _, evidence in found], self._cite)

    def _search(self, query: str, k: int) -> list[tuple[Hit, Evidence]]:
        _check(query, k)
        index = self._generation.index
        if not len(index):
            return []
        embedding, terms = self._embedder.embed_query(query), extract_terms(query)
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


def _check(query: str, k: int) -> None:
    if not isinstance(query, str):
        raise TypeError(f"the query must be a string, not {type(query).__name__}")
    if not isinstance(k, int) or isinstance(k, bool):
        raise TypeError(f"k must be an integer, not {type(k).__name__}")
    if not query.strip():
        raise ValueError("the query is blank; ask a question")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")


def _fuse(candidates: Candidates) -> Scores:
    return np.asarray(
        PASSAGE_WEIGHT * candidates.passage.standardised()
        + SENTENCE_WEIGHT * candidates.sentence.standardised()
        + TERMS_WEIGHT * candidates.terms.standardised()
    )
