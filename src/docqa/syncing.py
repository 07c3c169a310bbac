"""Syncing: make the store agree with the corpus, embedding only what is new."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from docqa.chunking import DEFAULT_CHUNKING, chunk
from docqa.corpus import Listing, digest, list_corpus, read_bytes
from docqa.embedding import DEFAULT_MODEL, Embedder, SentenceTransformerEmbedder
from docqa.errors import (
    CorruptIndexError,
    DocumentReadError,
    EmbeddingError,
    IndexMismatchError,
    IndexNotFoundError,
)
from docqa.index import Index
from docqa.reading import READER_VERSION, SUFFIXES, read_document
from docqa.store import (
    TEXTS_FILE,
    Generation,
    Manifest,
    commit,
    new_generation,
    open_generation,
    read_manifest,
    write_lock,
)
from docqa.terms import index_terms
from docqa.texts import Texts, passage_key
from docqa.types import (
    Chunking,
    CorpusDiff,
    Document,
    Passage,
    PassageEmbeddings,
    Progress,
    SkippedDocument,
    Span,
    SyncReport,
)

BATCH = 256
"""Passages handed to the embedder at a time; it sorts them by length, so more is faster, and less shows progress."""


def diff(corpus_dir: str | PathLike[str] = "corpus", embeddings_dir: str | PathLike[str] = "embeddings") -> CorpusDiff:
    """Compare the corpus with the store, without loading a model. Before the first sync every document is new.

    Raises:
        CorpusNotFoundError: the corpus folder is missing.
        CorruptIndexError: the store's manifest cannot be understood.
    """
    listing = list_corpus(Path(corpus_dir), SUFFIXES)
    try:
        manifest = read_manifest(Path(embeddings_dir))
    except IndexNotFoundError:
        return CorpusDiff(tuple(listing.digests), (), (), ())
    return _compare(listing, manifest)


def sync(
    corpus_dir: str | PathLike[str] = "corpus",
    embeddings_dir: str | PathLike[str] = "embeddings",
    *,
    embedder: Embedder | None = None,
    chunking: Chunking | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> SyncReport:
    """Make the store agree with the corpus.

    Unchanged documents keep their rows bit for bit; of changed ones only the passages that are new are embedded. With
    nothing to do, no model is loaded and nothing is written. Readers go on with the old generation until the new one is
    complete.

    Args:
        corpus_dir: the folder of documents.
        embeddings_dir: the folder of the store; made when missing.
        embedder: the model; the one the store was made with, else the default one.
        chunking: how documents are divided; as in the store, else the default.
        force: read, divide and embed every document anew; needed to change the model.
        progress: called with the number of passages embedded so far and in all.

    Raises:
        CorpusNotFoundError: the corpus folder is missing.
        IndexMismatchError: the embedder is another than the store's, and ``force`` is not set.
        StoreLockedError: another sync is writing.
        ModelNotFoundError: the model cannot be loaded.
        StoreError: the store cannot be written; it is as before.
    """
    started = time.perf_counter()
    corpus, embeddings = Path(corpus_dir), Path(embeddings_dir)
    listing = list_corpus(corpus, SUFFIXES)
    with write_lock(embeddings):
        plan = _plan(listing, _open_stored(embeddings), embedder, chunking, force=force)
        if plan.stored and plan.is_done:
            stored = plan.stored.manifest
            report = SyncReport(plan.diff, stored.skipped, stored.passages, 0, 0.0)
        else:
            report = _carry_out(plan, _read(corpus, plan), embeddings, progress)
    return replace(report, seconds=time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a sync has to do: ``keep`` these documents of the stored generation as they are, and ``read`` those."""

    listing: Listing
    stored: Generation | None
    embedder: Embedder
    chunking: Chunking
    diff: CorpusDiff
    keep: tuple[str, ...]
    read: tuple[str, ...]
    reuse_rows: bool

    @property
    def is_done(self) -> bool:
        """Tell whether the store already agrees with the corpus, in what it skips too."""
        if self.stored is None or self.diff or self.read:
            return False
        refused = [skipped for skipped in self.stored.manifest.skipped if skipped.path in self.listing.digests]
        return tuple(sorted([*self.listing.skipped, *refused], key=_path)) == self.stored.manifest.skipped


