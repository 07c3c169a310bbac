"""Isolation: documents are read in processes of their own, so that no file can crash, stall or starve docqa."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore, Thread

from docqa.corpus import digest, read_bytes
from docqa.errors import DocumentReadError
from docqa.isolation.process import MEMORY, Failure, ReadingProcess
from docqa.machine import usable_cpus, usable_memory
from docqa.neutralising import printable_name
from docqa.reading import is_plain, read_document
from docqa.types import Document

logger = logging.getLogger(__name__)

MAX_PROCESSES = 8
"""However large the machine is: one thread divides what they read."""
AHEAD = 4
"""How many documents for each process may wait for who divides them: of them, all are in memory."""
SMALL = 100_000
"""Bytes of text that docqa reads itself, a second's work whatever stands there: starting a process takes a third."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a file was not read, and the digest of its bytes if they are to blame and would fail again."""

    reason: str
    digest: str | None = None


_Job = tuple[str, Future[Document | Unread]]


@contextmanager
def read_isolated(corpus_dir: Path, paths: Sequence[str]) -> Iterator[Iterator[Document | Unread]]:
    """Read files of the corpus, several at once, and give what comes of each in their order.

    Reading begins at once, and no process outlives the ``with`` block.

    Raises:
        CorpusError: no process can be started.
    """
    jobs: deque[_Job] = deque((path, Future()) for path in paths)
    waiting = deque(jobs)
    processes = [ReadingProcess() for _ in range(min(_most_processes(), len(jobs)))]
    ahead = Semaphore(AHEAD * len(processes))
    # a thread each; daemons, for Python would wait for others when it is told to end
    threads = [Thread(target=_read_each, args=(corpus_dir, waiting, ahead, one), daemon=True) for one in processes]
    try:
        for thread in threads:
            thread.start()
        yield _results(jobs, ahead)
    finally:
        waiting.clear()
        ahead.release(len(threads))
        for process in processes:
            process.close()
        for thread in threads:
            if thread.ident:  # it was started
                thread.join()


def _most_processes() -> int:
    """Count the processes that may run: one a processor, if what each may fill leaves as much for everything else."""
    return max(1, min(usable_cpus(), usable_memory() // MEMORY - 1, MAX_PROCESSES))


def _results(jobs: deque[_Job], ahead: Semaphore) -> Iterator[Document | Unread]:
    """Give the results in order, each let go of as the next is asked for, so that few are in memory."""
    while jobs:
        _, future = jobs.popleft()
        yield future.result()
        ahead.release()


def _read_each(corpus_dir: Path, waiting: deque[_Job], ahead: Semaphore, process: ReadingProcess) -> None:
    with suppress(IndexError):  # none is left
        while True:
            ahead.acquire()
            path, future = waiting.popleft()
            try:
                future.set_result(_read(corpus_dir, path, process))
            except BaseException as exc:  # whatever it is, it belongs to who waits for the result
                future.set_exception(exc)
    process.close()


def _read(corpus_dir: Path, path: str, process: ReadingProcess) -> Document | Unread:
    try:
        data = read_bytes(corpus_dir, path)
    except DocumentReadError as exc:
        return Unread(exc.reason)
    found = digest(data)
    try:
        if len(data) <= SMALL and is_plain(path, data):
            return read_document(path, data, found)
    except DocumentReadError as exc:
        return Unread(exc.reason, found)
    except Exception:
        logger.exception("'%s' is read once more, apart", printable_name(path))
    outcome = process.read(path, data, found)
    if isinstance(outcome, Failure):
        return Unread(outcome.reason, found if outcome.lasting else None)
    return outcome
