"""Syncing: make the store agree with the corpus, embedding only what is new."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from docqa.chunking import DEFAULT_CHUNKING
from docqa.corpus import FileState, Listing, list_corpus
from docqa.embedding import DEFAULT_MODEL, Embedder, SentenceTransformerEmbedder
from docqa.errors import (
    CorruptIndexError,
    EmptyCorpusError,
    IndexNotFoundError,
    StoreError,
)
from docqa.index import IndexWriter
from docqa.preparing import Reading, embed, read_and_divide
from docqa.reading import SUFFIXES, reader_version
from docqa.store import (
    TEXTS_FILE,
    Generation,
    Manifest,
    check_model,
    commit,
    new_generation,
    open_generation,
    read_manifest,
    write_lock,
    write_manifest,
)
from docqa.terms import index_sentence_terms, index_terms
from docqa.texts import Texts, passage_key
from docqa.types import (
    Chunking,
    CorpusDiff,
    Passage,
    PassageEmbeddings,
    Progress,
    SkippedDocument,
    SyncReport,
)

logger = logging.getLogger(__name__)


def diff(corpus_dir: str | PathLike[str] = "corpus", embeddings_dir: str | PathLike[str] = "embeddings") -> CorpusDiff:
    """Compare the corpus with the store, without loading a model. Before the first sync every document is new.

    Raises:
        CorpusNotFoundError: the corpus folder is missing.
        CorruptIndexError: the store's manifest cannot be understood.
        StoreError: the system refuses to read it.
    """
    try:
        manifest = read_manifest(Path(embeddings_dir))
    except IndexNotFoundError:
        return CorpusDiff(tuple(list_corpus(Path(corpus_dir), SUFFIXES, {}).files), (), (), ())
    return _compare(list_corpus(Path(corpus_dir), SUFFIXES, manifest.documents), manifest)


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
    complete. A damaged store is rebuilt from the corpus with the settings it had.

    Args:
        corpus_dir: the folder of documents.
        embeddings_dir: the folder of the store; made when missing.
        embedder: the model; the one the store was made with, else the default one.
        chunking: how documents are divided; as in the store, else the default.
        force: read, divide and embed every document anew; needed to change the model, and to empty the store.
        progress: called with how many are done, of how many, and ``"reading"`` documents or ``"embedding"`` passages.

    Raises:
        CorpusNotFoundError: the corpus folder is missing.
        EmptyCorpusError: no document is in it, and ``force`` is not set; the store is as before.
        IndexMismatchError: the embedder is another than the store's, and ``force`` is not set.
        StoreLockedError: another sync is writing.
        ModelNotFoundError: the model cannot be loaded.
        EmbeddingError: the model gave embeddings of a wrong shape or that are not finite.
        StoreError: the store cannot be written, or lies within the corpus; it is as before.
    """
    started = time.perf_counter()
    corpus, embeddings = Path(corpus_dir), Path(embeddings_dir)
    if embeddings.resolve().is_relative_to(corpus.resolve()):
        raise StoreError(f"the index cannot be within the documents' folder '{corpus}'; choose another for it")
    list_corpus(corpus, frozenset(), {})  # a mistyped folder leaves no trace of a store
    with write_lock(embeddings):
        manifest, stored = _open_stored(embeddings)
        listing = list_corpus(corpus, SUFFIXES, manifest.documents if manifest else {})
        if not listing.files and not (force and stored):
            raise EmptyCorpusError(corpus, len(manifest.documents) if manifest else 0)
        plan = _plan(listing, manifest, stored, embedder, chunking, force=force)
        if plan.is_done and manifest:
            seen = {path: listing.files[path] for path in manifest.documents}
            if seen != manifest.documents:  # only times of change, which spare the next look at the files
                write_manifest(embeddings, replace(manifest, documents=seen))
            report = SyncReport(plan.diff, manifest.skipped, manifest.passages, 0, 0.0)
        else:
            reading = read_and_divide(
                corpus, plan.read, embedder=plan.embedder, chunking=plan.chunking, progress=progress
            )
            report = _carry_out(plan, reading, embeddings, progress)
    known, touched = set(manifest.skipped if manifest else ()), {*plan.diff.added, *plan.diff.changed}
    newly_skipped = tuple(one for one in report.skipped if one not in known or one.path in touched)
    return replace(report, newly_skipped=newly_skipped, seconds=time.perf_counter() - started)


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

    @property
    def is_done(self) -> bool:
        """Tell whether the store already agrees with the corpus, in what it skips too."""
        if self.stored is None or self.diff or self.read:
            return False
        refused = [skipped for skipped in self.stored.manifest.skipped if skipped.path in self.listing.files]
        return tuple(sorted([*self.listing.skipped, *refused], key=_path)) == self.stored.manifest.skipped


def _open_stored(embeddings_dir: Path) -> tuple[Manifest | None, Generation | None]:
    """Open what is stored; of a damaged store the manifest tells at least the settings, and the corpus has the rest."""
    manifest = None
    try:
        manifest = read_manifest(embeddings_dir)
        return manifest, open_generation(embeddings_dir)
    except IndexNotFoundError:
        return None, None
    except CorruptIndexError as exc:
        logger.warning("the index in '%s' could not be used (%s) and is rebuilt", embeddings_dir, exc.reason)
        return manifest, None


