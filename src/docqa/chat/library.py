"""The corpus and its index as the chat uses them: every problem comes back as a value with a message for people."""

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from docqa.apart import verify_apart
from docqa.chat.state import Addition, Overview, Source, SyncState, Turn, Vote
from docqa.corpus import add_document, last_changes, list_corpus, remove_document
from docqa.embedding import Embedder, Reranker
from docqa.errors import CorpusNotFoundError, CorruptIndexError, DocqaError, DocumentEditError, IndexNotFoundError
from docqa.feedback import read_votes, record_feedback, vote_key
from docqa.reading import SUFFIXES
from docqa.retrieval import Retriever, open_retriever
from docqa.store import CHECKED_ON_OPENING, write_lock
from docqa.syncing import diff, sync
from docqa.types import Activity, CorpusDiff, Document, Hit, IndexedDocument, Span
from docqa.watching import Watcher

logger = logging.getLogger(__name__)

EXPECTED = (DocqaError, ValueError, OSError)
LOOK_UP = 0.5
"""Seconds after which whoever waits for a sync looks whether the chat is stopping."""
EMPTY_CORPUS = CorpusDiff((), (), (), ())
GONE = "This document is no longer in the index. This is the passage as it was when you asked."
READ_ONLY = "Documents cannot be changed from this page; start the chat with --allow-edits to allow it."
REWRITTEN = "This document has changed since you asked, and the passage is no longer in it. This is how it was."


