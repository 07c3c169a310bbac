"""A reader for tests that does what the first words of a file say; it is loaded in processes of their own."""

import ctypes
import importlib
import os
import subprocess
import sys
import time

from docqa.errors import DocumentReadError
from docqa.types import Block, Document, PageStart, Span


def long(tests: int) -> str:
    """Spell some seconds as nobody else does but the tests in the process of that number."""
    return f"600.{tests:07}"


class Panic(BaseException):
    """What parsers in other languages throw."""


def read(path: str, data: bytes, digest: str) -> Document:
    words = data.decode().split()
    if words[0] in ACTS:
        ACTS[words[0]](*words[1:])
    text = data.decode() if words[0] != "unstorable" else "\ud800"
    block = Block("paragraph", Span(0, len(text)), ("Ä", "\u2028"), "slide 4")
    unread = "page 8 is a picture" if words[0] == "partly" else ""
    pages = (PageStart(0, 7, recognised=True),)
    return Document(path, digest, path, text, (block,), pages, unread, author="Ännchen", date="2024-03")


def once(folder: str, act: str) -> None:
    """Fail the first time only; a folder remembers it, for files cannot be written."""
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        return
    ACTS[act]()


def report(folder: str) -> None:
    """Leave the number of this process behind, then hang."""
    os.makedirs(f"{folder}/{os.getpid()}")  # noqa: PTH103
    time.sleep(600)


def refuse() -> None:
    raise DocumentReadError("x", "it is bad \ud800")


def loaded(*names: str) -> None:
    importlib.import_module("docqa.reading")
    raise DocumentReadError("x", " ".join(name for name in names if name in sys.modules))


def miss() -> None:
    importlib.import_module("no_such_parser")


def panic() -> None:
    raise Panic("no way")


def spin() -> None:
    while True:
        pass


def fill() -> None:
    kept = []
    while True:
        kept.append(bytearray(50_000_000))


def mistake() -> None:
    """Take a lack of memory for something else."""
    kept = b"x" * 200_000_000
    raise DocumentReadError("x", f"no sound XML at {len(kept)}")


def shout() -> None:
    for _ in range(50):
        os.write(1, b"x" * 100_000)
        print("y" * 100_000)  # noqa: T201
        print("z" * 100_000, file=sys.stderr)  # noqa: T201


def write() -> None:
    with open("/tmp/docqa-test", "wb") as file:  # noqa: PTH123
        file.write(b"x")


ACTS = {
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), 9),
    "segfault": lambda: ctypes.string_at(0),
    "hang": lambda: time.sleep(600),
    "child": lambda: subprocess.Popen(["sleep", long(os.getppid())]),
    "childhang": lambda: (subprocess.Popen(["sleep", long(os.getppid())]), time.sleep(600)),
    "fail": lambda: [][1],
    "leave": lambda: sys.exit(0),
    "close": lambda: os.closerange(3, 99),
    "once": once,
    "report": report,
    "refuse": refuse,
    "miss": miss,
    "panic": panic,
    "spin": spin,
    "fill": fill,
    "loaded": loaded,
    "mistake": mistake,
    "shout": shout,
    "write": write,
}
