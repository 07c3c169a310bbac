"""Syncing: make the store agree with the corpus, embedding only what is new."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from heapq import merge
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from docqa.chunking import DEFAULT_CHUNKING
from docqa.corpus import FileState, Listing, check_corpus, list_corpus
from docqa.embedding import DEFAULT_MODEL, Embedder, SentenceTransformerEmbedder
from docqa.errors import CorruptIndexError, EmptyCorpusError, IndexNotFoundError, StoreError
from docqa.reading import SUFFIXES, is_read_alike, reader_version
from docqa.store import (
    FORMAT,
    TEXTS_FILE,
    UNFINISHED_FOLDER,
    Manifest,
    Sources,
    check_files,
    check_model,
    commit,
    new_generation,
    open_sources,
    read_manifest,
    read_older_settings,
    read_previous,
    remove_leftovers,
    tidy,
    write_lock,
    write_manifest,
    writing,
)
from docqa.texts import Texts
from docqa.types import Chunking, CorpusDiff, Document, Progress, SkippedDocument, SyncReport
from docqa.unfinished import Unfinished

if TYPE_CHECKING:
    from docqa.isolation import Unread

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
    leave: Collection[str] = (),
    progress: Progress | None = None,
) -> SyncReport:
    """Make the store agree with the corpus.

    Unchanged documents keep their rows bit for bit; of changed ones only the passages that are new are embedded. With
    nothing to do, no model is loaded and nothing is written. Readers go on with the old generation until the new one is
    complete. A damaged store is rebuilt with the settings it had, from its own texts and embeddings if they are sound,
    else from the corpus.

    Args:
        corpus_dir: the folder of documents.
        embeddings_dir: the folder of the store; made when missing.
        embedder: the model; the one the store was made with, else the default one.
        chunking: how documents are divided; as in the store, else the default.
        force: read, divide and embed every document anew; needed to change the model, and to empty the store.
        leave: paths of files that are left for another sync, as half copied ones: the store keeps what it has of them.
        progress: called with how many are done, of how many, and ``"reading"`` documents or ``"embedding"`` passages.

    Raises:
        CorpusNotFoundError: the corpus folder is missing.
        EmptyCorpusError: no document is in it, or the last one cannot be read any more, and ``force`` is not set; the
            store is as before.
        IndexMismatchError: the embedder is another than the store's, and ``force`` is not set.
        StoreLockedError: another sync is writing.
        ModelNotFoundError: the model cannot be loaded.
        EmbeddingError: the model gave embeddings of a wrong shape or that are not finite.
        StoreError: the store cannot be written, or lies within the corpus; it is as before.
    """
    started = time.perf_counter()
    corpus, embeddings = Path(corpus_dir), Path(embeddings_dir)
    _check_folders(corpus, embeddings)
    with write_lock(embeddings):
        manifest = _read_known(embeddings)
        listing = _list(corpus, manifest.documents if manifest else {}, leave)
        if not listing.files and not (force and manifest):
            raise _is_empty(corpus, manifest, listing.skipped)
        model, divided = _settings(embeddings, manifest)
        embedder = embedder or SentenceTransformerEmbedder(model)
        plan = _plan(listing, manifest, embedder, chunking or divided, force=force)
        report = _leave_as_it_is(plan, embeddings) or _carry_out(plan, corpus, embeddings, progress)
    return replace(report, newly_skipped=_newly_skipped(plan, report), seconds=time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a sync has to do: ``keep`` these documents of the stored generation as they are, and ``read`` those.

    ``known`` is the manifest of the stored generation; its rows serve again unless it is to be made ``anew``.
    """

    listing: Listing
    known: Manifest | None
    embedder: Embedder
    chunking: Chunking
    diff: CorpusDiff
    keep: tuple[str, ...]
    read: tuple[str, ...]
    anew: bool

    @property
    def is_done(self) -> bool:
        """Tell whether the store already agrees with the corpus, in what it skips too."""
        if self.known is None or self.diff or self.read or self.anew:
            return False
        refused = [skipped for skipped in self.known.skipped if skipped.path in self.listing.files]
        return tuple(sorted([*self.listing.skipped, *refused], key=_path)) == self.known.skipped


