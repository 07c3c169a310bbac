"""A model computed by sentence-transformers: the source of every model, and what the fast form is measured by."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docqa.embedding.loading import explain_problems
from docqa.embedding.modelling import ModelSettings, TextEmbeddings
from docqa.embedding.tokenizing import Tokenizing, Tokens
from docqa.errors import EmbeddingError, ModelNotFoundError
from docqa.types import Embeddings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH_SIZE = 32
NO_LIMIT = 2**31 - 1
"""Tokens; transformers writes 1e30 for a tokenizer without a limit, which is no number for others."""
PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""The names sentence-transformers looks for, in its order, to prompt what is searched in."""


class ReferenceModel:
    """Load a sentence-transformers model from a folder, on the device that sentence-transformers chooses.

    Raises:
        ModelNotFoundError: it cannot be loaded, or gives no character offsets.
        EmbeddingError: it does not say how long its embeddings are.
    """

    def __init__(self, folder: Path, name: str) -> None:
        with explain_problems(name):
            from sentence_transformers import SentenceTransformer

            model: SentenceTransformer = SentenceTransformer(str(folder), local_files_only=True)
        if not getattr(model.tokenizer, "is_fast", False):
            raise ModelNotFoundError(name, "its tokenizer gives no character offsets; use a model with a fast one")
        self.model = model
        self.settings = _settings(model, name)
        self.tokenizing = Tokenizing(model.tokenizer.backend_tokenizer.to_str(), self.settings.limit)

    def embed_passages(self, texts: Sequence[str]) -> Iterator[TextEmbeddings]:
        """Embed texts, with the prompt for passages if any, in order."""
        prompt = self.settings.passage_prompt
        rows: list[Any] = self.model.encode(  # type: ignore[assignment]
            list(texts), prompt=prompt, output_value=None, batch_size=BATCH_SIZE, show_progress_bar=False
        )
        tokens = self.tokenizing.tokenize([prompt + text for text in texts])
        return map(_join, rows, tokens)

    def embed_query(self, query: str) -> TextEmbeddings:
        """Embed a query, with the prompt for queries if any."""
        row: Any = self.model.encode_query([query], output_value=None, show_progress_bar=False)[0]  # type: ignore[index]
        (tokens,) = self.tokenizing.tokenize([self.settings.query_prompt + query])
        return _join(row, tokens)


def has_gpu() -> bool:
    """Tell whether torch can use a GPU; where there is none, torch is not imported to know."""
    if not Path("/dev/nvidiactl").exists():
        return False
    import torch

    return torch.cuda.is_available()


def _settings(model: "SentenceTransformer", name: str) -> ModelSettings:
    dimension = model.get_embedding_dimension()
    if dimension is None:
        raise EmbeddingError(f"the model '{name}' does not say how long its embeddings are; use another model")
    prompts, default = model.prompts, model.prompts.get(model.default_prompt_name or "", "") or ""
    named = next((prompts[kind] for kind in PASSAGE_PROMPTS if prompts.get(kind)), None)
    return ModelSettings(
        dimension=dimension,
        limit=min(int(model.get_max_seq_length() or model.tokenizer.model_max_length), NO_LIMIT),
        passage_prompt=named or default,
        query_prompt=prompts.get("query", default) or "",
        special_ids=tuple(model.tokenizer.all_special_ids),
    )


def _join(row: Any, tokens: Tokens) -> TextEmbeddings:
    kept = row["attention_mask"].bool()
    return TextEmbeddings(
        _array(row["sentence_embedding"]),
        row["input_ids"][kept].cpu().numpy().astype(np.int32),
        tokens.offsets,
        _array(row["token_embeddings"][kept]),
    )


def _array(tensor: Any) -> Embeddings:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
