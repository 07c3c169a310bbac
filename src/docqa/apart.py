"""Apart: long work in a process of its own and of low priority, so that whoever answers meanwhile is not held up.

The process takes a request, a JSON object, from its standard input, and answers with lines of JSON: how far it is,
every so often, and at last what came of it or a problem. When nobody hears it any more, it ends.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import IO, Any

from docqa import errors
from docqa.embedding import SentenceTransformerEmbedder
from docqa.errors import DocqaError, StoreError
from docqa.machine import NICENESS
from docqa.store import verify
from docqa.syncing import sync
from docqa.types import Activity, CorpusDiff, Progress, SkippedDocument, SyncReport

BEAT = 0.25
"""Seconds between two lines that say how far a sync is: so soon is it ended when it has to."""


def sync_apart(
    corpus_dir: str | PathLike[str],
    embeddings_dir: str | PathLike[str],
    *,
    model: str | None = None,
    leave: Collection[str] = (),
    progress: Progress | None = None,
) -> SyncReport:
    """Sync as `sync` does, in a process of its own, which ends at once when ``progress`` raises an exception.

    Args:
        corpus_dir: the folder of documents.
        embeddings_dir: the folder of the store.
        model: the name of the model; as `sync` chooses it when there is none.
        leave: paths of files that are left for another sync.
        progress: called several times a second, whether the sync has gone on or not.

    Raises:
        DocqaError: as `sync`.
        StoreError: as `sync`, or the process ended before the sync did; the store is as before.
    """
    request = {"corpus": str(corpus_dir), "embeddings": str(embeddings_dir), "model": model, "leave": sorted(leave)}
    return _report(_carry_out(request, progress))


def verify_apart(embeddings_dir: str | PathLike[str]) -> None:
    """Compare every byte of a store with what was written as `verify` does, in a process of its own.

    Raises:
        IndexNotFoundError, CorruptIndexError: as `verify`.
        StoreError: as `verify`, or the process ended before.
    """
    _carry_out({"verify": str(embeddings_dir)}, None)


def _carry_out(request: dict[str, Any], progress: Progress | None) -> Any:
    with _start() as process:
        assert process.stdin and process.stdout
        try:
            with suppress(BrokenPipeError), process.stdin:
                json.dump(request, process.stdin)
            for line in process.stdout:
                said = json.loads(line)
                if "result" in said:
                    return said["result"]
                if "problem" in said:
                    raise _problem(said["kind"], said["problem"])
                if progress:
                    progress(*said["progress"])
            process.wait()
        finally:
            process.kill()
    work = "verification" if "verify" in request else "sync"
    raise StoreError(f"the {work} ended before it was done ({_how(process.returncode)}); the index is as before")


def _start() -> "subprocess.Popen[str]":
    # A program, for multiprocessing would run the caller's script once more; it finds modules where this one does.
    # Ctrl+C is for the parent, hence a group; no session, for among these Linux may share a processor evenly.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", "docqa.apart"]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, process_group=0
        )
    except OSError as exc:
        raise StoreError(f"no process to sync or verify can be started: {exc.strerror}") from exc


def _problem(kind: str, message: str) -> DocqaError:
    """Make an error of what it says, whatever it was made of there."""
    error: DocqaError = Exception.__new__(getattr(errors, kind))
    error.args = (message,)
    return error


def _report(fields: dict[str, Any]) -> SyncReport:
    diff = CorpusDiff(**{name: tuple(paths) for name, paths in fields.pop("diff").items()})
    skipped, new = (tuple(SkippedDocument(**one) for one in fields.pop(name)) for name in ("skipped", "newly_skipped"))
    return SyncReport(diff, skipped, newly_skipped=new, **fields)


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


class _Speaker:
    """Says in lines of JSON how far the work is and what came of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._progress: tuple[int, int, Activity] = (0, 0, "reading")

    def note(self, done: int, total: int, activity: Activity) -> None:
        """Note how far the work is, to be said with the next beat."""
        self._progress = done, total, activity

    def beat(self) -> None:
        """Say again and again how far the work is."""
        while True:
            self.say(progress=self._progress)
            time.sleep(BEAT)

    def say(self, **what: Any) -> None:
        """Say something, and end the process if nobody hears it."""
        with self._lock:
            try:
                self._pipe.write(json.dumps(what).encode() + b"\n")
            except BrokenPipeError:
                os._exit(1)


def main() -> None:
    """Do what the request says."""
    os.nice(NICENESS)
    speaker = _Speaker(os.fdopen(os.dup(1), "wb", buffering=0))
    os.dup2(2, 1)  # what libraries print is no line of these
    threading.Thread(target=speaker.beat, daemon=True).start()
    try:
        result = _do(json.load(sys.stdin), speaker.note)
    except DocqaError as problem:
        speaker.say(problem=str(problem), kind=type(problem).__name__)
    else:
        speaker.say(result=result)


def _do(request: dict[str, Any], progress: Progress) -> dict[str, Any] | None:
    if "verify" in request:
        verify(Path(request["verify"]))
        return None
    embedder = SentenceTransformerEmbedder(request["model"]) if request["model"] else None
    folders = request["corpus"], request["embeddings"]
    return asdict(sync(*folders, embedder=embedder, leave=request["leave"], progress=progress))


if __name__ == "__main__":
    main()