def _check_folders(corpus_dir: Path, embeddings_dir: Path) -> None:
    """Check both folders before anything is written: a mistyped one leaves no trace of a store."""
    if embeddings_dir.resolve().is_relative_to(corpus_dir.resolve()):
        raise StoreError(f"the index cannot be within the documents' folder '{corpus_dir}'; choose another for it")
    check_corpus(corpus_dir)


def _list(corpus_dir: Path, known: Mapping[str, FileState], paths: Collection[str]) -> Listing:
    """List a corpus, and show some of its files as they are known, or not at all."""
    listing = list_corpus(corpus_dir, SUFFIXES, known)
    files = {path: state for path, state in listing.files.items() if path not in paths}
    left = {path: known[path] for path in paths if path in known}
    skipped = tuple(one for one in listing.skipped if one.path not in paths)
    return Listing(dict(sorted((files | left).items())), skipped)


def _read_known(embeddings_dir: Path) -> Manifest | None:
    try:
        return read_manifest(embeddings_dir)
    except IndexNotFoundError:
        return None
    except CorruptIndexError as exc:
        _say_rebuilt(embeddings_dir, exc)
        return None


def _settings(embeddings_dir: Path, manifest: Manifest | None) -> tuple[str, Chunking]:
    """Return the model and the chunking that the store was made with, else the default ones."""
    if manifest:
        return manifest.model, manifest.chunking
    return read_older_settings(embeddings_dir) or (DEFAULT_MODEL, DEFAULT_CHUNKING)


def _is_sound(embeddings_dir: Path, manifest: Manifest) -> bool:
    try:
        check_files(embeddings_dir, manifest)
    except CorruptIndexError:
        return False
    return True


def _note_times(embeddings_dir: Path, manifest: Manifest, listing: Listing) -> None:
    """Keep files' new times of change, where nothing else is new, which spare the next look at them."""
    seen = {path: listing.files[path] for path in manifest.documents}
    if seen != manifest.documents:
        write_manifest(embeddings_dir, replace(manifest, documents=seen), read_previous(embeddings_dir))


def _plan(listing: Listing, manifest: Manifest | None, embedder: Embedder, chunking: Chunking, *, force: bool) -> _Plan:
    every = tuple(listing.files)
    if manifest is None:
        return _Plan(listing, None, embedder, chunking, CorpusDiff(every, (), (), ()), (), every, anew=True)
    if not force:
        check_model(manifest, embedder)
    found = _compare(listing, manifest)
    if force or chunking != manifest.chunking or not is_read_alike(manifest.reader_version):
        return _Plan(listing, manifest, embedder, chunking, found, (), every, anew=force)
    read = tuple(sorted(found.added + found.changed))
    return _Plan(listing, manifest, embedder, chunking, found, found.unchanged, read, anew=False)


def _compare(listing: Listing, manifest: Manifest) -> CorpusDiff:
    known = {path: file.digest for path, file in manifest.documents.items()}
    refused = manifest.refused if is_read_alike(manifest.reader_version) else {}
    digests = {path: file.digest for path, file in listing.files.items() if refused.get(path) != file.digest}
    return CorpusDiff(
        added=tuple(path for path in digests if path not in known),
        changed=tuple(path for path, digest in digests.items() if known.get(path, digest) != digest),
        removed=tuple(path for path in sorted(known) if path not in digests),
        unchanged=tuple(path for path, digest in digests.items() if known.get(path) == digest),
    )


