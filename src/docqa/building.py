"""Building: write the index of a new generation from its texts, embedding only what is embedded nowhere yet.

What is kept of the stored generation brings its embeddings and terms along. It goes through the texts ``WINDOW``
passages at a time; no more of them, and of their embeddings, are ever in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from docqa.embedding import Embedder
from docqa.index import IndexWriter
from docqa.preparing import embed
from docqa.store import TEXTS_FILE, Sources, writing
from docqa.terms import index_sentence_terms, index_terms
from docqa.texts import Texts
from docqa.types import Passage, PassageEmbeddings, Progress
from docqa.unfinished import Unfinished

WINDOW = 2_048
"""Passages, some 30 MB of embeddings: enough for batches of passages of one length."""
BATCH = 256
"""Passages that are embedded, and then kept, at a time: some seconds' work, enough to keep all processors busy."""


Terms = tuple[list[str], list[list[str]]]
"""Of a passage, and of each of its sentences."""


class Prepared:
    """What need not be made: what the stored generation has, and the embeddings that an interrupted sync left."""

    def __init__(self, stored: Sources | None, unfinished: Unfinished) -> None:
        self._stored = stored
        self._rows = stored.texts.rows_by_key() if stored else {}
        self._unfinished = unfinished

    def is_embedded(self, key: bytes) -> bool:
        """Tell whether there are embeddings of a passage."""
        return key in self._rows or key in self._unfinished

    def terms(self, row: int | None) -> Terms | None:
        """List the terms of a passage that has this row in the stored generation, if it has, and of its sentences."""
        return self._stored.terms.terms(row) if self._stored and self._stored.terms and row is not None else None

    def add(self, parts: Mapping[bytes, PassageEmbeddings]) -> None:
        """Keep the embeddings of more passages, whatever happens to this sync."""
        self._unfinished.add(parts)

    def embeddings(self, keys: Sequence[bytes]) -> PassageEmbeddings:
        """Return the embeddings of some passages in order, those of stored rows bit for bit."""
        return PassageEmbeddings.join([*self._parts(keys)])

    def _parts(self, keys: Sequence[bytes]) -> Iterator[PassageEmbeddings]:
        """Give the embeddings passage by passage, those of stored rows that follow one another together."""
        unfinished = self._unfinished.embeddings(key for key in keys if key not in self._rows)
        places = [(place, key, self._rows.get(key)) for place, key in enumerate(keys)]
        for _, group in groupby(places, lambda item: None if item[2] is None else item[2] - item[0]):
            run = list(group)
            _, _, row = run[0]
            if row is not None and self._stored:
                yield self._stored.embeddings.embeddings(row, len(run))
            else:
                yield from (unfinished[key] for _, key, _ in run)

    def dimension(self, embedder: Embedder) -> int:
        """Return the length of an embedding, without loading the model where there is a stored one."""
        return self._stored.embeddings.dimension if self._stored else embedder.dimension


def write_index(
    embeddings_dir: Path,
    folder: Path,
    rows: Sequence[int | None],
    *,
    embedder: Embedder,
    prepared: Prepared,
    progress: Progress | None,
) -> int:
    """Write the index beside a generation's texts, and return how many passages were embedded.

    Args:
        embeddings_dir: the folder of the store.
        folder: the generation's.
        rows: of each passage, its row in the stored generation if its document is kept as it is.
        embedder: the model.
        prepared: what need not be made.
        progress: called with how many passages are embedded, and of how many.

    Raises:
        ModelNotFoundError: the model cannot be loaded.
        EmbeddingError: the model gave embeddings of a wrong shape or that are not finite.
        StoreError: the system refuses to write.
    """
    with writing(embeddings_dir, ValueError):  # as which texts report that they cannot be opened
        texts = Texts.open(folder / TEXTS_FILE)
    total, done = sum(not prepared.is_embedded(key) for key in texts.distinct_keys()), 0
    dimension = prepared.dimension(embedder)
    with writing(embeddings_dir):
        writer = IndexWriter(folder, dimension)
    for first in range(0, len(rows), WINDOW):
        window = _Window.read(texts, first, rows[first : first + WINDOW], prepared)
        for batch in _batches(window.new):
            if progress:
                progress(done, total, "embedding")
            parts = dict(zip(batch, embed(embedder, list(batch.values())), strict=True))
            with writing(embeddings_dir):
                prepared.add(parts)
            done += len(batch)
        with writing(embeddings_dir, RuntimeError):  # as which faiss reports a failed write
            writer.add(prepared.embeddings(window.keys), *zip(*window.terms, strict=True))
    with writing(embeddings_dir, RuntimeError):
        writer.finish()
    if progress:
        progress(done, total, "embedding")
    return done


@dataclass(frozen=True, slots=True)
class _Window:
    """Some passages that follow one another: what they embed, those to be embedded, and the terms of all."""

    keys: list[bytes]
    new: dict[bytes, Passage]
    terms: list[Terms]

    @classmethod
    def read(cls, texts: Texts, first: int, stored: Sequence[int | None], prepared: Prepared) -> "_Window":
        """Read passages from the first on, given their rows in the stored generation; few are fetched if most have."""
        keys, terms = texts.keys(first, len(stored)), [prepared.terms(row) for row in stored]
        is_new = [not prepared.is_embedded(key) for key in keys]
        wanted = [place for place, known in enumerate(terms) if known is None or is_new[place]]
        passages = dict(zip(wanted, _fetch(texts, [first + place for place in wanted]), strict=True))
        return cls(
            keys,
            {keys[place]: passage for place, passage in passages.items() if is_new[place]},
            [known or _extract_terms(passages[place]) for place, known in enumerate(terms)],
        )


def _fetch(texts: Texts, rows: Sequence[int]) -> Iterator[Passage]:
    """Give the passages of some rows, fetched some at a time: SQLite takes no more than 999 parameters everywhere."""
    for start in range(0, len(rows), BATCH):
        yield from texts.passages_at(rows[start : start + BATCH])


def _extract_terms(passage: Passage) -> Terms:
    return index_terms(passage), index_sentence_terms(passage)


def _batches(passages: Mapping[bytes, Passage]) -> Iterator[dict[bytes, Passage]]:
    """Divide passages into batches, the longest first.

    Passages of one length keep all processors busy to the end of a batch, and torch, which pads them, computes little
    that is not needed.
    """
    longest_first = iter(sorted(passages.items(), key=lambda item: -len(item[1].text)))
    while batch := dict(islice(longest_first, BATCH)):
        yield batch