@dataclass(frozen=True, slots=True)
class _Reading:
    """Documents read and divided, and the files that could not be."""

    documents: dict[str, tuple[Document, list[Passage]]]
    skipped: tuple[SkippedDocument, ...]
    refused: dict[str, str]


def _open_stored(embeddings_dir: Path) -> Generation | None:
    """Open the stored generation; a damaged one is as good as none, for the corpus has it all."""
    try:
        return open_generation(embeddings_dir)
    except (IndexNotFoundError, CorruptIndexError):
        return None


def _plan(
    listing: Listing, stored: Generation | None, embedder: Embedder | None, chunking: Chunking | None, *, force: bool
) -> _Plan:
    if stored is None:
        embedder = embedder or SentenceTransformerEmbedder(DEFAULT_MODEL)
        paths = tuple(listing.digests)
        found = CorpusDiff(paths, (), (), ())
        return _Plan(listing, None, embedder, chunking or DEFAULT_CHUNKING, found, (), paths, reuse_rows=False)
    manifest = stored.manifest
    embedder = embedder or SentenceTransformerEmbedder(manifest.model)
    if not force and (embedder.name, embedder.digest) != (manifest.model, manifest.model_digest):
        raise IndexMismatchError(_named(manifest.model, manifest.model_digest), _named(embedder.name, embedder.digest))
    chunking = chunking or manifest.chunking
    found = _compare(listing, manifest)
    anew = force or chunking != manifest.chunking or manifest.reader_version != READER_VERSION
    keep = () if anew else found.unchanged
    read = tuple(listing.digests) if anew else tuple(sorted(found.added + found.changed))
    return _Plan(listing, stored, embedder, chunking, found, keep, read, reuse_rows=not force)


def _compare(listing: Listing, manifest: Manifest) -> CorpusDiff:
    known = manifest.documents
    refused = manifest.refused if manifest.reader_version == READER_VERSION else {}
    digests = {path: digest for path, digest in listing.digests.items() if refused.get(path) != digest}
    return CorpusDiff(
        added=tuple(path for path in digests if path not in known),
        changed=tuple(path for path, digest in digests.items() if known.get(path, digest) != digest),
        removed=tuple(path for path in sorted(known) if path not in digests),
        unchanged=tuple(path for path, digest in digests.items() if known.get(path) == digest),
    )


def _read(corpus_dir: Path, plan: _Plan) -> _Reading:
    size = min(plan.chunking.size, plan.embedder.max_tokens) if plan.read else plan.chunking.size
    chunking = replace(plan.chunking, size=size)
    documents, skipped, refused = {}, [], {}
    for path in plan.read:
        data = None
        try:
            data = read_bytes(corpus_dir, path)
            document = read_document(path, data, digest(data))
        except DocumentReadError as exc:
            skipped.append(SkippedDocument(path, exc.reason))
            if data:  # the bytes are to blame, so there is no use in trying the same ones again
                refused[path] = digest(data)
            continue
        passages = chunk(document, count_tokens=plan.embedder.count_tokens, chunking=chunking)
        documents[path] = (document, passages)
    return _Reading(documents, tuple(skipped), refused)


def _carry_out(plan: _Plan, reading: _Reading, embeddings_dir: Path, progress: Progress | None) -> SyncReport:
    paths = sorted([*plan.keep, *reading.documents])
    passages, rows = _gather(plan, reading, paths)
    embedded = _embed(plan.embedder, [p for p, row in zip(passages, rows, strict=True) if row is None], progress)
    index = _build_index(plan, passages, rows, embedded)
    with new_generation(embeddings_dir) as folder:
        with Texts.create(folder / TEXTS_FILE) as texts:
            for path in paths:
                if path in reading.documents:
                    texts.add(*reading.documents[path])
                elif plan.stored:
                    texts.copy(plan.stored.texts, path)
        index.write(folder)
    manifest = _manifest(plan, reading, paths, index)
    commit(embeddings_dir, folder, manifest)
    return SyncReport(_final_diff(plan.diff, manifest), manifest.skipped, len(index), rows.count(None), 0.0)


def _gather(plan: _Plan, reading: _Reading, paths: list[str]) -> tuple[list[Passage], list[int | None]]:
    """List all passages of the new generation in order, each with its stored row if it has one."""
    passages: list[Passage] = []
    rows: list[int | None] = []
    reusable = plan.stored.texts.rows_by_key() if plan.stored and plan.reuse_rows else {}
    for path in paths:
        if path in reading.documents:
            divided = reading.documents[path][1]
            passages += divided
            rows += [reusable.get(passage_key(passage)) for passage in divided]
        elif plan.stored:
            for row, passage in plan.stored.texts.passages(path):
                passages.append(passage)
                rows.append(row)
    return passages, rows


