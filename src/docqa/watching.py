"""Watching: sync whenever the corpus changes and has come to rest. Only this module imports watchfiles."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import watchfiles

from docqa.corpus import FileMark, mark_files
from docqa.errors import CorpusNotFoundError, DocqaError, StoreLockedError
from docqa.syncing import diff
from docqa.types import Activity, SyncReport

QUIET = 2.0
"""Seconds for which a file must stay as it is to count as whole. After as many, a listing need not read it again."""
PATIENCE = 10.0
"""Seconds that files which are whole wait for others that are not, so that many together are one sync."""
LOOK_AGAIN = 60.0
"""Seconds after which the corpus is looked at without a sign, for signs are lost, and the cause of a problem mended."""
WAIT_FOR_OTHERS = 1.0
"""Seconds until another try where somebody else is writing the store."""
TICK_MS, POLL_MS = 500, 1_000
GRACE = 5.0
"""Seconds that a sync has to end when the watch does; it can be interrupted at any time, and the next one goes on."""

logger = logging.getLogger(__name__)

Marks = dict[str, FileMark]
Sync = Callable[..., SyncReport]
"""`sync`, or what does it elsewhere, with the model chosen: it takes both folders, ``leave`` and ``progress``."""


class Watcher:
    """Makes a store agree with its corpus again after every change of it, until it is told to stop.

    ``sync`` is how, and ``on_report`` is told of it. ``problem`` says what keeps a change from being embedded, nothing
    when all is well. ``turn`` is held during a sync, and others of this process that hold it are waited for.
    """

    def __init__(
        self,
        corpus_dir: str | PathLike[str],
        embeddings_dir: str | PathLike[str],
        *,
        sync: Sync,
        on_report: Callable[[SyncReport], None],
    ) -> None:
        self.problem = ""
        self.turn = threading.Lock()
        self._corpus, self._embeddings = Path(corpus_dir), Path(embeddings_dir)
        self._sync = sync
        self._on_report = on_report
        self._stop = threading.Event()
        self._due = 0.0
        self._synced: dict[str, FileMark | None] = {}  # what stays different after a sync is not tried again as it is
        self._polling: bool | None = None  # as WATCHFILES_FORCE_POLLING says

    def run(self) -> None:
        """Watch until `stop` is called."""
        while not self._stop.is_set():
            if self._corpus.is_dir():
                self._follow(self._corpus.resolve())
            else:
                self._say(CorpusNotFoundError(self._corpus))
            self._stop.wait(WAIT_FOR_OTHERS)

    def stop(self) -> None:
        """End the watch; a sync that is under way is interrupted when it next says how far it is."""
        self._stop.set()

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Watch in a thread of its own while the ``with`` block is run."""
        thread = threading.Thread(target=self.run, name="docqa-watching", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join(GRACE)

    def _follow(self, folder: Path) -> None:
        """Watch a folder until another stands in its place, or none."""
        number = _inode(self._corpus)
        self._due = 0.0  # the corpus may have changed before
        for sign in self._signs(folder):
            if sign or time.monotonic() >= self._due:
                self._look()
            if _inode(self._corpus) != number:
                return

    def _signs(self, folder: Path) -> Iterator[bool]:
        """Tell as time goes by whether there was a sign of a change."""
        try:
            for changes in watchfiles.watch(
                folder,
                watch_filter=lambda _, path: "/." not in path.removeprefix(str(folder)),
                stop_event=self._stop,
                rust_timeout=TICK_MS,
                yield_on_timeout=True,
                force_polling=self._polling,
                poll_delay_ms=POLL_MS,
                ignore_permission_denied=True,
            ):
                yield bool(changes)
        except (OSError, RuntimeError) as problem:
            self._polling = True
            logger.warning("the system cannot watch '%s' (%s); it is looked through every second", folder, problem)

    def _look(self) -> None:
        """Embed what has changed and come to rest; a problem is said, and the watch goes on."""
        self._due = time.monotonic() + LOOK_AGAIN
        try:
            report = self._embed_changes()
            self.problem = ""
            if report:
                self._on_report(report)
        except _StoppedError:
            return
        except StoreLockedError:
            self._due = time.monotonic() + WAIT_FOR_OTHERS
        except Exception as problem:  # whatever it is, the next change may be embedded
            self._say(problem)

    def _embed_changes(self) -> SyncReport | None:
        """Sync, unless nothing has changed but files that do not rest, which are left for the next time."""
        marks, restless = self._settle()
        found = diff(self._corpus, self._embeddings)
        changed = {path: marks.get(path) for path in (*found.added, *found.changed, *found.removed)}
        settled = {path: mark for path, mark in changed.items() if path not in restless}
        report = None
        if not settled.items() <= self._synced.items():
            with self.turn:
                report = self._sync(self._corpus, self._embeddings, leave=restless, progress=self._go_on_unless_stopped)
        self._synced = settled
        if len(settled) < len(changed):
            self._due = time.monotonic()
        return report

    def _settle(self) -> tuple[Marks, set[str]]:
        """Wait until all files stay as they are, for some time, and return their marks and those that still do not."""
        last = time.monotonic() + PATIENCE
        before = mark_files(self._corpus)
        while True:
            if self._stop.wait(QUIET):
                raise _StoppedError
            marks = mark_files(self._corpus)
            restless = {path for path in {*before, *marks} if before.get(path) != marks.get(path)}
            if not restless or time.monotonic() > last:
                return marks, restless
            before = marks

    def _go_on_unless_stopped(self, done: int, total: int, activity: Activity) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _say(self, problem: Exception) -> None:
        """Say a problem once, not every time it is met."""
        said = str(problem) if isinstance(problem, DocqaError) else f"cannot sync: {type(problem).__name__}: {problem}"
        if said != self.problem and isinstance(problem, DocqaError):
            logger.warning("%s", said)
        elif said != self.problem:
            logger.error("%s", said, exc_info=problem)
        self.problem = said


class _StoppedError(Exception):
    """The watch was told to stop while it was at work."""


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None
