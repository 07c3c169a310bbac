"""A process that renders pages for another one: a page that crashes or never ends costs that process and no more."""

import atexit
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from math import ceil
from typing import IO, Any

from docqa.errors import DocumentReadError
from docqa.reading.pdf.rendering import Mark, Picture, render_picture

SECONDS = 15
"""How long a page may take, a hundred times what most do; the first one includes the start of the process."""
MEMORY = 2 * 2**30
"""Bytes the process may fill."""
UNDRAWN = "page {} cannot be drawn; open the file in a PDF viewer"
FAILURES = (OSError, ValueError, TypeError, LookupError)
"""What comes of a process that has died, or whose parser was taken over and answers as it likes."""


class RenderingProcess:
    """A process that renders one page at a time, started when it is needed and replaced when it fails."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def render(self, path: str, data: bytes, page: int, marks: Sequence[Mark] = ()) -> Picture:
        """Render a page as `render_picture` does.

        Raises:
            DocumentReadError: the PDF cannot be opened, or the page cannot be rendered in time.
        """
        with self._lock:
            try:
                return self._try(path, data, {"path": path, "page": page, "marks": marks})
            except FAILURES as exc:
                self._stop()
                raise DocumentReadError(path, UNDRAWN.format(page)) from exc

    def close(self) -> None:
        """End the process; it is started again when it is needed."""
        with self._lock:
            self._stop()

    def _try(self, path: str, data: bytes, request: dict[str, Any]) -> Picture:
        process = self._running() or self._start()
        watch = threading.Timer(self._seconds, process.kill)
        watch.start()
        try:
            return _exchange(process, path, data, request)
        finally:
            watch.cancel()

    def _running(self) -> subprocess.Popen[bytes] | None:
        if self._process and self._process.poll() is not None:
            self._stop()  # it was ended from outside since the last page
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        # a program of its own: multiprocessing would run the caller's script once more
        # and -P, nor an empty path: nothing is imported from the folder docqa happens to be started in
        command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
        paths = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        atexit.register(self.close)
        return self._process

    def _stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.stdout.close()  # type: ignore[union-attr]
            self._process.communicate()
            self._process = None
            atexit.unregister(self.close)


def _exchange(process: subprocess.Popen[bytes], path: str, data: bytes, request: dict[str, Any]) -> Picture:
    assert process.stdin and process.stdout
    _write(process.stdin, request, data)
    reply, image = _read(process.stdout)
    if "reason" in reply:
        raise DocumentReadError(path, str(reply["reason"]))
    page, pages = int(reply["page"]), int(reply["pages"])
    rectangles = [(float(left), float(top), float(right), float(low)) for left, top, right, low in reply["rectangles"]]
    return Picture(page, pages, float(reply["width"]), float(reply["height"]), tuple(rectangles), image)


def serve() -> None:
    """Render pages until there are no more requests. To be run as a program."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # where a parser may print without harm
    _limit(resource.RLIMIT_DATA, MEMORY)
    while True:
        try:
            request, data = _read(requests)
        except ValueError:
            return
        # should the other process be killed, nobody but the system ends this one
        _limit(resource.RLIMIT_CPU, ceil(time.process_time()) + SECONDS)
        try:
            picture = asdict(render_picture(data=data, **request))
            image = picture.pop("image")
            _write(replies, picture, image)
        except DocumentReadError as exc:
            _write(replies, {"reason": exc.reason}, b"")
        except Exception:  # a damaged page is no matter for the terminal
            _write(replies, {"reason": UNDRAWN.format(request["page"])}, b"")


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _write(file: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    file.write(json.dumps([head, len(body)]).encode() + b"\n" + body)
    file.flush()


def _read(file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read what `_write` wrote.

    Raises:
        ValueError: it has ended.
    """
    head, length = json.loads(file.readline())
    body = file.read(length)
    if len(body) < length:
        raise ValueError("cut short")
    return head, body