def _embed(embedder: Embedder, passages: list[Passage], progress: Progress | None) -> Iterator[PassageEmbeddings]:
    """Yield the embeddings of each passage."""
    longest_first = sorted(range(len(passages)), key=lambda i: -len(passages[i].text))
    found: dict[int, PassageEmbeddings] = {}
    for start in range(0, len(passages), BATCH):
        if progress:
            progress(start, len(passages))
        numbers = longest_first[start : start + BATCH]
        found.update(zip(numbers, _embed_batch(embedder, [passages[i] for i in numbers]), strict=True))
    if progress:
        progress(len(passages), len(passages))
    return (found[i] for i in range(len(passages)))


def _embed_batch(embedder: Embedder, passages: list[Passage]) -> Iterator[PassageEmbeddings]:
    sentences = [
        [Span(span.start - passage.span.start, span.end - passage.span.start) for span in passage.sentences]
        for passage in passages
    ]
    batch = embedder.embed_passages([passage.text for passage in passages], sentences)
    shapes = (batch.passages.shape, batch.sentences.shape)
    wanted = ((len(passages), embedder.dimension), (sum(map(len, sentences)), embedder.dimension))
    if shapes != wanted or not all(np.isfinite(rows).all() for rows in (batch.passages, batch.sentences)):
        raise EmbeddingError(f"the model '{embedder.name}' gave embeddings {shapes}, not finite ones {wanted}")
    start = 0
    for i, spans in enumerate(sentences):
        yield PassageEmbeddings(batch.passages[i : i + 1], batch.sentences[start : start + len(spans)])
        start += len(spans)


def _build_index(
    plan: _Plan, passages: Sequence[Passage], rows: Sequence[int | None], embedded: Iterator[PassageEmbeddings]
) -> Index:
    parts = [
        next(embedded) if row is None or plan.stored is None else plan.stored.index.embeddings(row) for row in rows
    ]
    dimension = plan.stored.index.dimension if plan.stored and plan.reuse_rows else plan.embedder.dimension
    none = np.empty((0, dimension), np.float32)
    embeddings = PassageEmbeddings(
        np.concatenate([none, *(part.passages for part in parts)]),
        np.concatenate([none, *(part.sentences for part in parts)]),
    )
    return Index.build(embeddings, [len(part.sentences) for part in parts], [index_terms(p) for p in passages])


def _manifest(plan: _Plan, reading: _Reading, paths: list[str], index: Index) -> Manifest:
    stored = plan.stored.manifest if plan.stored else None
    digests = {path: document.digest for path, (document, _) in reading.documents.items()}
    still_refused = {
        path: digest
        for path, digest in (stored.refused if stored else {}).items()
        if plan.listing.digests.get(path) == digest and path not in plan.read
    }
    known = [skipped for skipped in (stored.skipped if stored else ()) if skipped.path in still_refused]
    return Manifest(
        model=plan.embedder.name,
        model_digest=plan.embedder.digest,
        dimension=index.dimension,
        chunking=plan.chunking,
        reader_version=READER_VERSION,
        documents={path: digests.get(path) or plan.listing.digests[path] for path in paths},
        refused=dict(sorted((still_refused | reading.refused).items())),
        skipped=tuple(sorted([*plan.listing.skipped, *reading.skipped, *known], key=_path)),
        passages=len(index),
    )


def _final_diff(found: CorpusDiff, manifest: Manifest) -> CorpusDiff:
    """Move the documents that could not be read out of a diff: new ones were not added, changed ones were removed."""
    return CorpusDiff(
        added=tuple(path for path in found.added if path in manifest.documents),
        changed=tuple(path for path in found.changed if path in manifest.documents),
        removed=tuple(sorted([*found.removed, *(path for path in found.changed if path not in manifest.documents)])),
        unchanged=tuple(path for path in found.unchanged if path in manifest.documents),
    )


def _named(model: str, digest: str) -> str:
    return f"{model}@{digest[:8]}" if digest else model


def _path(skipped: SkippedDocument) -> str:
    return skipped.path
