"""Embedders turn text into embeddings, rerankers score it for a query.

Only this package imports sentence_transformers, torch, onnx, onnxruntime and tokenizers, and only when they are needed.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from docqa.embedding.cross_encoder import CrossEncoderReranker
from docqa.embedding.sentence_transformer import DEFAULT_MODEL, SentenceTransformerEmbedder
from docqa.types import PassageEmbeddings, QueryEmbeddings, Span

__all__ = ["DEFAULT_MODEL", "CrossEncoderReranker", "Embedder", "Reranker", "SentenceTransformerEmbedder"]


class Embedder(Protocol):
    """What a model must offer; nothing else in docqa knows about models.

    Reading ``name`` and ``digest`` must be cheap: a sync with nothing to do asks for them and for nothing more.
    """

    @property
    def name(self) -> str:
        """Return the name recorded in the manifest; a store is only ever read and extended with the same one."""
        ...

    @property
    def digest(self) -> str:
        """Return a digest of the weights; other weights under the same name are another model."""
        ...

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        ...

    @property
    def max_tokens(self) -> int:
        """Return the longest passage the model does not truncate, in tokens, special tokens excluded."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, special tokens excluded."""
        ...

    def embed_passages(self, texts: Sequence[str], sentences: Sequence[Sequence[Span]]) -> PassageEmbeddings:
        """Embed n texts and, for each, its sentences, given as spans in the text, and the tokens of these."""
        ...

    def embed_query(self, query: str) -> QueryEmbeddings:
        """Embed a query and its tokens."""
        ...


class Reranker(Protocol):
    """What can put the best candidates in order, by reading each together with the query."""

    @property
    def name(self) -> str:
        """Return the name that messages and measurements give it."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score how well each of n texts answers a query, ``(n,)``: higher is better, within one query only."""
        ...
