"""Building: write the index of a new generation from its texts, embedding only what is embedded nowhere yet.

It goes through the texts ``WINDOW`` passages at a time; no more of them, and of their embeddings, are ever in memory.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
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


class Embedded:
    """The embeddings that need not be made: those of the stored generation, and what an interrupted sync left."""

    def __init__(self, stored: Sources | None, unfinished: Unfinished) -> None:
        self._stored = stored
        self._rows = stored.texts.rows_by_key() if stored else {}
        self._unfinished = unfinished

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows or key in self._unfinished

    def add(self, parts: Mapping[bytes, PassageEmbeddings]) -> None:
        """Keep the embeddings of more passages, whatever happens to this sync."""
        self._unfinished.add(parts)

    def embeddings(self, keys: Iterable[bytes]) -> PassageEmbeddings:
        """Return the embeddings of some passages in order, those of stored rows bit for bit."""
        wanted = list(keys)
        found = self._unfinished.embeddings(key for key in wanted if key not in self._rows)
        if self._stored:
            found |= {key: self._stored.embeddings.embeddings(self._rows[key]) for key in wanted if key in self._rows}
        return PassageEmbeddings.join([found[key] for key in wanted])

    def dimension(self, embedder: Embedder) -> int:
        """Return the length of an embedding, without loading the model where there is a stored one."""
        return self._stored.embeddings.dimension if self._stored else embedder.dimension


def write_index(
    embeddings_dir: Path, folder: Path, *, embedder: Embedder, embedded: Embedded, progress: Progress | None
) -> tuple[int, int]:
    """Write the index beside a generation's texts, and return how many passages it has and how many were embedded.

    Raises:
        ModelNotFoundError: the model cannot be loaded.
        EmbeddingError: the model gave embeddings of a wrong shape or that are not finite.
        StoreError: the system refuses to write.
    """
    with writing(embeddings_dir, ValueError):  # as which texts report that they cannot be opened
        texts = Texts.open(folder / TEXTS_FILE)
    total, done = sum(key not in embedded for key in texts.distinct_keys()), 0
    dimension = embedded.dimension(embedder)
    with writing(embeddings_dir):
        writer = IndexWriter(folder, dimension)
    for window in texts.batches(WINDOW):
        for batch in _batches({key: passage for key, passage in window if key not in embedded}):
            if progress:
                progress(done, total, "embedding")
            parts = dict(zip(batch, embed(embedder, list(batch.values())), strict=True))
            with writing(embeddings_dir):
                embedded.add(parts)
            done += len(batch)
        with writing(embeddings_dir, RuntimeError):  # as which faiss reports a failed write
            writer.add(
                embedded.embeddings(key for key, _ in window),
                [index_terms(passage) for _, passage in window],
                [index_sentence_terms(passage) for _, passage in window],
            )
    with writing(embeddings_dir, RuntimeError):
        writer.finish()
    if progress:
        progress(done, total, "embedding")
    return len(texts), done


def _batches(passages: Mapping[bytes, Passage]) -> Iterator[dict[bytes, Passage]]:
    """Divide passages into batches, the longest first.

    Passages of one length keep all processors busy to the end of a batch, and torch, which pads them, computes little
    that is not needed.
    """
    longest_first = iter(sorted(passages.items(), key=lambda item: -len(item[1].text)))
    while batch := dict(islice(longest_first, BATCH)):
        yield batch
