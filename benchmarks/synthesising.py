"""Make large stores to measure speed on: nothing is embedded, so a million passages take minutes.

Every passage is made from a real one. Its embedding is moved by half the difference between two other real ones, drawn
at random, so that the noise has the covariance of real embeddings; its sentences are moved with it, and its tokens stay
as they are. In the place of its sentences' words stand those of real sentences drawn at random; words that are in one
real passage only are numbered, so that the vocabulary goes on growing as it does in real text. Words and embeddings
therefore do not speak of the same thing: good for measuring speed, memory, and how near FAISS comes to comparing every
passage, not for how well questions are answered.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docqa.corpus import FileState
from docqa.index import IndexWriter
from docqa.store import TEXTS_FILE, Generation, Manifest, commit, new_generation, write_lock
from docqa.terms import extract_terms, index_sentence_terms
from docqa.texts import Texts
from docqa.types import Document, Embeddings, Passage, PassageEmbeddings, Span, TokenEmbeddings

MOVED = 0.5
"""By how much of the difference between two others an embedding is moved."""
NUMBERED = 100
"""How many words are made of one that is in a single real passage."""
PASSAGES = 50
"""How many passages a document has."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Real passages: their embeddings, and the words and terms of each of all their sentences."""

    passages: list[PassageEmbeddings]
    embeddings: Embeddings
    sentences: list[str]
    terms: list[list[str]]
    single: frozenset[str]


def synthesise(passages: int, folder: Path, real: Generation) -> None:
    """Write a store of so many passages made from real ones; one of whole documents has the first of a larger one."""
    pool = _draw_pool(real)
    numbers = range(0, passages, PASSAGES)
    with write_lock(folder), new_generation(folder) as generation:
        writer = IndexWriter(generation, real.index.dimension)
        with Texts.create(generation / TEXTS_FILE) as texts:
            for first in numbers:
                random = np.random.default_rng(first)
                drawn = [_draw_sentences(pool, random) for _ in range(min(PASSAGES, passages - first))]
                texts.add(*_write_document(first, pool, [sentences for _, sentences in drawn]))
                _add(writer, pool, drawn, random)
        writer.finish()
        manifest = Manifest(
            model=real.manifest.model,
            model_digest=real.manifest.model_digest,
            dimension=real.index.dimension,
            chunking=real.manifest.chunking,
            reader_version=real.manifest.reader_version,
            documents={_name(first): FileState(_digest(first), 0, 0) for first in numbers},
            refused={},
            skipped=(),
            passages=passages,
        )
        commit(folder, generation, manifest, keep_previous=False)


def _draw_pool(real: Generation) -> Pool:
    passages = [real.texts.passage(row) for row in range(len(real.index))]
    embeddings = [real.index.embeddings(row) for row in range(len(real.index))]
    terms = [rows for passage in passages for rows in index_sentence_terms(passage)]
    occurrences = Counter(term for passage in passages for term in set(extract_terms(passage.text)))
    return Pool(
        embeddings,
        np.concatenate([one.passages for one in embeddings]),
        [passage.quote(span) for passage in passages for span in passage.sentences],
        terms,
        frozenset(term for term, count in occurrences.items() if count == 1),
    )


def _draw_sentences(pool: Pool, random: np.random.Generator) -> tuple[int, list[int]]:
    """Draw a real passage, and a real sentence in the place of each of its own."""
    row = int(random.integers(len(pool.passages)))
    return row, random.integers(len(pool.sentences), size=len(pool.passages[row].sentences)).tolist()


def _add(writer: IndexWriter, pool: Pool, drawn: list[tuple[int, list[int]]], random: np.random.Generator) -> None:
    rows = [row for row, _ in drawn]
    sentence_terms = [[list(_vary(pool, sentence, random)) for sentence in sentences] for _, sentences in drawn]
    terms = [[term for sentence in sentences for term in sentence] for sentences in sentence_terms]
    one, other = random.integers(len(pool.passages), size=(2, len(rows)))
    moved = MOVED * (pool.embeddings[one] - pool.embeddings[other])
    parts = [pool.passages[row] for row in rows]
    counts = [len(part.sentences) for part in parts]
    embeddings = PassageEmbeddings(
        _unit(pool.embeddings[rows] + moved),
        _unit(np.concatenate([part.sentences for part in parts]) + np.repeat(moved, counts, axis=0)),
        TokenEmbeddings(
            np.concatenate([part.tokens.ids for part in parts]), np.concatenate([part.tokens.rows for part in parts])
        ),
        np.concatenate([part.token_counts for part in parts]),
    )
    writer.add(embeddings, terms, sentence_terms)


def _vary(pool: Pool, sentence: int, random: np.random.Generator) -> Iterator[str]:
    number = int(random.integers(NUMBERED))
    return (f"{term}{number}" if term in pool.single else term for term in pool.terms[sentence])


def _write_document(first: int, pool: Pool, drawn: list[list[int]]) -> tuple[Document, list[Passage]]:
    """Write a document of passages, each a paragraph of the sentences drawn for it."""
    title, name = f"Document {first}", _name(first)
    passages: list[Passage] = []
    texts: list[str] = []
    start = 0
    for sentences in drawn:
        words = [pool.sentences[sentence] for sentence in sentences]
        ends = np.cumsum([len(word) + 1 for word in words]) + start
        spans = tuple(Span(int(end) - len(word) - 1, int(end) - 1) for word, end in zip(words, ends, strict=True))
        span, text = Span(start, int(ends[-1]) - 1), " ".join(words)
        passages.append(Passage(name, title, (), span, f"passage {len(passages) + 1}", text, spans))
        texts.append(text)
        start = int(ends[-1]) + 1
    return Document(name, _digest(first), title, "\n\n".join(texts), ()), passages


def _name(first: int) -> str:
    return f"{first:08}.txt"


def _digest(first: int) -> str:
    return f"{first:064x}"


def _unit(rows: Embeddings) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
