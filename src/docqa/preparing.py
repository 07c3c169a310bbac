"""Preparing: files are read and divided into passages, and passages embedded. What a sync does with what is new."""

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from docqa.chunking import chunk
from docqa.embedding import Embedder
from docqa.errors import EmbeddingError
from docqa.isolation import Unread, read_isolated
from docqa.matching import compress_tokens
from docqa.texts import embedded_text
from docqa.types import Chunking, Document, Passage, PassageEmbeddings, Progress, TokenEmbeddings

logger = logging.getLogger(__name__)

Divided = tuple[Document, list[Passage]]


def read_and_divide(
    corpus_dir: Path, paths: Sequence[str], *, embedder: Embedder, chunking: Chunking, progress: Progress | None
) -> Generator[Divided | Unread]:
    """Read and divide documents, and give what comes of each; one is divided here while processes read the next.

    Raises:
        CorpusError: no process can be started.
        ModelNotFoundError: the model, whose tokens are counted, cannot be loaded.
    """
    if not paths:
        return
    with read_isolated(corpus_dir, paths) as outcomes:
        if progress:
            progress(0, len(paths), "reading")
        most = embedder.max_tokens  # loads the model meanwhile
        if chunking.size > most:
            logger.warning("passages of %d tokens are cut to %d: the model reads no more", chunking.size, most)
        within = replace(chunking, size=min(chunking.size, most))
        for done, outcome in enumerate(outcomes, 1):
            divided = _divide(outcome, embedder, within) if isinstance(outcome, Document) else outcome
            if progress:
                progress(done, len(paths), "reading")
            yield divided


def _divide(document: Document, embedder: Embedder, chunking: Chunking) -> Divided | Unread:
    passages = chunk(document, count_tokens=embedder.count_tokens, chunking=chunking)
    return (document, passages) if passages else Unread("the file holds no words, only marks", document.digest)


def embed(embedder: Embedder, passages: Sequence[Passage]) -> Iterator[PassageEmbeddings]:
    """Embed passages all at once, and give the embeddings of each in order, with its tokens compressed.

    Raises:
        EmbeddingError: the model gave embeddings of a wrong shape or that are not finite.
    """
    texts, sentences = zip(*map(embedded_text, passages), strict=True)
    batch = embedder.embed_passages(texts, sentences)
    _check(batch, embedder, len(passages), sum(map(len, sentences)))
    sentence, token = 0, 0
    for i, spans in enumerate(sentences):
        counts = batch.token_counts[sentence : sentence + len(spans)]
        last = token + int(counts.sum())
        yield PassageEmbeddings(
            batch.passages[i : i + 1],
            batch.sentences[sentence : sentence + len(spans)],
            # one passage at a time, for this takes several times the memory of what is compressed
            compress_tokens(TokenEmbeddings(batch.tokens.ids[token:last], batch.tokens.rows[token:last])),
            counts,
        )
        sentence, token = sentence + len(spans), last


def _check(batch: PassageEmbeddings, embedder: Embedder, passages: int, sentences: int) -> None:
    rows = (batch.passages, batch.sentences, batch.tokens.rows)
    shapes = (*(array.shape for array in rows), len(batch.token_counts))
    tokens = int(batch.token_counts.sum())
    wanted = (*((count, embedder.dimension) for count in (passages, sentences, tokens)), sentences)
    if shapes != wanted or not all(np.isfinite(array).all() for array in rows):
        raise EmbeddingError(f"the model '{embedder.name}' gave embeddings {shapes}, not finite ones {wanted}")
