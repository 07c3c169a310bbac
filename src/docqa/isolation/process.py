"""One process that reads files, from the outside: started when it is needed, watched, replaced when it fails."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from docqa.errors import CorpusError
from docqa.isolation import worker
from docqa.isolation.worker import read_frame, write_frame
from docqa.reading.tesseract import recognising_seconds
from docqa.types import Block, BlockKind, Document, PageStart, Span

READER = "docqa.reading.read_document"
"""The dotted name of the function that a process loads."""
MEMORY = 2 * 2**30
"""Bytes a process may fill, and a reply may have; a machine of 8 GB has room for two at once."""
SECONDS, SECONDS_PER_MB = 60, 10
"""Of computing, for any file and for each MB of it: several times what the slowest sound files need."""
PATIENCE = 3
"""Times as many seconds may pass by the clock, for other work may keep the processors."""
GRACE = 2
"""Seconds that a process which answers no more has to end."""
KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
"""How a process ends that others stopped: the system short of memory, or a person."""
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What a reply may raise that is none: a process whose parser was taken over can say anything."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a document was not read, and whether the bytes are to blame, so that trying them again is of no use."""

    reason: str
    lasting: bool = True
    retry: bool = False
    """Perhaps it was the process that was to blame, so a new one is to try once more."""


class ReadingProcess:
    """A process that reads one file at a time, used by one thread; another may close it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._closed = False
        self._lock = threading.Lock()

    def read(self, path: str, data: bytes, digest: str) -> Document | Failure:
        """Read a document. What crashes the process or fills its memory is tried once more, in a new one.

        Raises:
            CorpusError: no process can be started.
        """
        outcome = self._try(path, data, digest)
        if isinstance(outcome, Failure) and outcome.retry:
            outcome = self._try(path, data, digest)
        return outcome

    def close(self) -> None:
        """End the process, whatever it does, for good."""
        with self._lock:
            self._closed = True
        self._stop()

    def _try(self, path: str, data: bytes, digest: str) -> Document | Failure:
        seconds = SECONDS + SECONDS_PER_MB * len(data) // 1_000_000
        late = threading.Event()
        patience = PATIENCE * seconds + recognising_seconds(data)
        watch = threading.Timer(patience, self._strike, (late,))
        watch.start()
        try:
            outcome = _outcome(self._exchange(path, data, seconds), path, digest)
        except (OSError, EOFError):
            outcome = None
        except MALFORMED:
            outcome = _crash("its answer is none")
        finally:
            watch.cancel()
            watch.join()  # from here on it does not strike
        if outcome is None:
            outcome = self._why(self._stop(GRACE), late.is_set(), seconds, patience)
        elif late.is_set() or (isinstance(outcome, Failure) and outcome.retry):
            self._stop()
        return outcome

    def _exchange(self, path: str, data: bytes, seconds: int) -> Any:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        if not self._ready:
            setup = {"parent": os.getpid(), "memory": MEMORY, "modules": sys.path, "reader": READER}
            write_frame(process.stdin, json.dumps(setup).encode())
            self._ready = bool(read_frame(process.stdout, MEMORY))
        write_frame(process.stdin, json.dumps({"path": path, "seconds": seconds}).encode())
        write_frame(process.stdin, data)
        reply = read_frame(process.stdout, MEMORY)
        if not reply:
            raise EOFError
        return json.loads(reply.decode())

    def _start(self) -> subprocess.Popen[bytes]:
        # A program of its own: a fork would inherit the locks of other threads, and multiprocessing's other ways run
        # the caller's script once more. A session of its own: Ctrl-C is for the parent, which then closes this.
        command = [sys.executable, "-P", str(Path(worker.__file__))]
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # readers compute nothing with NumPy
        with self._lock:
            if self._closed:
                raise CorpusError("the reading was stopped")
            self._ready = False
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | one_thread,
                    start_new_session=True,
                )
            except OSError as exc:
                raise CorpusError(f"no process to read documents can be started: {exc.strerror}") from exc
            return self._process

    def _strike(self, late: threading.Event) -> None:
        late.set()
        with self._lock:
            self._kill()

    def _kill(self) -> None:
        """Kill the process and those it may have started."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _stop(self, grace: float = 0) -> int:
        """End the process and return its exit status; a dying one has some seconds to leave its own."""
        with self._lock:
            if self._process is None:
                return -signal.SIGKILL
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
            self._kill()
            status = self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if pipe:
                        pipe.close()
            self._process = None
            return status

    def _why(self, status: int, late: bool, seconds: int, patience: int) -> Failure:
        if late:
            return Failure(f"reading it took more than {patience} s by the clock; sync again", lasting=False)
        if status in KILLED:
            return Failure("its reader stopped unexpectedly (killed); sync again", lasting=False)
        if not self._ready and status > 0:
            raise CorpusError(
                f"the process that reads documents does not start ({_name(status)}); reinstall docqa, if its own "
                "message does not tell more"
            )
        if status == -signal.SIGXCPU:
            return Failure(f"reading it took more than {seconds} s; divide it")
        return _crash(_name(status), lasting=self._ready)


def _outcome(reply: Any, path: str, digest: str) -> Document | Failure:
    if "memory" in reply:
        return Failure(f"reading it needs more than {MEMORY // 2**20} MiB; divide it", retry=True)
    if "error" in reply:
        return _crash(_printable(reply["error"]))
    if "missing" in reply:
        return Failure(f"its reader cannot be loaded ({_printable(reply['missing'])}); reinstall docqa", lasting=False)
    if "reason" in reply:
        return Failure(_printable(reply["reason"]))
    title, text, unread, author, date = (reply[name] for name in ("title", "text", "unread", "author", "date"))
    blocks = tuple(_block(len(text), *block) for block in reply["blocks"])
    pages = tuple(_page_start(*page) for page in reply["pages"])
    "".join([title, text, unread, author, date]).encode()  # an error unless all are texts that can be stored
    if not blocks:
        raise ValueError("no block")
    return Document(path, digest, title, text, blocks, pages, unread, author, date)


def _block(length: int, kind: Any, start: Any, end: Any, headings: Any, place: Any) -> Block:
    "".join([place, *headings]).encode()
    if not (type(start) is type(end) is int and kind in get_args(BlockKind) and end <= length):
        raise ValueError("no block")
    return Block(kind, Span(start, end), tuple(headings), place)


def _page_start(start: Any, page: Any, recognised: Any) -> PageStart:
    if not (type(start) is type(page) is int and type(recognised) is bool):
        raise ValueError("no page")
    return PageStart(start, page, recognised)


def _printable(reason: Any) -> str:
    return str(reason)[:1_000].encode("utf-8", "replace").decode()


def _crash(how: str, *, lasting: bool = True) -> Failure:
    return Failure(f"its reader stopped unexpectedly ({how}); save it in another format", lasting, retry=True)


def _name(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
