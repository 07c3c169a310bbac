"""The process that reads files for another one: a program of its own that loads the readers and nothing else of docqa.

It takes frames from its standard input, a setup and then a request and the bytes of a file at a time, and answers each
with a frame of JSON. What it reads may be hostile, so nothing it says is ever unpickled.
"""

import ctypes
import importlib
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import IO, Any

PR_SET_PDEATHSIG = 1
NO_MEMORY = b'{"memory": true}'
NOT_READ = (b'{"reason"', b'{"error"')
Read = Callable[[str, bytes, str], Any]


def main() -> None:
    """Read files until there are no more."""
    requests, replies = _take_pipes()
    setup = json.loads(read_frame(requests))
    _die_with(setup["parent"])
    _limit(setup["memory"])
    read = _load(setup["modules"], setup["reader"])
    _silence()
    write_frame(replies, b"{}")
    while request := read_frame(requests):
        reply = _answer(read, json.loads(request), read_frame(requests))
        if reply.startswith(NOT_READ) and _was_nearly_full(setup["memory"]):
            reply = NO_MEMORY  # whatever it was that a library took for the reason
        write_frame(replies, reply)


def read_frame(file: IO[bytes], longest: int | None = None) -> bytes:
    """Read what `write_frame` wrote; nothing at the end of the file.

    Raises:
        EOFError: it was cut.
        ValueError: it is longer than it may be.
    """
    head = file.read(8)
    length = int.from_bytes(head)
    if longest is not None and length > longest:
        raise ValueError(f"a frame of {length} bytes")
    data = file.read(length)
    if len(head) not in (0, 8) or len(data) < length:
        raise EOFError("a frame that was cut")
    return data


def write_frame(file: IO[bytes], data: bytes) -> None:
    """Write bytes with their length before them."""
    file.write(len(data).to_bytes(8))
    file.write(data)
    file.flush()


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Move the pipes from where a parser could print into them."""
    pipes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return pipes


def _silence() -> None:
    """Let parsers warn nobody and write nowhere; until now, errors told what keeps the readers from being loaded."""
    os.dup2(1, 2)
    _lower(resource.RLIMIT_FSIZE, 0)


def _die_with(parent: int) -> None:
    """Have the system kill this process when its parent dies; elsewhere than on Linux it ends with its file."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died just before
            os._exit(1)


def _limit(memory: int) -> None:
    # what the process may write to, of which shared libraries are no part; only Linux counts it
    _lower(resource.RLIMIT_DATA, memory)
    _lower(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _load(modules: list[str], reader: str) -> Read:
    """Import a reader by its dotted name, without the package's own start, which loads the whole engine."""
    sys.path[:] = modules
    package = ModuleType("docqa")
    package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["docqa"] = package
    module, _, name = reader.rpartition(".")
    read: Read = getattr(importlib.import_module(module), name)
    return read


def _answer(read: Read, request: dict[str, Any], data: bytes) -> bytes:
    from docqa.errors import DocumentReadError

    _lower(resource.RLIMIT_CPU, ceil(time.process_time() + request["seconds"]))
    try:
        return _to_json(read(request["path"], data, ""))
    except MemoryError:
        return NO_MEMORY
    except DocumentReadError as exc:
        return json.dumps({"reason": exc.reason}).encode()
    except ImportError as exc:
        return json.dumps({"missing": str(exc)[:200]}).encode()
    except BaseException as exc:  # what a parser in another language throws may be no Exception
        return json.dumps({"error": f"{type(exc).__name__}: {exc}"[:200]}).encode()


def _was_nearly_full(memory: int) -> bool:
    """Tell whether this process has ever filled half of its memory; to grow, libraries often ask for twice as much."""
    status = Path("/proc/self/status")
    peaks = re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else ()
    return any(int(peak) * 1024 * 2 > memory for peak in peaks)


def _to_json(document: Any) -> bytes:
    fields = {
        "title": document.title,
        "text": document.text,
        "blocks": [(b.kind, b.span.start, b.span.end, b.headings, b.place) for b in document.blocks],
        "pages": [(page.start, page.page, page.recognised) for page in document.pages],
        "unread": document.unread,
        "author": document.author,
        "date": document.date,
    }
    return json.dumps(fields, ensure_ascii=False).encode()


if __name__ == "__main__":
    main()