def _leave_as_it_is(plan: _Plan, embeddings_dir: Path) -> SyncReport | None:
    """Report of a store that agrees with the corpus already and is sound; nothing of any other."""
    if not (plan.is_done and plan.known and _is_sound(embeddings_dir, plan.known)):
        return None
    _note_times(embeddings_dir, plan.known, plan.listing)
    tidy(embeddings_dir)
    return SyncReport(plan.diff, plan.known.skipped, plan.known.passages, 0, 0.0)


def _carry_out(plan: _Plan, corpus_dir: Path, embeddings_dir: Path, progress: Progress | None) -> SyncReport:
    """Write the texts of a new generation, then its index, embedding what is new, and make it the current one."""
    from docqa.building import Prepared, write_index  # takes longer to import than to see that nothing is new

    remove_leftovers(embeddings_dir)
    stored = _open_stored(plan, embeddings_dir)
    if stored is None:
        plan = replace(plan, keep=(), read=tuple(plan.listing.files))
    unfinished = Unfinished(embeddings_dir / UNFINISHED_FOLDER, f"{FORMAT} {plan.embedder.digest}")
    with new_generation(embeddings_dir) as folder:
        with writing(embeddings_dir), Texts.create(folder / TEXTS_FILE) as texts:
            reading = _write_texts(texts, plan, stored, corpus_dir, progress)
            if plan.known and plan.known.documents and not (plan.anew or plan.keep or reading.digests):
                raise _is_empty(corpus_dir, plan.known, [*plan.listing.skipped, *reading.skipped])
        prepared = Prepared(stored, unfinished)
        new = write_index(
            embeddings_dir, folder, reading.rows, embedder=plan.embedder, prepared=prepared, progress=progress
        )
    manifest = _manifest(plan, stored, reading, prepared.dimension(plan.embedder))
    diff = _final_diff(plan.diff, manifest)
    is_previous = _is_worth_keeping(plan, stored, embeddings_dir) and not _is_any_gone(plan)
    commit(embeddings_dir, folder, manifest, keep_previous=is_previous)
    return SyncReport(diff, manifest.skipped, manifest.passages, new, 0.0)


def _is_any_gone(plan: _Plan) -> bool:
    """Tell whether a file that the store names, if only as skipped, is gone: it must not live on in what is kept."""
    listed = {*plan.listing.files, *map(_path, plan.listing.skipped)}
    return plan.known is not None and not listed.issuperset([*plan.known.documents, *map(_path, plan.known.skipped)])


def _open_stored(plan: _Plan, embeddings_dir: Path) -> Sources | None:
    """Open what is of use of the stored generation: what is damaged is rebuilt, for the corpus has all of it."""
    if plan.anew:
        return None
    try:
        stored = open_sources(embeddings_dir)
    except CorruptIndexError as exc:
        _say_rebuilt(embeddings_dir, exc)
        return None
    if stored.damage:
        _say_rebuilt(embeddings_dir, stored.damage)
    return stored


def _is_worth_keeping(plan: _Plan, stored: Sources | None, embeddings_dir: Path) -> bool:
    """Tell whether the stored generation can be returned to, as far as is known."""
    if stored:
        return stored.damage is None
    try:
        return plan.anew and plan.known is not None and _is_sound(embeddings_dir, plan.known)
    except StoreError:  # it cannot be read now
        return True


@dataclass(frozen=True, slots=True)
class _Reading:
    """What came of the files: the digests of the documents that were read, and what could not be read.

    ``rows`` tells of each passage which row it has in the stored generation, if its document is kept as it is.
    """

    digests: dict[str, str] = field(default_factory=dict)
    skipped: list[SkippedDocument] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    rows: list[int | None] = field(default_factory=list)

    def note_document(self, document: Document, passages: int) -> None:
        self.rows.extend([None] * passages)
        self.digests[document.path] = document.digest
        if document.unread:
            self.skipped.append(SkippedDocument(document.path, document.unread, in_part=True))

    def note_unread(self, path: str, outcome: "Unread") -> None:
        self.skipped.append(SkippedDocument(path, outcome.reason))
        if outcome.digest:  # the bytes are to blame, so there is no use in trying the same ones again
            self.refused[path] = outcome.digest