@dataclass(frozen=True, slots=True)
class Library:
    """One corpus, one store, the embedder for both, and perhaps a reranker and who watches the corpus.

    ``read_only``, the first two stay as they are, but for what the watcher embeds.
    """

    corpus_dir: Path
    embeddings_dir: Path
    embedder: Embedder | None = None
    feedback_file: Path = Path("feedback.jsonl")
    reranker: Reranker | None = None
    read_only: bool = False
    watcher: Watcher | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)
    damaged: dict[str, str] = field(default_factory=dict)
    """What was found wrong with generations, by their names."""

    def retriever(self) -> Retriever:
        """Open the present generation of the index."""
        return open_retriever(self.embeddings_dir, self.embedder, reranker=self.reranker)

    def verify(self) -> None:
        """Compare every byte of the present generation with what was written, and remember what is wrong with it."""
        generation, size = self.retriever().generation, self.retriever().summary.size
        if size <= CHECKED_ON_OPENING:
            return
        try:
            verify_apart(self.embeddings_dir)
        except CorruptIndexError as problem:
            logger.error("%s", problem)
            self.damaged[generation] = message(problem)

    def damage(self) -> str:
        """Say what is wrong with the present generation, as far as is known; nothing when nothing is."""
        return self.damaged.get(self.retriever().generation, "")

    def answer(self, turn: Turn) -> Turn:
        """Ask a turn's question; a problem becomes the turn's problem."""
        try:
            return replace(turn, answer=self.retriever().ask(turn.question, history=turn.history))
        except Exception as problem:  # the page waits for an answer whatever happened
            return replace(turn, problem=message(problem))

    def votes(self) -> Vote:
        """Read what was said of hits before; what cannot be read was not said."""
        try:
            votes = read_votes(self.feedback_file)
        except OSError as problem:
            logger.error("cannot read the feedback", exc_info=problem)
            votes = {}
        return lambda question, hit: votes.get(vote_key(question, hit))

    def vote(self, turn: Turn, hit: Hit, helpful: bool | None) -> str:
        """Keep what was said of a hit, and return the problem if there is one."""
        history = turn.history if turn.answer and turn.answer.asking_about else ()
        try:
            record_feedback(self.feedback_file, turn.question, hit, helpful, history=history)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            return f"The feedback cannot be saved in '{self.feedback_file}': {reason}; make its folder writable."
        return ""

    def overview(self) -> Overview:
        """Say what is indexed and how the corpus on disk differs from it."""
        try:
            overview = self._indexed()
            changes = self._changes()
            paths = [*(document.path for document in overview.documents), *changes.added]
            changed = last_changes(self.corpus_dir, paths)
            return replace(overview, changes=changes, changed=changed, problem=self._known_problem())
        except EXPECTED as problem:
            return Overview(problem=message(problem), read_only=self.read_only)

    def source(self, path: str) -> Source:
        """Open a document at its start."""
        try:
            return Source(document=self.retriever().document(path))
        except KeyError:
            return Source(problem=f"'{path}' is no longer in the index.")
        except EXPECTED as problem:
            return Source(problem=message(problem))

    def source_at(self, hit: Hit, turn: int) -> Source:
        """Open a hit's document at its passage, wherever the passage stands in the document by now."""
        try:
            document = self.retriever().document(hit.passage.document)
        except KeyError:
            return Source(hit=hit, turn=turn, problem=GONE)
        except EXPECTED as problem:
            return Source(hit=hit, turn=turn, problem=message(problem))
        present = _find_passage(document, hit)
        if present is None:
            return Source(hit=hit, turn=turn, problem=REWRITTEN)
        return Source(document=document, hit=present, turn=turn, moved=present is not hit)

    def add(self, name: str, data: bytes) -> Addition:
        """Add a file to the corpus; a problem comes back as one."""
        if self.read_only:
            return Addition(problem=READ_ONLY)
        try:
            return Addition(add_document(self.corpus_dir, name, data, suffixes=SUFFIXES))
        except DocumentEditError as problem:
            return Addition(problem=problem.reason)
        except EXPECTED as problem:
            return Addition(problem=message(problem))

    def sync(self, *, without: str = "") -> Iterator[SyncState]:
        """Sync in a thread of its own and yield how far it is; the last state holds its report or problem.

        One sync is made at a time, others wait. The document ``without`` which to sync is removed first. When the
        library is stopping, it is interrupted, and the next sync goes on from there.
        """
        states: queue.Queue[SyncState] = queue.Queue()
        threading.Thread(target=self._sync_into, args=(states, without), daemon=True).start()
        while not self.stopping.is_set():
            try:
                state = states.get(timeout=LOOK_UP)
            except queue.Empty:
                continue
            while not states.empty():  # the page is slower than the sync, and only the last one is true
                state = states.get()
            yield state
            if state.report or state.problem:
                return

    def _sync_into(self, states: "queue.Queue[SyncState]", without: str) -> None:
        if self.read_only:
            states.put(SyncState(problem=READ_ONLY))
            return
        if self.turn.locked():
            states.put(SyncState(waiting=True))

        def say(done: int, total: int, activity: Activity) -> None:
            if self.stopping.is_set():
                raise InterruptedError("the chat is stopping; the next sync goes on from here")
            states.put(SyncState(done, total, activity))

        try:
            with self.turn:
                report = sync(
                    self.corpus_dir,
                    self.embeddings_dir,
                    embedder=self.embedder,
                    force=bool(without) and self._remove(without),
                    progress=say,
                )
            states.put(SyncState(report=report))
        except Exception as problem:  # the page waits for a last state whatever happened
            states.put(SyncState(problem=message(problem)))

    def _remove(self, path: str) -> bool:
        """Remove a document unless the store is being written, and tell whether it was the last indexed one.

        A sync empties the store only when it is told to.
        """
        indexed = {document.path for document in self._indexed().documents}
        with write_lock(self.embeddings_dir):
            remove_document(self.corpus_dir, path)
        return indexed.isdisjoint(list_corpus(self.corpus_dir, SUFFIXES, {}).files)

    def _indexed(self) -> Overview:
        try:
            retriever = self.retriever()
        except IndexNotFoundError:
            return Overview(read_only=self.read_only, watched=self.watcher is not None)
        return Overview(
            retriever.summary, _documents(retriever), read_only=self.read_only, watched=self.watcher is not None
        )

    def _known_problem(self) -> str:
        problem = self.watcher.problem if self.watcher else ""
        with suppress(IndexNotFoundError):
            problem = self.damage() or problem
        return problem[:1].upper() + problem[1:]

    def _changes(self) -> CorpusDiff:
        try:
            return diff(self.corpus_dir, self.embeddings_dir)
        except CorpusNotFoundError:
            return EMPTY_CORPUS


def message(problem: Exception) -> str:
    """Return what an error says, for people; an error docqa did not expect is named by its kind as well."""
    text = str(problem)
    if isinstance(problem, DocqaError | ValueError | TypeError) and text:
        return text[0].upper() + text[1:]
    logger.error("unexpected in the chat", exc_info=problem)
    return f"Something went wrong: {type(problem).__name__}: {text}"


@lru_cache(1)
def _documents(retriever: Retriever) -> tuple[IndexedDocument, ...]:
    # every open page asks for them every few seconds
    return tuple(retriever.documents())


def _find_passage(document: Document, hit: Hit) -> Hit | None:
    if document[hit.passage.span] == hit.passage.text:
        return hit
    start = document.text.find(hit.passage.text)
    return _shift(document, hit, start - hit.passage.span.start) if start >= 0 else None


def _shift(document: Document, hit: Hit, distance: int) -> Hit:
    def shifted(span: Span) -> Span:
        return Span(span.start + distance, span.end + distance)

    span = shifted(hit.passage.span)
    sentences = tuple(shifted(sentence) for sentence in hit.passage.sentences)
    passage = replace(hit.passage, span=span, sentences=sentences, locator=document.locate(span))
    return replace(hit, passage=passage, evidence=tuple(shifted(evidence) for evidence in hit.evidence))
