"""A model computed by ONNX Runtime, in place of torch. Only this module imports onnxruntime."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from docqa.embedding.modelling import ModelSettings, Pooling, TextEmbeddings
from docqa.embedding.tokenizing import Tokenizing, Tokens
from docqa.machine import usable_cpus
from docqa.types import Embeddings


@dataclass(frozen=True, slots=True)
class Exported:
    """All that a model needs to be computed without the library it comes from: ``graph`` is in ONNX's format."""

    graph: bytes
    tokenizer: str
    settings: ModelSettings
    pooling: Pooling


class OnnxModel:
    """Compute an exported model, each text in a pass of its own and as many at once as there are processors.

    A text's embeddings then depend on nothing but the text: rounding to eight bits takes its scale from all that is in
    a pass, and a neighbour would change them. It is faster than passes of several texts, too: nothing is padded, and
    what is computed stays in a processor's cache.

    Args:
        graph: in ONNX's format, or its file, which loads in two thirds of the time and of the memory.
        tokenizer: in the form of tokenizer.json.
        settings: the model's.
        pooling: how the embedding of a text follows from those of its tokens.
    """

    def __init__(self, graph: bytes | Path, tokenizer: str, settings: ModelSettings, pooling: Pooling) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        self.settings = settings
        self.tokenizing = Tokenizing(tokenizer, settings.limit)
        self._pooling = pooling
        options = SessionOptions()
        options.intra_op_num_threads = 1
        self._session = InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def embed_passages(self, texts: Sequence[str]) -> Iterator[TextEmbeddings]:
        """Embed texts, with the prompt for passages if any, in order."""
        prompt = self.settings.passage_prompt
        tokens = self.tokenizing.tokenize([prompt + text for text in texts])
        return self._threads.map(self._embed, tokens) if len(tokens) > 1 else map(self._embed, tokens)

    def embed_query(self, query: str) -> TextEmbeddings:
        """Embed a query, with the prompt for queries if any."""
        (tokens,) = self.tokenizing.tokenize([self.settings.query_prompt + query])
        return self._embed(tokens)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(usable_cpus(), "docqa-embedding")

    def _embed(self, tokens: Tokens) -> TextEmbeddings:
        (rows,) = self._session.run(["tokens"], {"input_ids": tokens.ids[None].astype(np.int64)})
        return TextEmbeddings(_pool(rows[0], self._pooling), tokens.ids, tokens.offsets, rows[0])


def runtime_version() -> str:
    """Return the version of ONNX Runtime, whose results may change with it."""
    import onnxruntime

    return str(onnxruntime.__version__)


def _pool(rows: Embeddings, pooling: Pooling) -> Embeddings:
    pooled = rows[0] if pooling == "cls" else rows.max(axis=0) if pooling == "max" else rows.mean(axis=0)
    return np.asarray(pooled, np.float32)
