"""The tokens of texts, without sentence-transformers or torch. Only this module imports tokenizers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text: ``ids`` ``(t,)`` in the vocabulary, ``offsets`` ``(t, 2)`` of characters in the text."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]


class Tokenizing:
    """Tokenize with a tokenizer in the form of tokenizer.json. Threads may share it, for nothing in it ever changes."""

    def __init__(self, description: str, limit: int) -> None:
        from tokenizers import Tokenizer

        self.description = description
        self._tokenizer: Tokenizer = Tokenizer.from_str(description)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)

    @property
    def special(self) -> int:
        """Return how many special tokens are added to a text."""
        return int(self._tokenizer.num_special_tokens_to_add(False))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, special tokens excluded, and those behind the limit included."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(first) + sum(map(len, first.overflowing)) for first in found]

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """List the tokens of each text as the model reads it: with special tokens, and cut off at its limit."""
        return [
            Tokens(np.array(found.ids, np.int32), np.array(found.offsets, np.int64).reshape(-1, 2))
            for found in self._tokenizer.encode_batch(list(texts))
        ]
