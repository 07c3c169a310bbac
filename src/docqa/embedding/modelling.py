"""What a model is to docqa, whichever library computes it: settings, and texts with the embeddings of their tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from docqa.embedding.tokenizing import Tokenizing
from docqa.types import Embeddings

Pooling = Literal["mean", "cls", "max"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a model says of itself; ``limit`` counts the special tokens and the prompt."""

    dimension: int
    limit: int
    passage_prompt: str
    query_prompt: str
    special_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextEmbeddings:
    """A text as a model sees it, with its prompt and special tokens.

    ``embedding`` ``(d,)`` is the text's, not yet of unit length, and ``rows`` ``(t, d)`` its tokens', of which ``ids``
    ``(t,)`` are the numbers in the vocabulary and ``offsets`` ``(t, 2)`` the characters, the prompt's included.
    """

    embedding: Embeddings
    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    rows: Embeddings


class Model(Protocol):
    """A model that is loaded. Threads may share it."""

    settings: ModelSettings
    tokenizing: Tokenizing

    def embed_passages(self, texts: Sequence[str]) -> Iterator[TextEmbeddings]:
        """Embed texts, with the prompt for passages if any, in order."""
        ...

    def embed_query(self, query: str) -> TextEmbeddings:
        """Embed a query, with the prompt for queries if any."""
        ...