def _write_texts(
    texts: Texts, plan: _Plan, stored: Sources | None, corpus_dir: Path, progress: Progress | None
) -> _Reading:
    """Write all documents and their passages in the order of their paths, read one by one or copied."""
    from docqa.preparing import read_and_divide

    reading = _Reading()
    outcomes = read_and_divide(corpus_dir, plan.read, embedder=plan.embedder, chunking=plan.chunking, progress=progress)
    with closing(outcomes):
        read = zip(plan.read, outcomes, strict=True)
        kept = ((path, None) for path in plan.keep)
        for path, outcome in merge(read, kept, key=itemgetter(0)):
            if isinstance(outcome, tuple):
                texts.add(*outcome)
                reading.note_document(outcome[0], len(outcome[1]))
            elif outcome:
                reading.note_unread(path, outcome)
            elif stored:
                reading.rows.extend(texts.copy(stored.texts, path))
    return reading


def _manifest(plan: _Plan, stored: Sources | None, reading: _Reading, dimension: int) -> Manifest:
    before, read = stored.manifest if stored else None, set(plan.read)
    still_refused = {
        path: digest
        for path, digest in (before.refused if before else {}).items()
        if path in plan.listing.files and plan.listing.files[path].digest == digest and path not in read
    }
    said_before = {*still_refused, *plan.keep}
    known = [skipped for skipped in (before.skipped if before else ()) if skipped.path in said_before]
    return Manifest(
        model=plan.embedder.name,
        model_digest=plan.embedder.digest,
        dimension=dimension,
        chunking=plan.chunking,
        reader_version=reader_version(),
        documents={path: _file_state(plan, reading, path) for path in sorted([*plan.keep, *reading.digests])},
        refused=dict(sorted((still_refused | reading.refused).items())),
        skipped=tuple(sorted([*plan.listing.skipped, *reading.skipped, *known], key=_path)),
        passages=len(reading.rows),
    )


def _file_state(plan: _Plan, reading: _Reading, path: str) -> FileState:
    """Return the state of a file as its document was read, which may be later than it was listed."""
    listed = plan.listing.files[path]
    digest = reading.digests.get(path, listed.digest)
    return listed if digest == listed.digest else FileState(digest, listed.size, 0)


def _final_diff(found: CorpusDiff, manifest: Manifest) -> CorpusDiff:
    """Move the documents that could not be read out of a diff: new ones were not added, the others were removed."""
    stored = found.changed + found.unchanged
    return CorpusDiff(
        added=tuple(path for path in found.added if path in manifest.documents),
        changed=tuple(path for path in found.changed if path in manifest.documents),
        removed=tuple(sorted([*found.removed, *(path for path in stored if path not in manifest.documents)])),
        unchanged=tuple(path for path in found.unchanged if path in manifest.documents),
    )


def _newly_skipped(plan: _Plan, report: SyncReport) -> tuple[SkippedDocument, ...]:
    """List what was not said before, or is said of a file that is new."""
    known, touched = set(plan.known.skipped if plan.known else ()), {*plan.diff.added, *plan.diff.changed}
    return tuple(one for one in report.skipped if one not in known or one.path in touched)


def _is_empty(corpus_dir: Path, known: Manifest | None, skipped: Iterable[SkippedDocument]) -> EmptyCorpusError:
    reasons = [f"{one.path}: {one.reason}" for one in sorted(skipped, key=_path)]
    return EmptyCorpusError(corpus_dir, len(known.documents) if known else 0, reasons)


def _path(skipped: SkippedDocument) -> str:
    return skipped.path


def _say_rebuilt(embeddings_dir: Path, problem: CorruptIndexError) -> None:
    logger.warning("the index in '%s' could not be used (%s) and is rebuilt", embeddings_dir, problem.reason)
