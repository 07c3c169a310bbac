"""Scores from a sentence-transformers cross-encoder on this machine."""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from docqa.embedding.loading import explain_problems, find_folder, is_folder, load_lock
from docqa.errors import EmbeddingError, ModelNotFoundError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class CrossEncoderReranker:
    """Score with a sentence-transformers cross-encoder: a folder, or a name in the local model cache.

    Nothing is loaded before it is needed, and nothing is ever downloaded. Threads may share a reranker.
    """

    def __init__(self, name: str) -> None:
        self.name = str(Path(name).resolve()) if is_folder(name) else name
        self._scoring = threading.Lock()

    def load(self) -> None:
        """Load the model now and not with the first query.

        Raises:
            ModelNotFoundError: the model is not on this machine, or does not give one score for a query and a text.
        """
        _ = self._model

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score how well each of n texts answers a query, ``(n,)``; what is too long for the model is cut off.

        Raises:
            ModelNotFoundError: as `load`.
            EmbeddingError: the model gave scores that are not finite.
        """
        from torch.nn import Identity

        model = self._model
        # sentence-transformers does not promise that threads may share a model and its tokenizer
        with self._scoring:
            # not the sigmoid most models end with: in float32 it makes all that is nearly certain equal
            found = model.predict([(query, text) for text in texts], activation_fn=Identity(), show_progress_bar=False)
        scores = np.asarray(found, np.float32)
        if not np.isfinite(scores).all():
            raise EmbeddingError(f"the model '{self.name}' gave scores that are not finite; use another model")
        return scores

    @property
    def _model(self) -> "CrossEncoder":
        with load_lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> "CrossEncoder":
        folder = find_folder(self.name, "cross-encoder")
        with explain_problems(self.name):
            from sentence_transformers import CrossEncoder

            model: CrossEncoder = CrossEncoder(str(folder), local_files_only=True)
        if not _has_head(model):
            raise ModelNotFoundError(self.name, "it is no cross-encoder; use one made for ranking")
        if model.num_labels != 1:
            reason = f"it gives {model.num_labels} scores for a pair of texts, not one"
            raise ModelNotFoundError(self.name, f"{reason}; use a cross-encoder made for ranking")
        return model


def _has_head(model: "CrossEncoder") -> bool:
    """Tell whether a model was made to score: to any other, sentence-transformers adds a layer of random weights."""
    classes = getattr(model.config, "architectures", None) or []
    return len(model) > 1 or any(name.endswith("ForSequenceClassification") for name in classes)
