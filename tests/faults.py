"""Faults for the reliability tests: processes killed, power cut and writes refused at any step by which a sync changes
the disk.

A step is a call that makes, opens for writing, renames or removes something, or has it written to the disk (fsync).
They are seen by Python's audit hooks, which cannot be taken back, so all of this happens in processes of their own.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docqa

AtStep = Callable[[int, str], None]
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "sqlite3.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def in_child(work: Callable[[], object], told: Path) -> tuple[bool, Any]:
    """Do some work in a process of its own, and tell whether it was killed, and what it returned as JSON.

    A `DocqaError` is returned as its message; any other exception is an error here too.
    """
    return end_of(begin(work, told), told)


def begin(work: Callable[[], object], told: Path) -> int:
    """Begin some work in a process of its own."""
    told.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            told.write_text(json.dumps(_outcome(work)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def end_of(child: int, told: Path) -> tuple[bool, Any]:
    """Wait for the end of a process; see `in_child`."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, "the process ended with a traceback"
    return os.WIFSIGNALED(status), json.loads(told.read_text()) if status == 0 else None


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except docqa.DocqaError as exc:
        return str(exc)


def watch(folder: Path, at_step: AtStep) -> None:
    """Call a function with the number and name of each step that changes a folder, before it is taken, for good."""
    taken, within = 0, [False]

    def step(name: str) -> None:
        nonlocal taken
        if not within[0]:
            within[0] = True
            try:
                at_step(taken, name)
            finally:
                taken += 1
                within[0] = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and path.startswith(str(folder)) and flags & WRITING:
                step(f"open {Path(path).name}")
        elif event in CHANGES:
            name = Path(os.fsdecode(arguments[0])).name
            if not name.endswith("?mode=ro&immutable=1"):
                step(f"{event} {name}")

    fsync = os.fsync

    def flushing(descriptor: int) -> None:
        step("fsync")
        fsync(descriptor)

    os.fsync = flushing
    sys.addaudithook(hook)


def kill_at(wanted: int) -> AtStep:
    """Have the process killed before a step."""

    def at_step(number: int, name: str) -> None:
        if number == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_step


def refuse_at(wanted: int, error: int, *, once: bool, only: tuple[str, ...] = ("",)) -> AtStep:
    """Have a step refused with an error number, or all steps from it on whose names begin with one of some words."""

    def at_step(number: int, name: str) -> None:
        if (number == wanted or (number > wanted and not once)) and name.startswith(only):
            raise OSError(error, os.strerror(error))

    return at_step


class PowerCut:
    """Cut the power before a step: the process ends, and what it wrote but did not have flushed is half gone."""

    def __init__(self, folder: Path, wanted: int) -> None:
        self._folder = folder
        self._wanted = wanted
        self._flushed = {path.stat().st_ino: _state(path.stat()) for path in folder.rglob("*")}
        self._fsync = os.fsync
        os.fsync = self._flush

    def __call__(self, number: int, name: str) -> None:
        if number == self._wanted:
            for path in self._folder.rglob("*"):
                state = path.stat()
                if path.is_file() and self._flushed.get(state.st_ino) != _state(state):
                    os.truncate(path, state.st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def _flush(self, descriptor: int) -> None:
        self._fsync(descriptor)
        state = os.fstat(descriptor)
        self._flushed[state.st_ino] = _state(state)


def _state(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