def _plan(
    listing: Listing,
    manifest: Manifest | None,
    stored: Generation | None,
    embedder: Embedder | None,
    chunking: Chunking | None,
    *,
    force: bool,
) -> _Plan:
    every = tuple(listing.files)
    embedder = embedder or SentenceTransformerEmbedder(manifest.model if manifest else DEFAULT_MODEL)
    chunking = chunking or (manifest.chunking if manifest else DEFAULT_CHUNKING)
    if manifest is None:
        return _Plan(listing, None, embedder, chunking, CorpusDiff(every, (), (), ()), (), every)
    if not force:
        check_model(manifest, embedder)
    found = _compare(listing, manifest)
    if stored is None or force or chunking != manifest.chunking or manifest.reader_version != reader_version():
        return _Plan(listing, None if force else stored, embedder, chunking, found, (), every)
    read = tuple(sorted(found.added + found.changed))
    return _Plan(listing, stored, embedder, chunking, found, found.unchanged, read)


def _compare(listing: Listing, manifest: Manifest) -> CorpusDiff:
    known = {path: file.digest for path, file in manifest.documents.items()}
    refused = manifest.refused if manifest.reader_version == reader_version() else {}
    digests = {path: file.digest for path, file in listing.files.items() if refused.get(path) != file.digest}
    return CorpusDiff(
        added=tuple(path for path in digests if path not in known),
        changed=tuple(path for path, digest in digests.items() if known.get(path, digest) != digest),
        removed=tuple(path for path in sorted(known) if path not in digests),
        unchanged=tuple(path for path, digest in digests.items() if known.get(path) == digest),
    )


def _carry_out(plan: _Plan, reading: Reading, embeddings_dir: Path, progress: Progress | None) -> SyncReport:
    paths = sorted([*plan.keep, *reading.documents])
    passages, rows = _gather(plan, reading, paths)
    new = [passage for passage, row in zip(passages, rows, strict=True) if row is None]
    embedded = embed(plan.embedder, new, progress)
    with new_generation(embeddings_dir) as folder:
        with Texts.create(folder / TEXTS_FILE) as texts:
            for path in paths:
                if path in reading.documents:
                    texts.add(*reading.documents[path])
                elif plan.stored:
                    texts.copy(plan.stored.texts, path)
        _write_index(plan, folder, passages, rows, embedded)
    manifest = _manifest(plan, reading, paths, len(passages))
    commit(embeddings_dir, folder, manifest)
    return SyncReport(_final_diff(plan.diff, manifest), manifest.skipped, len(passages), rows.count(None), 0.0)


def _gather(plan: _Plan, reading: Reading, paths: list[str]) -> tuple[list[Passage], list[int | None]]:
    """List all passages of the new generation in order, each with its stored row if it has one."""
    passages: list[Passage] = []
    rows: list[int | None] = []
    reusable = plan.stored.texts.rows_by_key() if plan.stored else {}
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


def _write_index(
    plan: _Plan,
    folder: Path,
    passages: Sequence[Passage],
    rows: Sequence[int | None],
    embedded: Iterator[PassageEmbeddings],
) -> None:
    dimension = plan.stored.index.dimension if plan.stored else plan.embedder.dimension
    writer = IndexWriter(folder, dimension)
    for passage, row in zip(passages, rows, strict=True):
        embeddings = next(embedded) if row is None or plan.stored is None else plan.stored.index.embeddings(row)
        writer.add(embeddings, [index_terms(passage)], [index_sentence_terms(passage)])
    writer.finish()


def _manifest(plan: _Plan, reading: Reading, paths: list[str], passages: int) -> Manifest:
    before = plan.stored.manifest if plan.stored else None
    still_refused = {
        path: digest
        for path, digest in (before.refused if before else {}).items()
        if path in plan.listing.files and plan.listing.files[path].digest == digest and path not in plan.read
    }
    said_before = {*still_refused, *plan.keep}
    known = [skipped for skipped in (before.skipped if before else ()) if skipped.path in said_before]
    return Manifest(
        model=plan.embedder.name,
        model_digest=plan.embedder.digest,
        dimension=plan.stored.index.dimension if plan.stored else plan.embedder.dimension,
        chunking=plan.chunking,
        reader_version=reader_version(),
        documents={path: _file_state(plan, reading, path) for path in paths},
        refused=dict(sorted((still_refused | reading.refused).items())),
        skipped=tuple(sorted([*plan.listing.skipped, *reading.skipped, *known], key=_path)),
        passages=passages,
    )


def _file_state(plan: _Plan, reading: Reading, path: str) -> FileState:
    """Return the state of a file as its document was read, which may be later than it was listed."""
    listed = plan.listing.files[path]
    if path not in reading.documents or reading.documents[path][0].digest == listed.digest:
        return listed
    return FileState(reading.documents[path][0].digest, listed.size, 0)


def _final_diff(found: CorpusDiff, manifest: Manifest) -> CorpusDiff:
    """Move the documents that could not be read out of a diff: new ones were not added, the others were removed."""
    stored = found.changed + found.unchanged
    return CorpusDiff(
        added=tuple(path for path in found.added if path in manifest.documents),
        changed=tuple(path for path in found.changed if path in manifest.documents),
        removed=tuple(sorted([*found.removed, *(path for path in stored if path not in manifest.documents)])),
        unchanged=tuple(path for path in found.unchanged if path in manifest.documents),
    )


def _path(skipped: SkippedDocument) -> str:
    return skipped.path
